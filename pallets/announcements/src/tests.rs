use frame_support::{
    assert_noop, assert_ok,
    traits::{fungible::InspectHold, Hooks},
};
use proptest::prelude::*;
use sp_runtime::{BoundedVec, DispatchError, TokenError};
use zennet_primitives::announcement::LeaseRange;

use super::*;
use crate::{
    mock::{Announcements as Pool, *},
    pallet::Announcements,
};

fn announce(n: u8, task: u64, lifetime: u64) -> DispatchResult {
    let body = body(task);
    let stamp = stamp(&who(n), &body);
    without_weight(Pool::announce(RuntimeOrigin::signed(who(n)), body, lifetime, stamp))
}

fn announce_body(n: u8, body: Announcement) -> DispatchResult {
    let stamp = stamp(&who(n), &body);
    without_weight(Pool::announce(RuntimeOrigin::signed(who(n)), body, 10, stamp))
}

fn without_weight(result: DispatchResultWithPostInfo) -> DispatchResult {
    result.map(drop).map_err(|refused| refused.error)
}

fn cancel(n: u8, task: u64) -> DispatchResult {
    Pool::cancel(RuntimeOrigin::signed(who(n)), id(n, task))
}

fn id(n: u8, task: u64) -> AnnouncementId {
    id_of(&who(n), &body(task))
}

fn held(n: u8) -> Balance {
    Balances::balance_on_hold(&HoldReason::Announcement.into(), &who(n))
}

fn deposit(task: u64) -> Balance {
    DepositBase::get() + DepositPerByte::get() * body(task).encoded_size() as Balance
}

#[test]
fn an_announcement_is_stored_indexed_and_paid_for_by_size() {
    build_and_execute(|| {
        assert_ok!(announce(1, 7, 10));
        let record = Announcements::<Test>::get(id(1, 7)).unwrap();
        assert_eq!((record.publisher, record.body), (who(1), body(7)));
        assert_eq!((record.expires_at, record.deposit), (11, deposit(7)));
        let work = pow::stamp_work(id(1, 7), record.stamp);
        assert!(pow::meets(work, MinStampDifficulty::get()));
        assert_eq!(ExpiringAt::<Test>::get(11).to_vec(), vec![id(1, 7)]);
        assert_eq!(held(1), deposit(7));
        let event = Event::Announced { id: id(1, 7), publisher: who(1), expires_at: 11 };
        System::assert_last_event(event.into());
    });
}

#[test]
fn a_longer_body_costs_a_larger_deposit() {
    build_and_execute(|| {
        assert_ok!(announce(1, 1, 10));
        let info_url = BoundedVec::truncate_from(vec![b'u'; 50]);
        assert_ok!(announce_body(2, Announcement { info_url, ..body(1) }));
        assert_eq!(held(2), held(1) + 50 * DepositPerByte::get());
    });
}

#[test]
fn an_expired_announcement_leaves_the_state_as_it_was() {
    build_and_execute(|| {
        let before = state();
        assert_ok!(announce(1, 1, 10));
        assert_ne!(state(), before);
        run_to(10);
        assert!(Announcements::<Test>::contains_key(id(1, 1)));
        run_to(11);
        assert_eq!(state(), before);
        assert_eq!(held(1), 0);
        assert_eq!(Balances::free_balance(who(1)), START);
        System::assert_last_event(Event::Expired { id: id(1, 1) }.into());
    });
}

#[test]
fn a_cancelled_announcement_leaves_the_state_as_it_was() {
    build_and_execute(|| {
        let before = state();
        assert_ok!(announce(1, 1, 10));
        assert_ok!(announce(2, 2, 10));
        assert_ok!(cancel(1, 1));
        System::assert_last_event(Event::Cancelled { id: id(1, 1) }.into());
        assert_eq!(ExpiringAt::<Test>::get(11).to_vec(), vec![id(2, 2)]);
        assert_ok!(cancel(2, 2));
        assert_eq!(state(), before);
    });
}

#[test]
fn expiry_is_bounded_in_each_block_and_carries_over() {
    build_and_execute(|| {
        let before = state();
        for n in 0..6u8 {
            assert_ok!(announce(1 + n % 5, n.into(), 10));
        }
        assert_ok!(announce(1, 90, 11));
        assert_ok!(announce(2, 91, 11));
        // Four steps: the first block is looked at, three announcements go.
        run_to(11);
        assert_eq!(Announcements::<Test>::iter_keys().count(), 5);
        assert_eq!(Overdue::<Test>::get(), Some(11));
        Pool::do_try_state(11).unwrap();
        // The other three go, and there is no step left to look at block 12.
        run_to(12);
        assert_eq!(Announcements::<Test>::iter_keys().count(), 2);
        assert_eq!(Overdue::<Test>::get(), Some(12));
        Pool::do_try_state(12).unwrap();
        run_to(13);
        assert_eq!(Overdue::<Test>::get(), None);
        assert_eq!(state(), before);
    });
}

