//! What an equivocation costs.

use frame_support::{assert_noop, assert_ok, assert_storage_noop};

use super::*;
use crate::{Barred, Error, Event, Jailed, Missed, Retired, SeatsToCheck};

const SLASHED: u128 = 30;

fn four() -> ExtBuilder {
    ExtBuilder { seats: 4, ..Default::default() }
}

fn disabled() -> Vec<u32> {
    Session::disabled_validators()
}

#[test]
fn an_equivocation_costs_the_seat_for_good_and_a_part_of_the_bond() {
    four().build_and_execute(|| {
        charge(21, ED, 0);
        report(3);
        assert!(has_event(Event::Barred { bookkeeper: 3, slashed: SLASHED }));
        assert_eq!(held(HoldReason::Candidacy, 3), MIN_BOND - SLASHED);
        assert_eq!(Balances::free_balance(Dpos::pot()), ED + SLASHED);
        assert_supply_is_conserved();
        assert_eq!(Dpos::elect(), [4, 2, 1]);
        next_block_by(Some(4));
        assert_eq!(disabled(), [1]);

        run_to_session(2);
        assert_eq!(Session::validators(), [4, 2, 1]);
        run_to_session(5);
        assert_ok!(withdraw(3));
        assert_eq!(Balances::free_balance(3), ENDOWED - SLASHED);
        assert_noop!(stand(3, MIN_BOND), Error::<Test>::Barred);
        assert_supply_is_conserved();
    });
}

#[test]
fn slashed_coin_is_shared_with_the_fees() {
    four().build_and_execute(|| {
        charge(21, ED + 70, 0);
        report(3);
        next_block_by(Some(4));
        run_to_session(1);
        assert_ok!(claim(4));
        assert_eq!(Balances::free_balance(4), ENDOWED - MIN_BOND + 70 + SLASHED);
    });
}

#[test]
fn a_second_report_changes_nothing() {
    four().build_and_execute(|| {
        report(3);
        assert_storage_noop!(report(3));
    });
}

#[test]
fn one_that_has_retired_loses_a_part_of_its_bond_all_the_same() {
    four().build_and_execute(|| {
        assert_ok!(retire(3));
        run_to_session(2);
        report(3);
        let leaving = Retired::<Test>::get(3).unwrap();
        assert_eq!((leaving.bond, leaving.withdrawable_at), (MIN_BOND - SLASHED, 5));
        assert_eq!(held(HoldReason::Candidacy, 3), MIN_BOND - SLASHED);
        run_to_session(5);
        assert_ok!(withdraw(3));
        assert_eq!(Balances::free_balance(3), ENDOWED - SLASHED);
        assert_noop!(stand(3, MIN_BOND), Error::<Test>::Barred);
    });
}

#[test]
fn one_that_has_withdrawn_is_barred_without_a_slash() {
    four().build_and_execute(|| {
        assert_ok!(retire(3));
        run_to_session(5);
        assert_ok!(withdraw(3));
        report(3);
        assert!(has_event(Event::Barred { bookkeeper: 3, slashed: 0 }));
        assert_eq!(Balances::free_balance(3), ENDOWED);
        assert!(!Retired::<Test>::contains_key(3));
        assert_noop!(stand(3, MIN_BOND), Error::<Test>::Barred);
    });
}

#[test]
fn a_stake_is_not_slashed() {
    four().build_and_execute(|| {
        assert_ok!(vote(3, &[3, 4], 500));
        report(3);
        assert_eq!(held(HoldReason::Vote, 3), 500);
        assert_eq!(tallies([3, 4]), [500, 500]);
        assert_ok!(unvote(3));
    });
}

#[test]
fn a_barred_one_keeps_its_turns_where_too_few_would_be_left() {
    ExtBuilder::default().build_and_execute(|| {
        report(3);
        next_block_by(Some(4));
        // Without one of three there would be no finality.
        assert!(disabled().is_empty());
        run_to_session(2);
        assert_eq!(Session::validators(), [4, 2, 1]);
    });
}

#[test]
fn of_those_who_lose_their_turns_the_barred_come_first() {
    four().build_and_execute(|| {
        Jailed::<Test>::insert(4, 100);
        report(3);
        next_block_by(Some(2));
        assert_eq!(disabled(), [1]);
    });
}

#[test]
fn a_barred_one_takes_the_place_of_one_in_jail_among_those_without_turns() {
    four().build_and_execute(|| {
        for _ in 0..10 {
            next_block_after(Some(4), 1..2);
        }
        // Three is in jail, and of four no second one can be spared.
        assert_eq!(disabled(), [1]);
        report(2);
        next_block_by(Some(4));
        assert_eq!(disabled(), [2]);
        assert!(Jailed::<Test>::contains_key(3));
    });
}

#[test]
fn of_those_in_jail_the_same_one_stays_without_turns() {
    four().build_and_execute(|| {
        for _ in 0..10 {
            next_block_after(Some(4), 1..2);
        }
        Jailed::<Test>::insert(4, 100);
        SeatsToCheck::<Test>::put(true);
        next_block_by(Some(2));
        assert_eq!(disabled(), [1]);
    });
}

#[test]
fn bars_outlast_jail() {
    four().build_and_execute(|| {
        for _ in 0..10 {
            next_block_after(Some(4), 1..2);
        }
        assert!(Jailed::<Test>::contains_key(3));
        report(3);
        System::run_to_block::<AllPalletsWithSystem>(11 + JAIL_BLOCKS);
        assert_noop!(unjail(3), Error::<Test>::NotJailed);
        assert!(!Dpos::elect().contains(&3));
    });
}

#[test]
fn the_turns_of_a_barred_one_are_not_counted_as_missed() {
    ExtBuilder::default().build_and_execute(|| {
        report(3);
        for _ in 0..2 {
            next_block_after(Some(4), 1..2);
        }
        assert!(Barred::<Test>::contains_key(3));
        assert_eq!(Missed::<Test>::get(3), 0);
    });
}
