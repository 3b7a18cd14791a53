//! What bookkeepers keep of their rewards.

use frame_support::{assert_noop, assert_ok};

use super::*;
use crate::{Candidates, Commission, CommissionChange, Error, Event};

fn in_session(who: u64, session: u32) -> Perbill {
    Candidates::<Test>::get(who).unwrap().commission.in_session(session)
}

#[test]
fn a_candidate_stands_with_its_commission() {
    ExtBuilder::default().build_and_execute(|| {
        let commission = Perbill::from_percent(50);
        assert_ok!(Dpos::stand(RuntimeOrigin::signed(5), MIN_BOND, commission));
        assert_eq!(Candidates::<Test>::get(5).unwrap().commission, Commission::of(commission));
        assert!(has_event(Event::Stood { candidate: 5, bond: MIN_BOND, commission }));
    });
}

#[test]
fn a_commission_above_the_highest_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        let stood = Dpos::stand(RuntimeOrigin::signed(5), MIN_BOND, Perbill::from_percent(51));
        assert_noop!(stood, Error::<Test>::CommissionTooHigh);
        assert_noop!(set_commission(4, 51), Error::<Test>::CommissionTooHigh);
    });
}

#[test]
fn only_a_candidate_sets_a_commission() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(set_commission(5, 10), Error::<Test>::NotCandidate);
    });
}

#[test]
fn a_change_counts_from_the_next_session_on() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(set_commission(4, 10));
        let commission = Perbill::from_percent(10);
        assert!(has_event(Event::CommissionChanged { candidate: 4, commission, from: 1 }));
        assert_eq!([0, 1, 2].map(|session| in_session(4, session).deconstruct()), {
            let later = commission.deconstruct();
            [0, later, later]
        });
    });
}

#[test]
fn a_change_that_does_not_count_yet_is_replaced_and_one_that_does_is_kept() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(set_commission(4, 10));
        assert_ok!(set_commission(4, 20));
        assert_eq!(in_session(4, 0), Perbill::zero());
        assert_eq!(in_session(4, 1), Perbill::from_percent(20));

        run_to_session(1);
        assert_ok!(set_commission(4, 5));
        assert_eq!(
            Candidates::<Test>::get(4).unwrap().commission,
            Commission {
                rate: Perbill::from_percent(20),
                change: Some(CommissionChange { rate: Perbill::from_percent(5), from: 2 }),
            }
        );
    });
}

#[test]
fn a_change_in_the_last_session_there_can_be_is_refused() {
    ExtBuilder::default().build_and_execute(|| {
        pallet_session::CurrentIndex::<Test>::put(u32::MAX);
        assert_noop!(set_commission(4, 10), Error::<Test>::OutOfRange);
    });
}
