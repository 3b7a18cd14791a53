//! Turns that are missed, and jail.

use frame_support::{assert_noop, assert_ok};

use super::*;
use crate::{Error, Event, Jailed, Missed, MISSED_TURNS_TO_JAIL};

/// Four bookkeepers in the order 4, 3, 2, 1: the turn of 3 is every fourth slot from 1 on.
fn four() -> ExtBuilder {
    ExtBuilder { seats: 4, ..Default::default() }
}

/// Blocks by 4, before each of which 3 lets its turn go by.
fn miss(turns: u32) {
    for _ in 0..turns {
        next_block_after(Some(4), 1..2);
    }
}

fn missed(who: u64) -> u32 {
    Missed::<Test>::get(who)
}

fn disabled() -> Vec<u32> {
    Session::disabled_validators()
}

#[test]
fn ten_missed_turns_in_a_row_jail_and_not_nine() {
    four().build_and_execute(|| {
        assert_eq!(MISSED_TURNS_TO_JAIL, 10);
        miss(9);
        assert_eq!(missed(3), 9);
        assert!(has_event(Event::TurnMissed { bookkeeper: 3, in_a_row: 9 }));
        assert!(!Jailed::<Test>::contains_key(3));
        assert!(disabled().is_empty());

        miss(1);
        assert!(has_event(Event::TurnMissed { bookkeeper: 3, in_a_row: 10 }));
        let until = System::block_number() + JAIL_BLOCKS;
        assert_eq!(Jailed::<Test>::get(3), Some(until));
        assert!(has_event(Event::Jailed { bookkeeper: 3, until }));
        assert_eq!(missed(3), 0);
        // It sits in the second seat.
        assert_eq!(disabled(), [1]);

        miss(1);
        assert_eq!(missed(3), 0);
        assert_eq!(Jailed::<Test>::get(3), Some(until));
    });
}

#[test]
fn a_block_ends_the_row() {
    four().build_and_execute(|| {
        miss(9);
        next_block_by(Some(3));
        assert_eq!(missed(3), 0);
        miss(9);
        assert!(!Jailed::<Test>::contains_key(3));
        assert_eq!(missed(3), 9);
    });
}

#[test]
fn each_slot_of_a_gap_counts_for_the_bookkeeper_whose_turn_it_was() {
    four().build_and_execute(|| {
        next_block_after(Some(3), 402..405);
        assert_eq!([4, 3, 2, 1].map(missed), [1, 0, 1, 1]);
    });
}

#[test]
fn a_gap_of_a_whole_round_counts_for_nobody() {
    four().build_and_execute(|| {
        for skipped in [1..5, 2..6, 0..u64::MAX] {
            next_block_after(Some(4), skipped);
            assert_eq!(Missed::<Test>::iter().count(), 0);
        }
    });
}

#[test]
fn a_single_bookkeeper_misses_no_turn() {
    ExtBuilder { candidates: vec![(1, MIN_BOND)], seats: 1 }.build_and_execute(|| {
        for _ in 0..12 {
            next_block_after(Some(1), 1..2);
        }
        assert_eq!(Missed::<Test>::iter().count(), 0);
        assert_eq!(Jailed::<Test>::iter().count(), 0);
    });
}

#[test]
fn one_in_jail_is_not_elected_until_it_comes_back() {
    four().build_and_execute(|| {
        miss(10);
        assert_noop!(unjail(3), Error::<Test>::StillJailed);
        assert_eq!(Dpos::elect(), [4, 2, 1]);
        run_to_session(4);
        assert_eq!(Session::validators(), [4, 2, 1]);

        System::run_to_block::<AllPalletsWithSystem>(10 + JAIL_BLOCKS);
        assert_noop!(unjail(3), Error::<Test>::StillJailed);
        System::run_to_block::<AllPalletsWithSystem>(11 + JAIL_BLOCKS);
        assert_ok!(unjail(3));
        assert!(has_event(Event::Unjailed { account: 3 }));
        assert_noop!(unjail(3), Error::<Test>::NotJailed);
        assert_eq!(Dpos::elect(), [4, 3, 2, 1]);
        run_to_session(8);
        assert_eq!(Session::validators(), [4, 3, 2, 1]);
        assert!(disabled().is_empty());
    });
}

#[test]
fn the_minimum_keeps_its_turns_and_the_next_missed_one_jails_when_there_are_enough() {
    four().build_and_execute(|| {
        MinBookkeepers::set(4);
        miss(12);
        assert_eq!((missed(3), disabled()), (12, vec![]));
        assert!(!Jailed::<Test>::contains_key(3));
        MinBookkeepers::set(3);
        miss(1);
        assert!(Jailed::<Test>::contains_key(3));
    });
}

#[test]
fn finality_keeps_more_than_two_thirds() {
    four().build_and_execute(|| {
        for _ in 0..10 {
            next_block_after(Some(4), 1..3);
        }
        assert!(Jailed::<Test>::contains_key(3));
        assert_eq!((missed(2), Jailed::<Test>::contains_key(2)), (10, false));

        // Of three none can be spared.
        run_to_session(4);
        assert_eq!(Session::validators(), [4, 2, 1]);
        next_block_after(Some(4), 1..2);
        assert_eq!((missed(2), Jailed::<Test>::contains_key(2)), (11, false));
    });
}

#[test]
fn one_in_jail_has_no_turns_either_when_others_are_seated() {
    four().build_and_execute(|| {
        assert_ok!(stand(5, MIN_BOND));
        miss(5);
        // Elected at block 10 for the session of block 15.
        assert_ok!(vote(21, &[5, 4, 3, 2], 50));
        miss(5);
        assert_eq!(disabled(), [1]);
        System::run_to_block::<AllPalletsWithSystem>(15);
        assert_eq!(Session::validators(), [4, 3, 2, 5]);
        next_block_by(Some(4));
        assert_eq!(disabled(), [1]);
        run_to_session(4);
        assert_eq!(Session::validators(), [4, 2, 5, 1]);
        next_block_by(Some(4));
        assert!(disabled().is_empty());
    });
}

#[test]
fn one_that_comes_back_to_its_seat_has_its_turns_back() {
    four().build_and_execute(|| {
        miss(10);
        // Now the others are too few to be elected.
        MinBookkeepers::set(3);
        assert_ok!(retire(1));
        run_to_session(6);
        System::run_to_block::<AllPalletsWithSystem>(11 + JAIL_BLOCKS);
        assert_eq!(Session::validators(), [4, 3, 2, 1]);
        assert_eq!(disabled(), [1]);
        assert_ok!(unjail(3));
        assert!(disabled().is_empty());
    });
}

#[test]
fn standing_anew_does_not_shorten_the_time_in_jail() {
    four().build_and_execute(|| {
        Jailed::<Test>::insert(3, 100);
        assert_ok!(retire(3));
        run_to_session(5);
        assert_ok!(withdraw(3));
        assert_ok!(stand(3, MIN_BOND));
        assert!(!Dpos::elect().contains(&3));
        assert_noop!(unjail(3), Error::<Test>::StillJailed);
    });
}

#[test]
fn withdrawing_forgets_missed_turns() {
    four().build_and_execute(|| {
        miss(3);
        assert_ok!(retire(3));
        run_to_session(5);
        assert_ok!(withdraw(3));
        assert_eq!(missed(3), 0);
    });
}
