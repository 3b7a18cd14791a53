//! How the fees of a session are shared, and claimed.
//!
//! Stakes that sum up to a power of two make every share exact.

use frame_support::{assert_noop, assert_ok};

use super::*;
use crate::{Authored, Earned, Earnings, Error, Event, Owed, Remainder, RewardPools};

/// Runs a session in which every block is by `author`, with `fees` to be shared.
fn session_by(author: u64, fees: u128) {
    let session = Session::current_index();
    charge(24, fees, 0);
    while Session::current_index() == session {
        next_block_by(Some(author));
    }
    assert_supply_is_conserved();
}

/// The pot's account keeps the existential deposit; the first fees pay for it.
fn open_the_pot() {
    charge(24, ED, 0);
}

fn earned(who: u64) -> u128 {
    Earnings::<Test>::get(who).amount
}

/// What a claim pays.
fn claimed(who: u64) -> u128 {
    let before = Balances::free_balance(who);
    assert_ok!(claim(who));
    assert_supply_is_conserved();
    Balances::free_balance(who) - before
}

#[test]
fn fees_of_a_session_go_to_its_bookkeepers_by_blocks_authored() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        charge(21, 90, 10);
        // The session's first block is that of genesis; it ends at the start of block 5.
        for author in [4, 4, 3, 2] {
            assert_eq!(Earnings::<Test>::iter().count(), 0);
            next_block_by(Some(author));
        }
        assert_eq!([4, 3, 2, 1].map(earned), [50, 25, 25, 0]);
        assert_eq!(Owed::<Test>::get(), 100);
        assert_eq!(Authored::<Test>::iter().count(), 0);
        assert!(has_event(Event::Rewarded {
            bookkeeper: 4,
            session: 0,
            blocks: 2,
            kept: 50,
            shared: 0
        }));

        assert_eq!(claimed(4), 50);
        assert!(has_event(Event::Claimed { account: 4, amount: 50 }));
        assert_eq!(Owed::<Test>::get(), 50);
        assert_eq!(claimed(3), 25);
        assert_eq!(claimed(2), 25);
        assert_eq!(Balances::free_balance(Dpos::pot()), ED);
        assert_noop!(claim(4), Error::<Test>::NothingToClaim);
    });
}

#[test]
fn what_cannot_be_divided_by_blocks_waits_for_the_next_session() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        charge(21, 10, 0);
        for author in [Some(4), Some(3), Some(2), None] {
            next_block_by(author);
        }
        assert_eq!([4, 3, 2].map(earned), [3, 3, 3]);
        session_by(4, 0);
        assert_eq!([4, 3, 2].map(earned), [4, 3, 3]);
    });
}

#[test]
fn fees_of_a_session_without_a_known_author_wait_for_the_next_one() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        charge(21, 100, 0);
        run_to_session(1);
        assert_eq!(Owed::<Test>::get(), 0);
        session_by(3, 20);
        assert_eq!(earned(3), 120);
    });
}

#[test]
fn the_pot_keeps_its_existential_deposit() {
    ExtBuilder::default().build_and_execute(|| {
        session_by(4, ED + 1);
        assert_eq!(claimed(4), 1);
        assert_eq!(Balances::free_balance(Dpos::pot()), ED);
        session_by(4, 7);
        assert_eq!(claimed(4), 7);
    });
}

#[test]
fn coin_that_is_sent_to_the_pot_is_shared_too() {
    ExtBuilder::default().build_and_execute(|| {
        let origin = RuntimeOrigin::signed(21);
        assert_ok!(Balances::transfer_allow_death(origin, Dpos::pot(), ED + 40));
        session_by(4, 2);
        assert_eq!(earned(4), 42);
    });
}

