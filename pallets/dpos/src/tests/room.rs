//! A full list of candidates.

use frame_support::{assert_noop, assert_ok};

use super::*;
use crate::{Candidates, Error, Event, Jailed, Retired, Threshold, WeightInfo};

/// Three of genesis are seated and one is not; two more stand, and there is room for no other.
fn full(test: impl FnOnce()) {
    ExtBuilder::default().build_and_execute(|| {
        MaxCandidates::set(6);
        Threshold::<Test>::put(Perbill::from_percent(1));
        assert_ok!(stand(5, MIN_BOND));
        assert_ok!(stand(6, MIN_BOND));
        test();
    });
}

fn displaced(by: u64) -> Option<u64> {
    System::events().into_iter().rev().find_map(|record| match record.event {
        RuntimeEvent::Dpos(Event::Displaced { candidate, by: newcomer, .. }) => {
            (newcomer == by).then_some(candidate)
        }
        _ => None,
    })
}

#[test]
fn a_higher_bond_takes_the_place_of_one_without_votes() {
    full(|| {
        assert_noop!(stand(7, MIN_BOND), Error::<Test>::TooManyCandidates);
        assert_ok!(stand(7, MIN_BOND + 1));
        let withdrawable_at = 3;
        assert!(has_event(Event::Displaced { candidate: 6, by: 7, withdrawable_at }));
        assert_eq!(Candidates::<Test>::count(), 6);
        assert!(Candidates::<Test>::contains_key(7) && !Candidates::<Test>::contains_key(6));
        assert_eq!(Retired::<Test>::get(6).unwrap().withdrawable_at, withdrawable_at);
        assert_eq!(held(HoldReason::Candidacy, 6), MIN_BOND);

        run_to_session(2);
        assert_noop!(withdraw(6), Error::<Test>::TooEarlyToWithdraw);
        run_to_session(3);
        assert_ok!(withdraw(6));
        assert_eq!(Balances::free_balance(6), ENDOWED);
    });
}

#[test]
fn each_place_costs_more_than_the_lowest_bond() {
    full(|| {
        assert_ok!(stand(7, MIN_BOND + 2));
        assert_ok!(stand(8, MIN_BOND + 2));
        assert_eq!([7, 8].map(displaced), [Some(6), Some(5)]);
        assert_noop!(stand(9, MIN_BOND + 2), Error::<Test>::TooManyCandidates);
        assert_ok!(stand(9, MIN_BOND + 3));
        assert_eq!(displaced(9), Some(8));
    });
}

#[test]
fn votes_protect_a_candidate_once_they_reach_the_threshold() {
    full(|| {
        assert_ok!(vote(21, &[6], SUPPLY / 100));
        assert_ok!(vote(22, &[5], SUPPLY / 100 - 1));
        assert_ok!(stand(7, MIN_BOND + 1));
        assert_eq!(displaced(7), Some(5));
        // All without a seat have votes that count now.
        assert_ok!(vote(22, &[1, 7], SUPPLY / 50));
        assert_ok!(stand(8, MIN_BOND + 1));
        assert_eq!(displaced(8), Some(6));
    });
}

#[test]
fn those_of_genesis_are_never_displaced() {
    full(|| {
        Jailed::<Test>::insert(3, 100);
        run_to_session(2);
        assert_eq!(Session::validators(), [4, 2, 1]);
        for (newcomer, old) in [(7, 6), (8, 5), (9, 7), (10, 8)] {
            assert_ok!(stand(newcomer, MIN_BOND + u128::from(newcomer)));
            assert_eq!(displaced(newcomer), Some(old));
        }
        assert!(Candidates::<Test>::contains_key(3));
    });
}

#[test]
fn one_high_bond_does_not_close_the_list_and_former_seats_do_not_either() {
    full(|| {
        assert_ok!(vote(21, &[5], SUPPLY / 100));
        Jailed::<Test>::insert(4, 100);
        run_to_session(2);
        assert!(Session::validators().contains(&5));
        assert_ok!(unvote(21));
        Jailed::<Test>::remove(4);
        run_to_session(4);
        assert!(!Session::validators().contains(&5));
        // One that was elected has the lowest bond now.
        assert_ok!(stand(7, 9 * MIN_BOND));
        assert_eq!(displaced(7), Some(6));
        assert_ok!(stand(8, MIN_BOND + 1));
        assert_eq!(displaced(8), Some(5));
    });
}

#[test]
fn one_elected_for_the_next_session_keeps_its_place_until_it_sits() {
    full(|| {
        Jailed::<Test>::insert(4, 100);
        assert_ok!(vote(21, &[5], SUPPLY / 100));
        run_to_session(1);
        // It sits from the second session on, and the votes that elected it are gone.
        assert_ok!(unvote(21));
        assert!(!Session::validators().contains(&5));
        assert_ok!(stand(7, MIN_BOND + 1));
        assert_eq!(displaced(7), Some(6));
        assert_noop!(stand(8, MIN_BOND + 1), Error::<Test>::TooManyCandidates);
        run_to_session(2);
        assert!(Session::validators().contains(&5) && Candidates::<Test>::contains_key(5));
    });
}

#[test]
fn nobody_bids_for_a_place_with_a_seat() {
    full(|| {
        MaxCandidates::set(3);
        for who in [1, 5, 6] {
            assert_ok!(retire(who));
        }
        assert_noop!(stand(7, 9_000), Error::<Test>::TooManyCandidates);
    });
}

#[test]
fn nobody_is_displaced_by_one_that_may_not_stand() {
    full(|| {
        report(7);
        assert_noop!(stand(7, 2 * MIN_BOND), Error::<Test>::Barred);
        assert_noop!(stand(5, 2 * MIN_BOND), Error::<Test>::AlreadyCandidate);
        assert_noop!(stand(8, ENDOWED + 1), sp_runtime::TokenError::FundsUnavailable);
    });
}

#[test]
fn only_a_full_list_has_to_be_looked_through() {
    full(|| {
        let charged = |who, bond| {
            let stood = Dpos::stand(RuntimeOrigin::signed(who), bond, Perbill::zero());
            stood.expect("it may stand").actual_weight
        };
        assert_eq!(charged(7, MIN_BOND + 1), None);
        MaxCandidates::set(7);
        assert_eq!(charged(8, MIN_BOND), Some(<()>::stand()));
    });
}
