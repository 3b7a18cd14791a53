//! The first state, and the configurations that are refused.

use super::*;
use crate::{Candidates, Seats};

#[test]
fn genesis_candidates_are_bonded_in_order() {
    ExtBuilder::default().build_and_execute(|| {
        for (order, who) in GENESIS.into_iter().enumerate() {
            assert_eq!(Candidates::<Test>::get(who).unwrap().order, order as u64);
            assert_eq!(held(HoldReason::Candidacy, who), MIN_BOND);
        }
        assert_eq!(Seats::<Test>::get(), 3);
    });
}

#[test]
fn without_genesis_candidates_the_session_keys_name_the_bookkeepers() {
    ExtBuilder { candidates: Vec::new(), seats: 1 }.build_and_execute(|| {
        assert_eq!(Session::validators(), (1..=LAST_WITH_KEYS).collect::<Vec<_>>());
    });
}

#[test]
fn the_default_genesis_takes_every_seat() {
    assert_eq!(crate::GenesisConfig::<Test>::default().seats, 5);
}

#[test]
fn the_default_genesis_asks_newcomers_for_votes() {
    let threshold = crate::GenesisConfig::<Test>::default().threshold;
    assert_eq!(threshold, Perbill::from_percent(1));
}

#[test]
fn genesis_fields_are_read_from_json() {
    let config: crate::GenesisConfig<Test> = serde_json::from_value(serde_json::json!({
        "candidates": [[1, 100]],
        "seats": 1,
        "commission": 50_000_000,
        "threshold": 10_000_000,
    }))
    .unwrap();
    assert_eq!((config.candidates, config.seats), (vec![(1, 100)], 1));
    assert_eq!(config.commission, Perbill::from_percent(5));
    assert_eq!(config.threshold, Perbill::from_percent(1));
}

#[test]
#[should_panic(expected = "genesis asks for 6 seats; give a number from 1 to 5")]
fn genesis_with_too_many_seats_is_refused() {
    ExtBuilder { seats: 6, ..Default::default() }.build();
}

#[test]
#[should_panic(expected = "genesis asks for 0 seats")]
fn genesis_without_seats_is_refused() {
    ExtBuilder { seats: 0, ..Default::default() }.build();
}

#[test]
#[should_panic(expected = "genesis candidate 1 with bond 100 is refused")]
fn genesis_with_a_candidate_twice_is_refused() {
    ExtBuilder { candidates: vec![(1, 100), (1, 100)], seats: 1 }.build();
}

#[test]
#[should_panic(expected = "genesis candidate 99 with bond 100 is refused")]
fn genesis_with_a_candidate_that_cannot_bond_is_refused() {
    ExtBuilder { candidates: vec![(99, 100)], seats: 1 }.build();
}