#[test]
fn voters_share_what_the_commission_leaves_by_their_stakes() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(set_commission(4, 10));
        assert_ok!(vote(21, &[4, 3], 384));
        assert_ok!(vote(22, &[4], 128));
        // The change of the commission counts from the next session on.
        session_by(4, 100);
        assert_eq!(earned(4), 0);
        session_by(4, 100);
        assert_eq!(earned(4), 10);
        // 75 + 67.5 and 25 + 22.5
        assert_eq!(claimed(21), 142);
        assert_eq!(claimed(22), 47);
        assert_eq!(Earnings::<Test>::get(21), Earned { amount: 0, fraction: 1 << 63 });
        session_by(4, 100);
        assert_eq!(claimed(21), 68);
        assert_eq!(claimed(22), 23);
        assert_eq!(claimed(4), 20);
        assert_eq!((Earnings::<Test>::iter().count(), Owed::<Test>::get()), (0, 0));
    });
}

#[test]
fn parts_of_a_unit_that_can_no_longer_grow_are_shared_anew() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4], 128));
        assert_ok!(vote(22, &[4], 64));
        assert_ok!(open_proxy(22));
        assert_ok!(delegate(23, 22, 64));
        session_by(4, 6);
        session_by(4, 1);
        // 3.5, 1.75 and 1.75
        assert_eq!(claimed(21), 3);
        assert_ok!(unvote(21));
        assert!(!Earnings::<Test>::contains_key(21));
        assert_eq!((Remainder::<Test>::get(), Owed::<Test>::get()), (1 << 63, 4));
        // Whole units stay, and with them what they bring along, until they are claimed.
        assert_ok!(undelegate(23));
        assert_eq!(Earnings::<Test>::get(23), Earned { amount: 1, fraction: 3 << 62 });
        assert_eq!(claimed(23), 1);
        assert!(!Earnings::<Test>::contains_key(23));
        // 0.5 and 0.75 are a unit, which is nobody's again.
        assert_eq!((Remainder::<Test>::get(), Owed::<Test>::get()), (1 << 62, 2));
        assert_eq!(Dpos::unshared(), 1);
        // Whoever still votes keeps the part.
        assert_eq!(claimed(22), 1);
        assert_eq!(Earnings::<Test>::get(22), Earned { amount: 0, fraction: 3 << 62 });
        assert_ok!(unvote(22));
        assert_eq!((Earnings::<Test>::iter().count(), Owed::<Test>::get()), (0, 0));
        assert_eq!((Remainder::<Test>::get(), Dpos::unshared()), (0, 2));
        session_by(4, 1);
        assert_eq!(claimed(4), 3);
    });
}

#[test]
fn a_part_of_a_unit_goes_when_a_delegation_that_earned_no_more_is_taken_back() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(22, &[4], 128));
        assert_ok!(open_proxy(22));
        assert_ok!(delegate(23, 22, 128));
        session_by(4, 1);
        assert_ok!(undelegate(23));
        assert!(!Earnings::<Test>::contains_key(23));
        assert_eq!((Remainder::<Test>::get(), Owed::<Test>::get()), (1 << 63, 1));
    });
}

#[test]
fn a_division_that_does_not_come_out_even_loses_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4], 300));
        session_by(4, 100);
        assert_ne!(RewardPools::<Test>::get(4).carry, 0);
        assert_eq!(claimed(21), 99);
        session_by(4, 100);
        session_by(4, 100);
        assert_eq!(RewardPools::<Test>::get(4).carry, 0);
        assert_eq!(claimed(21), 201);
    });
}

#[test]
fn the_stake_at_the_end_of_a_session_has_a_part_of_its_fees() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4], 512));
        session_by(4, 100);
        // Later than the fees, and before the end.
        charge(24, 100, 0);
        next_block_by(Some(4));
        assert_ok!(vote(22, &[4], 512));
        session_by(4, 0);
        assert_eq!(claimed(22), 50);
        assert_eq!(claimed(21), 150);

        next_block_by(Some(4));
        assert_ok!(unvote(21));
        session_by(4, 100);
        assert_eq!(claimed(22), 100);
        assert_noop!(claim(21), Error::<Test>::NothingToClaim);
    });
}

