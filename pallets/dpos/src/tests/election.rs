//! Elections through the session pallet.

use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

use super::*;
use crate::{Error, Event, Seats};

#[test]
fn without_votes_the_order_of_genesis_decides() {
    ExtBuilder::default().build_and_execute(|| {
        assert_eq!(Session::validators(), [4, 3, 2]);
        run_to_session(2);
        assert_eq!(Session::validators(), [4, 3, 2]);
    });
}

#[test]
fn votes_take_effect_in_the_session_after_the_next() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 50));
        run_to_session(1);
        assert_eq!(Session::validators(), [4, 3, 2]);
        assert!(has_event(Event::Elected { session: 2, bookkeepers: vec![1, 4, 3] }));
        run_to_session(2);
        assert_eq!(Session::validators(), [1, 4, 3]);
    });
}

#[test]
fn a_higher_tally_wins_a_seat_from_a_lower_one() {
    ExtBuilder::default().build_and_execute(|| {
        for who in 5..=8 {
            assert_ok!(stand(who, MIN_BOND));
        }
        assert_ok!(vote(21, &[5, 6, 7], 100));
        assert_ok!(vote(22, &[8, 7], 101));
        assert_eq!(Dpos::elect(), [7, 8, 5]);
        assert_ok!(vote(23, &[6], 25));
        assert_eq!(Dpos::elect(), [7, 6, 8]);
    });
}

#[test]
fn among_equals_the_older_registration_wins() {
    ExtBuilder { seats: 5, ..Default::default() }.build_and_execute(|| {
        assert_ok!(stand(9, MIN_BOND));
        assert_ok!(stand(5, MIN_BOND));
        assert_eq!(Dpos::elect(), [4, 3, 2, 1, 9]);
        assert_ok!(vote(21, &[5, 9, 1], 50));
        assert_eq!(Dpos::elect(), [1, 9, 5, 4, 3]);
    });
}

#[test]
fn a_bond_is_no_vote() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(stand(5, 9_000));
        assert!(!Dpos::elect().contains(&5));
    });
}

#[test]
fn a_candidate_without_session_keys_is_passed_over() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[4], 50));
        assert_ok!(Session::purge_keys(RuntimeOrigin::signed(4)));
        assert_eq!(Dpos::elect(), [3, 2, 1]);
        run_to_session(2);
        assert_eq!(Session::validators(), [3, 2, 1]);
    });
}

#[test]
fn if_nobody_stands_the_seated_bookkeepers_stay() {
    ExtBuilder::default().build_and_execute(|| {
        for who in GENESIS {
            assert_ok!(retire(who));
        }
        run_to_session(1);
        assert!(has_event(Event::TooFewElectable { session: 2, electable: 0 }));
        run_to_session(5);
        assert_eq!(Session::validators(), [4, 3, 2]);
    });
}

#[test]
fn fewer_candidates_than_seats_are_all_seated() {
    ExtBuilder { seats: 5, ..Default::default() }.build_and_execute(|| {
        assert_eq!(Session::validators(), [4, 3, 2, 1]);
        assert_eq!(Seats::<Test>::get(), 5);
    });
}

#[test]
fn a_change_of_rank_alone_does_not_change_the_set() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[2], 50));
        assert_eq!(Dpos::elect(), [2, 4, 3]);
        run_to_session(3);
        assert_eq!(Session::validators(), [4, 3, 2]);
        assert!(!has_event(Event::Elected { session: 2, bookkeepers: vec![2, 4, 3] }));
    });
}

#[test]
fn the_same_coin_never_counts_twice_in_one_election() {
    ExtBuilder::default().build_and_execute(|| {
        let all = ENDOWED - ED;
        assert_ok!(vote(21, &[1], all));
        run_to_session(1);
        assert_ok!(unvote(21));
        run_to_session(3);
        assert_ok!(unlock(21));
        assert_ok!(Balances::transfer_allow_death(RuntimeOrigin::signed(21), 22, all));
        // Fresh coin of its own and the moved coin, which has left the first tally long before.
        assert_ok!(vote(22, &[2], 2 * all));
        assert_eq!(crate::Tallies::<Test>::iter().collect::<Vec<_>>(), [(2, 2 * all)]);
    });
}

#[test]
fn fewer_than_the_minimum_are_never_elected() {
    ExtBuilder::default().build_and_execute(|| {
        MinBookkeepers::set(3);
        assert_ok!(retire(4));
        assert_ok!(retire(3));
        run_to_session(1);
        assert!(has_event(Event::TooFewElectable { session: 2, electable: 2 }));
        run_to_session(4);
        assert_eq!(Session::validators(), [4, 3, 2]);

        assert_ok!(stand(5, MIN_BOND));
        run_to_session(6);
        assert_eq!(Session::validators(), [2, 1, 5]);
    });
}

#[test]
fn the_minimum_of_a_chain_with_fewer_seats_is_all_of_them() {
    ExtBuilder { candidates: vec![(1, MIN_BOND)], seats: 1 }.build_and_execute(|| {
        MinBookkeepers::set(3);
        assert_ok!(stand(2, MIN_BOND));
        assert_ok!(vote(21, &[2], 50));
        run_to_session(2);
        assert_eq!(Session::validators(), [2]);
    });
}

#[test]
fn only_the_administration_sets_the_number_of_seats() {
    ExtBuilder::default().build_and_execute(|| {
        let by_an_account = Dpos::set_seats(RuntimeOrigin::signed(1), 2);
        assert_noop!(by_an_account, DispatchError::BadOrigin);
        assert_noop!(set_seats(0), Error::<Test>::SeatsOutOfRange);
        assert_noop!(set_seats(6), Error::<Test>::SeatsOutOfRange);
        assert_ok!(set_seats(4));
        assert!(has_event(Event::SeatsSet { seats: 4 }));
        run_to_session(2);
        assert_eq!(Session::validators(), [4, 3, 2, 1]);
    });
}