#[test]
fn an_overdue_announcement_can_be_cancelled() {
    build_and_execute(|| {
        let before = state();
        for n in 0..6u8 {
            assert_ok!(announce(1 + n % 5, n.into(), 10));
        }
        run_to(11);
        let left = Announcements::<Test>::iter().collect::<Vec<_>>();
        assert_eq!(left.len(), 3);
        for (id, record) in left {
            assert_ok!(Pool::cancel(RuntimeOrigin::signed(record.publisher), id));
        }
        run_to(12);
        assert_eq!(state(), before);
    });
}

#[test]
fn a_quiet_block_costs_one_look() {
    build_and_execute(|| {
        assert_eq!(Pool::on_initialize(2), <() as WeightInfo>::expire(0));
    });
}

#[test]
fn each_defect_of_a_body_is_named() {
    build_and_execute(|| {
        let lease = LeaseRange { min_secs: 2, max_secs: 1 };
        assert_noop!(announce_body(1, oversized_body()), Error::<Test>::TooLarge);
        let refused = |body: Announcement, error: Error<Test>| {
            assert_noop!(announce_body(1, body), error);
        };
        refused(Announcement { machines: 0, ..body(1) }, Error::NoMachines);
        refused(Announcement { lease, ..body(1) }, Error::BadLeaseRange);
        refused(Announcement { interval_ms: 1, ..body(1) }, Error::BadInterval);
        refused(Announcement { endpoint: Default::default(), ..body(1) }, Error::NoEndpoint);
        let info_url = BoundedVec::truncate_from(b"https://\x1b[2J".to_vec());
        refused(Announcement { info_url, ..body(1) }, Error::NotPrintable);
    });
}

#[test]
fn a_lifetime_out_of_bounds_is_refused() {
    build_and_execute(|| {
        for lifetime in [0, MaxLifetime::get() + 1, u64::MAX] {
            assert_noop!(announce(1, 1, lifetime), Error::<Test>::BadLifetime);
        }
        assert_ok!(announce(1, 1, 1));
        assert_ok!(announce(1, 2, MaxLifetime::get()));
    });
}

#[test]
fn a_publisher_without_identity_is_refused() {
    build_and_execute(|| {
        assert_noop!(announce(9, 1, 10), Error::<Test>::UnknownPublisher);
    });
}

#[test]
fn a_stamp_without_work_is_refused_and_so_is_anothers() {
    build_and_execute(|| {
        let unworked = |n: u8| {
            let id = id(n, 1);
            (0..).find(|s| !pow::meets(pow::stamp_work(id, *s), MinStampDifficulty::get())).unwrap()
        };
        assert_noop!(
            Pool::announce(RuntimeOrigin::signed(who(1)), body(1), 10, unworked(1)),
            Error::<Test>::StampInsufficient
        );
        // One that is good for publisher 1 and not for publisher 2.
        let good =
            |n: u8, s: u64| pow::meets(pow::stamp_work(id(n, 1), s), MinStampDifficulty::get());
        let stolen = (0..).find(|s| good(1, *s) && !good(2, *s)).unwrap();
        assert_noop!(
            Pool::announce(RuntimeOrigin::signed(who(2)), body(1), 10, stolen),
            Error::<Test>::StampInsufficient
        );
        assert_ok!(Pool::announce(RuntimeOrigin::signed(who(1)), body(1), 10, stolen));
    });
}

#[test]
fn a_standing_announcement_cannot_be_repeated_and_a_gone_one_can() {
    build_and_execute(|| {
        assert_ok!(announce(1, 1, 10));
        assert_noop!(announce(1, 1, 20), Error::<Test>::AlreadyAnnounced);
        assert_ok!(announce(2, 1, 10));
        run_to(12);
        assert_ok!(announce(1, 1, 20));
    });
}

