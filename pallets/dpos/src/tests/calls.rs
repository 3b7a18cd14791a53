//! Candidacy: standing, retiring, withdrawing.

use frame_support::{assert_noop, assert_ok};
use sp_runtime::TokenError;

use super::*;
use crate::{Candidate, Candidates, Commission, Error, Event, NextOrder, Retired, Standing};

#[test]
fn standing_holds_the_bond() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(stand(5, 150));
        assert_eq!(held(HoldReason::Candidacy, 5), 150);
        let candidate = Candidates::<Test>::get(5).unwrap();
        assert_eq!((candidate.bond, candidate.order), (150, 4));
        let commission = Perbill::zero();
        assert!(has_event(Event::Stood { candidate: 5, bond: 150, commission }));
    });
}

#[test]
fn standing_needs_session_keys() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(stand(VOTERS[0], MIN_BOND), Error::<Test>::NoSessionKeys);
    });
}

#[test]
fn standing_twice_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(stand(1, MIN_BOND), Error::<Test>::AlreadyCandidate);
    });
}

#[test]
fn a_bond_below_the_smallest_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(stand(5, MIN_BOND - 1), Error::<Test>::BondTooLow);
    });
}

#[test]
fn a_bond_beyond_the_balance_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(stand(5, ENDOWED + 1), TokenError::FundsUnavailable);
    });
}

fn unseated(order: u64) -> Candidate<u128> {
    let commission = Commission::of(Perbill::zero());
    Candidate { bond: MIN_BOND, order, commission, standing: Standing::Newcomer }
}

#[test]
fn candidates_are_bounded() {
    ExtBuilder::default().build().execute_with(|| {
        for who in 100..136 {
            Candidates::<Test>::insert(who, unseated(who));
        }
        assert_eq!(Candidates::<Test>::count(), 40);
        assert_noop!(stand(5, MIN_BOND), Error::<Test>::TooManyCandidates);
    });
}

#[test]
fn orders_of_registration_never_wrap() {
    ExtBuilder::default().build_and_execute(|| {
        NextOrder::<Test>::put(u64::MAX);
        assert_noop!(stand(5, MIN_BOND), Error::<Test>::OutOfRange);
    });
}

#[test]
fn retiring_keeps_the_bond_until_the_unbonding_time_is_over() {
    ExtBuilder::default().build_and_execute(|| {
        // The lowest in genesis order: it stands, but has no seat.
        assert_ok!(retire(1));
        assert!(!Candidates::<Test>::contains_key(1));
        assert_eq!(held(HoldReason::Candidacy, 1), MIN_BOND);
        assert!(has_event(Event::Retired { candidate: 1, withdrawable_at: 3 }));

        run_to_session(2);
        assert_noop!(withdraw(1), Error::<Test>::TooEarlyToWithdraw);
        run_to_session(3);
        assert_ok!(withdraw(1));
        assert_eq!(held(HoldReason::Candidacy, 1), 0);
        assert_eq!(Balances::free_balance(1), ENDOWED);
        assert!(has_event(Event::Withdrawn { candidate: 1, bond: MIN_BOND }));
        assert_noop!(withdraw(1), Error::<Test>::NothingToWithdraw);
    });
}

#[test]
fn only_a_candidate_can_retire() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(retire(5), Error::<Test>::NotCandidate);
        assert_ok!(retire(1));
        assert_noop!(retire(1), Error::<Test>::NotCandidate);
    });
}

#[test]
fn a_candidate_that_stands_has_nothing_to_withdraw() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(withdraw(1), Error::<Test>::NothingToWithdraw);
    });
}

#[test]
fn a_seated_bookkeeper_cannot_withdraw() {
    ExtBuilder { candidates: vec![(1, MIN_BOND)], seats: 1 }.build_and_execute(|| {
        // Nobody is left to be elected, so it stays seated beyond the unbonding time.
        assert_ok!(retire(1));
        run_to_session(4);
        assert_eq!(Session::validators(), [1]);
        assert_noop!(withdraw(1), Error::<Test>::TooEarlyToWithdraw);
    });
}

#[test]
fn the_whole_unbonding_time_runs_from_the_last_session_that_was_served() {
    ExtBuilder { candidates: vec![(1, MIN_BOND)], seats: 1 }.build_and_execute(|| {
        assert_ok!(retire(1));
        run_to_session(4);
        assert_ok!(stand(2, MIN_BOND));
        run_to_session(6);
        // It was seated in session 5. Evidence of that is taken in three sessions more.
        assert_eq!(Session::validators(), [2]);
        run_to_session(8);
        assert_noop!(withdraw(1), Error::<Test>::TooEarlyToWithdraw);
        report(1);
        assert!(has_event(Event::Barred { bookkeeper: 1, slashed: MIN_BOND * 3 / 10 }));
        run_to_session(9);
        assert_ok!(withdraw(1));
    });
}

#[test]
fn a_bond_cannot_be_withdrawn_before_the_last_session_is_served() {
    ExtBuilder::default().build_and_execute(|| {
        run_to_session(1);
        // Seated now and elected for session 2.
        assert_ok!(retire(4));
        let withdrawable_at = || Retired::<Test>::get(4).unwrap().withdrawable_at;
        assert_eq!(withdrawable_at(), 4);
        run_to_session(2);
        assert!(Session::validators().contains(&4));
        assert_eq!(withdrawable_at(), 5);
        for session in [3, 4] {
            run_to_session(session);
            assert!(!Session::validators().contains(&4));
            assert_eq!(withdrawable_at(), 6);
        }
    });
}

#[test]
fn standing_again_needs_the_old_bond_withdrawn() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(retire(1));
        assert_noop!(stand(1, MIN_BOND), Error::<Test>::StillUnbonding);
        run_to_session(3);
        assert_ok!(withdraw(1));
        assert_ok!(stand(1, MIN_BOND));
        assert_eq!(Candidates::<Test>::get(1).unwrap().order, 4);
    });
}

#[test]
fn session_numbers_never_wrap() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 50));
        pallet_session::CurrentIndex::<Test>::put(u32::MAX);
        assert_noop!(retire(1), Error::<Test>::OutOfRange);
        assert_noop!(unvote(21), Error::<Test>::OutOfRange);
    });
}

#[test]
fn every_call_needs_a_signature() {
    ExtBuilder::default().build_and_execute(|| {
        let none = RuntimeOrigin::none;
        let refused = sp_runtime::DispatchError::BadOrigin;
        assert_noop!(Dpos::stand(none(), MIN_BOND, Perbill::zero()), refused);
        assert_noop!(Dpos::retire(none()), refused);
        assert_noop!(Dpos::withdraw(none()), refused);
        assert_noop!(Dpos::vote(none(), choices(&[1]), 50), refused);
        assert_noop!(Dpos::unvote(none()), refused);
        assert_noop!(Dpos::unlock(none()), refused);
        assert_noop!(Dpos::open_proxy(none()), refused);
        assert_noop!(Dpos::close_proxy(none()), refused);
        assert_noop!(Dpos::delegate(none(), 1, 50), refused);
        assert_noop!(Dpos::undelegate(none()), refused);
        assert_noop!(Dpos::claim(none()), refused);
        assert_noop!(Dpos::set_commission(none(), Perbill::zero()), refused);
        assert_noop!(Dpos::unjail(none()), refused);
        assert_noop!(Dpos::set_seats(none(), 2), refused);
    });
}
