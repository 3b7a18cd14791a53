//! Voting, taking back, unlocking.

use frame_support::{assert_noop, assert_ok};
use sp_runtime::TokenError;

use super::*;
use crate::{Error, Event, StakeChange, Tallies, Unlocking, Unlockings, Votes};

fn waiting(who: u64) -> Option<(u128, u32)> {
    Unlockings::<Test>::get(who).map(|unlocking| (unlocking.amount, unlocking.unlockable_at))
}

#[test]
fn a_vote_counts_its_whole_stake_for_each_choice() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1, 2], 500));
        assert_ok!(vote(22, &[2], 300));
        assert_eq!(tallies([1, 2, 3]), [500, 800, 0]);
        assert_eq!(held(HoldReason::Vote, 21), 500);
        assert!(has_event(Event::Voted { voter: 21, candidates: choices(&[1, 2]), stake: 500 }));
    });
}

#[test]
fn a_new_vote_replaces_the_old_one() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1, 2], 500));
        assert_ok!(vote(21, &[2, 3], 600));
        assert_eq!(tallies([1, 2, 3]), [0, 600, 600]);
        assert!(!Tallies::<Test>::contains_key(1));
        assert_eq!(held(HoldReason::Vote, 21), 600);
        assert_eq!(waiting(21), None);
    });
}

#[test]
fn a_lower_stake_leaves_the_rest_held_for_the_lock_time() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 500));
        assert_ok!(vote(21, &[1], 200));
        assert_eq!(tallies([1]), [200]);
        assert_eq!(held(HoldReason::Vote, 21), 500);
        assert_eq!(waiting(21), Some((300, 2)));

        run_to_session(1);
        assert_ok!(vote(21, &[1], 150));
        assert_eq!(waiting(21), Some((350, 3)));
    });
}

#[test]
fn a_higher_stake_reuses_what_waits() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 500));
        assert_ok!(vote(21, &[1], 200));
        assert_ok!(vote(21, &[1], 300));
        assert_eq!(waiting(21), Some((200, 2)));
        assert_eq!(held(HoldReason::Vote, 21), 500);

        assert_ok!(vote(21, &[1], 700));
        assert_eq!(waiting(21), None);
        assert_eq!(held(HoldReason::Vote, 21), 700);
    });
}

#[test]
fn all_coin_can_be_voted_again_at_once_after_it_was_taken_back() {
    ExtBuilder::default().build_and_execute(|| {
        let all = ENDOWED - ED;
        assert_ok!(vote(21, &[1], all));
        assert_ok!(unvote(21));
        assert_ok!(vote(21, &[2], all));
        assert_eq!(tallies([1, 2]), [0, all]);
        assert_eq!(held(HoldReason::Vote, 21), all);
    });
}

#[test]
fn taking_a_vote_back_empties_the_tallies_at_once_and_the_hold_after_the_lock() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1, 2], 500));
        assert_ok!(unvote(21));
        assert_eq!(tallies([1, 2]), [0, 0]);
        assert!(!Votes::<Test>::contains_key(21));
        assert_eq!(held(HoldReason::Vote, 21), 500);
        assert!(has_event(Event::Unvoted { voter: 21, unlockable_at: 2 }));

        run_to_session(1);
        assert_noop!(unlock(21), Error::<Test>::TooEarlyToUnlock);
        run_to_session(2);
        assert_ok!(unlock(21));
        assert_eq!(held(HoldReason::Vote, 21), 0);
        assert_eq!(Balances::free_balance(21), ENDOWED);
        assert!(has_event(Event::Unlocked { voter: 21, amount: 500 }));
        assert_noop!(unlock(21), Error::<Test>::NothingToUnlock);
    });
}

#[test]
fn a_coin_that_was_voted_cannot_move_to_another_voter_in_the_same_session() {
    ExtBuilder::default().build_and_execute(|| {
        let all = ENDOWED - ED;
        assert_ok!(vote(21, &[1], all));
        assert_ok!(unvote(21));
        assert_noop!(
            Balances::transfer_allow_death(RuntimeOrigin::signed(21), 22, all),
            TokenError::FundsUnavailable
        );
    });
}

#[test]
fn a_vote_for_nobody_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(vote(21, &[], 500), Error::<Test>::NoChoice);
    });
}

#[test]
fn a_vote_that_names_an_account_twice_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(vote(21, &[1, 2, 1], 500), Error::<Test>::DuplicateChoice);
    });
}

#[test]
fn a_vote_for_someone_who_does_not_stand_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(vote(21, &[1, 5], 500), Error::<Test>::ChoiceNotCandidate);
        assert_ok!(retire(1));
        assert_noop!(vote(21, &[1], 500), Error::<Test>::ChoiceNotCandidate);
    });
}

#[test]
fn a_stake_below_the_smallest_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(vote(21, &[1], MIN_STAKE - 1), Error::<Test>::StakeTooLow);
    });
}

#[test]
fn a_stake_beyond_the_balance_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(vote(21, &[1], ENDOWED + 1), TokenError::FundsUnavailable);
        assert_ok!(vote(21, &[1], 500));
        assert_noop!(vote(21, &[2], ENDOWED + 1), TokenError::FundsUnavailable);
        assert_eq!(tallies([1, 2]), [500, 0]);
    });
}

#[test]
fn without_a_vote_there_is_nothing_to_take_back_or_unlock() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(unvote(21), Error::<Test>::NotVoting);
        assert_noop!(unlock(21), Error::<Test>::NothingToUnlock);
    });
}

#[test]
fn a_tally_that_would_overflow_refuses_the_vote() {
    ExtBuilder::default().build().execute_with(|| {
        Tallies::<Test>::insert(1, u128::MAX - 100);
        assert_noop!(vote(21, &[1], 101), Error::<Test>::OutOfRange);
    });
}

#[test]
fn a_tally_below_a_stake_is_an_error_and_not_zero() {
    ExtBuilder::default().build().execute_with(|| {
        assert_ok!(vote(21, &[1], 500));
        Tallies::<Test>::insert(1, 499);
        assert_noop!(unvote(21), Error::<Test>::OutOfRange);
        assert_noop!(vote(21, &[2], 500), Error::<Test>::OutOfRange);
    });
}

#[test]
fn votes_for_a_retired_candidate_count_again_when_it_stands_again() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 500));
        assert_ok!(retire(1));
        run_to_session(3);
        assert!(!Dpos::elect().contains(&1));
        assert_ok!(withdraw(1));
        assert_ok!(stand(1, MIN_BOND));
        assert_eq!(Dpos::elect()[0], 1);
        assert_ok!(unvote(21));
        assert_eq!(tallies([1]), [0]);
    });
}

#[test]
fn a_bond_and_a_stake_are_separate_holds() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(1, &[1, 2], 500));
        assert_eq!(held(HoldReason::Candidacy, 1), MIN_BOND);
        assert_eq!(held(HoldReason::Vote, 1), 500);
    });
}

#[test]
fn stake_changes_refuse_sums_out_of_range() {
    let waiting = Some(Unlocking { amount: u128::MAX, unlockable_at: 1 });
    assert_eq!(StakeChange::between(1, 0, waiting, 2), None);
    assert_eq!(StakeChange::between(5, 9, None, 2), Some(StakeChange { hold: 4, unlocking: None }));
}