#[test]
fn what_an_account_has_on_hold_is_bounded() {
    let (before, most) = (MaxDeposit::get(), 3 * deposit(0));
    build_and_execute(|| {
        MaxDeposit::set(most);
        for task in 0..3 {
            assert_ok!(announce(1, task, 10));
        }
        assert_eq!(held(1), most);
        assert_noop!(announce(1, 3, 11), Error::<Test>::TooMuchOnHold);
        // It is a bound on each account.
        assert_ok!(announce(2, 3, 11));
        assert_ok!(cancel(1, 0));
        MaxDeposit::set(most - 1);
        assert_noop!(announce(1, 3, 11), Error::<Test>::TooMuchOnHold);
        MaxDeposit::set(most);
        assert_ok!(announce(1, 3, 11));
    });
    MaxDeposit::set(before);
}

#[test]
fn a_full_block_of_expiry_is_refused_and_another_lifetime_helps() {
    build_and_execute(|| {
        for n in 0..MaxExpiringPerBlock::get() as u8 {
            assert_ok!(announce(1 + n % 5, n.into(), 10));
        }
        assert_noop!(announce(5, 99, 10), Error::<Test>::ExpiryBlockFull);
        assert_ok!(announce(5, 99, 11));
    });
}

#[test]
fn a_deposit_beyond_the_balance_is_refused() {
    build_and_execute(|| {
        make_known(&who(9));
        assert_noop!(announce(9, 1, 10), DispatchError::Token(TokenError::FundsUnavailable));
    });
}

#[test]
fn a_deposit_that_overflows_is_an_error() {
    build_and_execute(|| {
        DepositPerByte::set(Balance::MAX / 2);
        assert_noop!(announce(1, 1, 10), Error::<Test>::DepositOverflow);
    });
    DepositPerByte::set(2);
}

#[test]
fn only_the_publisher_cancels() {
    build_and_execute(|| {
        assert_ok!(announce(1, 1, 10));
        assert_noop!(
            Pool::cancel(RuntimeOrigin::signed(who(2)), id(1, 1)),
            Error::<Test>::NotPublisher
        );
        assert_noop!(Pool::cancel(RuntimeOrigin::root(), id(1, 1)), DispatchError::BadOrigin);
    });
}

#[test]
fn what_does_not_stand_cannot_be_cancelled() {
    build_and_execute(|| {
        assert_noop!(cancel(1, 1), Error::<Test>::NotFound);
        assert_ok!(announce(1, 1, 10));
        assert_ok!(cancel(1, 1));
        assert_noop!(cancel(1, 1), Error::<Test>::NotFound);
    });
}

#[test]
fn deposits_do_not_wrap() {
    assert_eq!(deposit_for(5, 2, 10), Some(25));
    assert_eq!(deposit_for(Balance::MAX, 1, 1), None);
    assert_eq!(deposit_for(0, Balance::MAX, 2), None);
}

#[derive(Clone, Debug)]
enum Step {
    Announce { n: u8, task: u64, lifetime: u64 },
    Cancel { n: u8, task: u64 },
    Blocks(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..=PUBLISHERS, 0u64..8, 1u64..6)
            .prop_map(|(n, task, lifetime)| Step::Announce { n, task, lifetime }),
        1 => (1..=PUBLISHERS, 0u64..8).prop_map(|(n, task)| Step::Cancel { n, task }),
        1 => (1u64..4).prop_map(Step::Blocks),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_was_announced_is_gone_in_the_end(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        build_and_execute(|| {
            let before = state();
            for step in steps {
                let root = state();
                let changed = match step {
                    Step::Announce { n, task, lifetime } => announce(n, task, lifetime).is_ok(),
                    Step::Cancel { n, task } => {
                        let stood = Announcements::<Test>::contains_key(id(n, task));
                        assert_eq!(cancel(n, task).is_ok(), stood);
                        stood
                    }
                    Step::Blocks(n) => {
                        run_to(System::block_number() + n);
                        continue;
                    }
                };
                assert_eq!(state() != root, changed);
                Pool::do_try_state(System::block_number()).unwrap();
            }
            // At most four of each stand, in at most 5 blocks: a few blocks of four steps clear them.
            run_to(System::block_number() + 25);
            assert_eq!(state(), before);
        });
    }

    #[test]
    fn a_walk_never_exceeds_its_steps(
        entries in proptest::collection::vec(0usize..10, 1..50),
        steps in 2u32..20,
    ) {
        let mut walk = Walk { at: 0u64, steps };
        let mut spent = 0u32;
        for n in &entries {
            if !walk.may_look(100) {
                break;
            }
            spent += 1 + walk.look(*n) as u32;
            walk.advance();
        }
        prop_assert!(spent <= steps);
        prop_assert_eq!(spent + walk.steps, steps);
    }
}
