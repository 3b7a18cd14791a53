//! The votes that a newcomer needs before it is seated.

use frame_support::assert_ok;

use super::*;
use crate::{Candidates, Event, Jailed, Standing, Threshold};

/// The smallest tally that counts: one percent of all coin.
const LEAST: u128 = SUPPLY / 100;

fn with_threshold(seats: u32, test: impl FnOnce()) {
    ExtBuilder { seats, ..Default::default() }.build_and_execute(|| {
        Threshold::<Test>::put(Perbill::from_percent(1));
        test();
    });
}

fn all_stand(who: impl IntoIterator<Item = u64>) {
    for who in who {
        assert_ok!(stand(who, MIN_BOND));
    }
}

#[test]
fn a_few_coins_take_no_seat_of_the_first_bookkeepers() {
    with_threshold(4, || {
        all_stand(5..=8);
        assert_ok!(vote(21, &[5, 6, 7, 8], MIN_STAKE));
        assert_ok!(vote(22, &[5, 6, 7, 8], MIN_STAKE));
        assert_eq!(Dpos::elect(), GENESIS);
        run_to_session(3);
        assert_eq!(Session::validators(), GENESIS);
    });
}

#[test]
fn a_newcomer_needs_the_threshold_to_the_last_unit() {
    with_threshold(4, || {
        all_stand([5]);
        assert_ok!(vote(21, &[5], LEAST - MIN_STAKE - 1));
        assert_ok!(vote(22, &[5], MIN_STAKE));
        assert_eq!(Dpos::elect(), GENESIS);
        assert_ok!(vote(22, &[5], MIN_STAKE + 1));
        assert_eq!(Dpos::elect(), [5, 4, 3, 2]);
    });
}

#[test]
fn what_is_delegated_helps_to_reach_the_threshold() {
    with_threshold(4, || {
        all_stand([5]);
        assert_ok!(open_proxy(21));
        assert_ok!(vote(21, &[5], MIN_STAKE));
        assert_ok!(delegate(22, 21, LEAST - MIN_STAKE));
        assert_eq!(Dpos::elect(), [5, 4, 3, 2]);
    });
}

#[test]
fn one_stake_seats_all_whom_it_names() {
    with_threshold(4, || {
        all_stand(5..=8);
        assert_ok!(vote(21, &[5, 6, 7, 8], LEAST));
        assert_eq!(Dpos::elect(), [5, 6, 7, 8]);
    });
}

#[test]
fn who_takes_the_stake_away_gives_the_seats_back() {
    with_threshold(4, || {
        all_stand(5..=8);
        assert_ok!(vote(21, &[5, 6, 7, 8], LEAST));
        run_to_session(2);
        assert_eq!(Session::validators(), [5, 6, 7, 8]);
        assert_ok!(vote(21, &[5, 6, 7, 8], LEAST - 1));
        run_to_session(4);
        assert_eq!(Session::validators(), GENESIS);
    });
}

#[test]
fn whoever_was_elected_keeps_its_seat_as_long_as_nobody_else_may_have_it() {
    with_threshold(5, || {
        all_stand([5, 6]);
        assert_ok!(vote(21, &[5], LEAST));
        run_to_session(1);
        assert_eq!(Candidates::<Test>::get(5).unwrap().standing, Standing::Elected);
        assert_ok!(unvote(21));
        run_to_session(4);
        assert_eq!(Session::validators(), [5, 4, 3, 2, 1]);

        assert_ok!(vote(22, &[6], LEAST));
        run_to_session(6);
        assert_eq!(Session::validators(), [6, 4, 3, 2, 1]);
    });
}

#[test]
fn more_seats_stay_empty_until_newcomers_have_the_votes() {
    with_threshold(3, || {
        all_stand([5, 6]);
        assert_ok!(set_seats(5));
        // The fourth of genesis had no seat until now.
        assert_eq!(Dpos::elect(), GENESIS);
        assert_ok!(vote(21, &[6], LEAST));
        assert_eq!(Dpos::elect(), [6, 4, 3, 2, 1]);
    });
}

#[test]
fn one_that_comes_back_from_jail_needs_no_votes() {
    with_threshold(4, || {
        all_stand([5]);
        Jailed::<Test>::insert(3, 1);
        run_to_session(2);
        // Its seat is for nobody else without votes.
        assert_eq!(Session::validators(), [4, 2, 1]);
        assert_ok!(unjail(3));
        run_to_session(4);
        assert_eq!(Session::validators(), GENESIS);
    });
}

#[test]
fn one_that_retired_is_a_newcomer_when_it_stands_again() {
    with_threshold(4, || {
        assert_ok!(retire(3));
        run_to_session(5);
        assert_ok!(withdraw(3));
        all_stand([3]);
        assert_eq!(Dpos::elect(), [4, 2, 1]);
        assert_ok!(vote(21, &[3], LEAST));
        assert_eq!(Dpos::elect(), [3, 4, 2, 1]);
    });
}

#[test]
fn newcomers_without_votes_do_not_make_up_the_minimum() {
    with_threshold(3, || {
        all_stand([5, 6]);
        for who in [4, 3, 2] {
            assert_ok!(retire(who));
        }
        run_to_session(1);
        assert!(has_event(Event::TooFewElectable { session: 2, electable: 1 }));
        assert_ok!(vote(21, &[5], LEAST));
        run_to_session(3);
        assert_eq!(Session::validators(), [5, 1]);
    });
}

#[test]
fn below_the_threshold_votes_do_not_decide_who_is_first() {
    with_threshold(3, || {
        assert_ok!(vote(21, &[1], LEAST - 1));
        assert_ok!(vote(22, &[2], 50));
        assert_eq!(Dpos::elect(), [4, 3, 2]);
    });
}