#[test]
fn a_vote_that_is_replaced_or_taken_back_keeps_what_it_has_earned() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4], 512));
        session_by(4, 100);
        assert_ok!(vote(21, &[3], 256));
        assert_eq!(earned(21), 100);
        session_by(3, 64);
        session_by(4, 30);
        assert_ok!(unvote(21));
        assert_eq!(claimed(21), 164);
        assert_eq!(claimed(4), 30);
    });
}

#[test]
fn a_vote_shares_the_rewards_of_each_of_its_choices() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4, 3, 2], 256));
        charge(21, 60, 0);
        for author in [4, 3, 2, 2] {
            next_block_by(Some(author));
        }
        assert_eq!(claimed(21), 60);
    });
}

#[test]
fn a_proxy_voter_passes_on_what_its_vote_earns() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4, 3], 256));
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 128));
        assert_ok!(delegate(23, 21, 128));
        session_by(4, 100);
        // 50, 25 and 25; then the stake of 23 goes over to 22.
        assert_ok!(undelegate(23));
        assert_ok!(delegate(22, 21, 256));
        session_by(3, 100);
        // The proxy voter's own claim takes nothing from the others.
        assert_eq!(claimed(21), 100);
        assert_eq!(claimed(22), 75);
        assert_eq!(claimed(23), 25);
        assert_eq!((Earnings::<Test>::iter().count(), Owed::<Test>::get()), (0, 0));
    });
}

#[test]
fn a_delegation_earns_from_when_it_came_until_the_proxy_voter_closes() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(vote(21, &[4], 256));
        session_by(4, 100);
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 256));
        session_by(4, 100);
        assert_ok!(close_proxy(21));
        session_by(4, 100);
        assert_ok!(open_proxy(21));
        session_by(4, 100);
        // Another vote of the proxy voter counts for both.
        assert_ok!(vote(21, &[3], 256));
        session_by(3, 100);
        assert_ok!(unvote(21));
        session_by(3, 100);
        assert_ok!(undelegate(22));
        assert_eq!(claimed(22), 50 + 50 + 50);
        assert_eq!(claimed(21), 100 + 50 + 100 + 50 + 50);
        assert_eq!(claimed(3), 100);
    });
}

#[test]
fn a_bookkeeper_without_a_candidacy_keeps_all() {
    ExtBuilder { candidates: Vec::new(), seats: 1 }.build_and_execute(|| {
        open_the_pot();
        session_by(7, 100);
        assert_eq!(claimed(7), 100);
    });
}

#[test]
fn one_that_retires_shares_as_before_while_it_is_seated() {
    ExtBuilder::default().build_and_execute(|| {
        open_the_pot();
        assert_ok!(set_commission(4, 10));
        assert_ok!(vote(21, &[4], 512));
        run_to_session(1);
        assert_ok!(retire(4));
        session_by(4, 100);
        assert_eq!(earned(4), 10);
        assert_eq!(claimed(21), 90);
    });
}

#[test]
fn sums_out_of_range_leave_the_fees_in_the_pot() {
    ExtBuilder::default().build().execute_with(|| {
        charge(24, ED + 100, 0);
        Earnings::<Test>::insert(4, Earned { amount: u128::MAX, fraction: 0 });
        next_block_by(Some(4));
        run_to_session(1);
        assert_eq!((Owed::<Test>::get(), earned(4)), (0, u128::MAX));
        assert_eq!(Dpos::unshared(), 100);
    });
}

#[test]
fn an_account_that_cannot_take_so_little_claims_it_later() {
    ExtBuilder::default().build().execute_with(|| {
        charge(24, ED + 100, 0);
        Owed::<Test>::put(ED);
        Earnings::<Test>::insert(77, Earned { amount: ED - 1, fraction: 0 });
        assert_noop!(claim(77), sp_runtime::TokenError::BelowMinimum);
        Earnings::<Test>::insert(77, Earned { amount: ED, fraction: 0 });
        assert_eq!(claimed(77), ED);
    });
}
