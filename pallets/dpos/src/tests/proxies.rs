//! Proxy voters and those who delegate to them.

use frame_support::{assert_noop, assert_ok};
use sp_runtime::TokenError;

use super::*;
use crate::{Delegations, Error, Event, ProxyVoter, ProxyVoters, Unlockings};

fn proxy(who: u64) -> Option<(bool, u128)> {
    ProxyVoters::<Test>::get(who).map(|proxy| (proxy.open, proxy.delegated))
}

#[test]
fn a_proxy_voter_votes_with_its_own_stake_and_what_is_delegated() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1, 2], 100));
        assert_ok!(open_proxy(21));
        assert!(has_event(Event::ProxyOpened { proxy: 21 }));
        assert_eq!(tallies([1, 2]), [100, 100]);

        assert_ok!(delegate(22, 21, 300));
        assert_ok!(delegate(23, 21, 50));
        assert!(has_event(Event::Delegated { holder: 23, proxy: 21, stake: 50 }));
        assert_eq!(tallies([1, 2]), [450, 450]);
        assert_eq!(proxy(21), Some((true, 350)));
        assert_eq!(held(HoldReason::Vote, 22), 300);

        assert_ok!(vote(21, &[2, 3], 120));
        assert_eq!(tallies([1, 2, 3]), [0, 470, 470]);
    });
}

#[test]
fn what_is_delegated_before_the_proxy_voter_votes_counts_when_it_does() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 300));
        assert_eq!(crate::Tallies::<Test>::iter().count(), 0);
        assert_ok!(vote(21, &[1], 100));
        assert_eq!(tallies([1]), [400]);
        assert_ok!(unvote(21));
        assert_eq!(tallies([1]), [0]);
        assert_eq!(proxy(21), Some((true, 300)));
    });
}

#[test]
fn a_delegation_replaces_the_one_before() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 100));
        assert_ok!(open_proxy(21));
        assert_ok!(vote(23, &[2], 100));
        assert_ok!(open_proxy(23));
        assert_ok!(delegate(22, 21, 300));
        assert_ok!(delegate(22, 21, 200));
        assert_eq!(tallies([1, 2]), [300, 100]);
        assert_eq!(Unlockings::<Test>::get(22).unwrap().amount, 100);

        assert_ok!(delegate(22, 23, 250));
        assert_eq!(tallies([1, 2]), [100, 350]);
        assert_eq!((proxy(21), proxy(23)), (Some((true, 0)), Some((true, 250))));
        assert_eq!(Unlockings::<Test>::get(22).unwrap().amount, 50);
        assert_eq!(held(HoldReason::Vote, 22), 300);
    });
}

#[test]
fn what_is_taken_back_leaves_the_tallies_at_once_and_the_hold_after_the_lock() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1, 2], 100));
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 300));
        assert_ok!(undelegate(22));
        assert!(has_event(Event::Undelegated { holder: 22, unlockable_at: 2 }));
        assert_eq!(tallies([1, 2]), [100, 100]);
        assert!(!Delegations::<Test>::contains_key(22));
        assert_eq!(held(HoldReason::Vote, 22), 300);

        run_to_session(1);
        assert_noop!(unlock(22), Error::<Test>::TooEarlyToUnlock);
        run_to_session(2);
        assert_ok!(unlock(22));
        assert_eq!(Balances::free_balance(22), ENDOWED);
        assert_noop!(undelegate(22), Error::<Test>::NotDelegating);
    });
}

#[test]
fn a_proxy_voter_that_closes_leaves_what_was_delegated_uncounted_and_to_be_taken() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 100));
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 300));
        assert_ok!(close_proxy(21));
        assert!(has_event(Event::ProxyClosed { proxy: 21 }));
        assert_eq!(tallies([1]), [100]);
        assert_eq!(proxy(21), Some((false, 300)));
        assert_ok!(vote(21, &[2], 110));
        assert_eq!(tallies([1, 2]), [0, 110]);

        assert_ok!(undelegate(22));
        assert_eq!(proxy(21), None);
        assert_eq!(tallies([1, 2]), [0, 110]);
    });
}

#[test]
fn a_proxy_voter_that_opens_again_votes_with_what_was_left_with_it() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(vote(21, &[1], 100));
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 300));
        assert_ok!(close_proxy(21));
        assert_ok!(open_proxy(21));
        assert_eq!(tallies([1]), [400]);
    });
}

#[test]
fn a_closed_proxy_voter_with_nothing_left_is_forgotten() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(open_proxy(21));
        assert_ok!(close_proxy(21));
        assert_eq!(proxy(21), None);
        assert_noop!(close_proxy(21), Error::<Test>::NotProxyVoter);
    });
}

#[test]
fn a_proxy_voter_has_a_deposit_while_it_is_open() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(open_proxy(77), TokenError::FundsUnavailable);
        assert_ok!(vote(21, &[1], 100));
        assert_ok!(open_proxy(21));
        assert_eq!(held(HoldReason::ProxyVoter, 21), MIN_STAKE);
        assert_eq!(held(HoldReason::Vote, 21), 100);
        assert_ok!(close_proxy(21));
        assert_eq!(held(HoldReason::ProxyVoter, 21), 0);
    });
}

#[test]
fn an_account_either_votes_or_delegates() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(open_proxy(21));
        assert_ok!(vote(22, &[1], 100));
        assert_noop!(delegate(22, 21, 100), Error::<Test>::Voting);
        assert_ok!(unvote(22));
        // With the coins of the vote, which are still held.
        assert_ok!(delegate(22, 21, ENDOWED - ED));
        assert_noop!(vote(22, &[1], 100), Error::<Test>::Delegating);
    });
}

#[test]
fn a_proxy_voter_has_no_proxy_voter() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(open_proxy(21));
        assert_ok!(open_proxy(22));
        assert_noop!(delegate(22, 21, 100), Error::<Test>::AlreadyProxyVoter);
        assert_noop!(delegate(22, 22, 100), Error::<Test>::AlreadyProxyVoter);
        assert_noop!(open_proxy(22), Error::<Test>::AlreadyProxyVoter);

        assert_ok!(delegate(23, 22, 100));
        assert_ok!(close_proxy(22));
        assert_ok!(delegate(22, 21, 100));
        assert_noop!(open_proxy(22), Error::<Test>::Delegating);
        assert_ok!(undelegate(23));
    });
}

#[test]
fn only_an_open_proxy_voter_can_be_delegated_to() {
    ExtBuilder::default().build_and_execute(|| {
        assert_noop!(delegate(22, 21, 100), Error::<Test>::NotProxyVoter);
        assert_noop!(delegate(22, 22, 100), Error::<Test>::NotProxyVoter);
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 100));
        assert_ok!(close_proxy(21));
        assert_noop!(delegate(22, 21, 200), Error::<Test>::NotProxyVoter);
        assert_noop!(delegate(23, 21, 200), Error::<Test>::NotProxyVoter);
    });
}

#[test]
fn a_delegation_is_at_least_the_smallest_stake_and_at_most_what_is_owned() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(open_proxy(21));
        assert_noop!(delegate(22, 21, MIN_STAKE - 1), Error::<Test>::StakeTooLow);
        assert_noop!(delegate(22, 21, ENDOWED + 1), TokenError::FundsUnavailable);
    });
}

#[test]
fn sums_out_of_range_are_errors() {
    ExtBuilder::default().build().execute_with(|| {
        assert_ok!(open_proxy(21));
        let full = ProxyVoter { open: true, delegated: u128::MAX - 99, per_unit: 0 };
        ProxyVoters::<Test>::insert(21, full);
        assert_noop!(delegate(22, 21, 100), Error::<Test>::OutOfRange);
        assert_noop!(vote(21, &[1], 100), Error::<Test>::OutOfRange);
    });
}

#[test]
fn a_delegation_cannot_be_taken_back_in_the_last_session_there_can_be() {
    ExtBuilder::default().build_and_execute(|| {
        assert_ok!(open_proxy(21));
        assert_ok!(delegate(22, 21, 100));
        pallet_session::CurrentIndex::<Test>::put(u32::MAX);
        assert_noop!(undelegate(22), Error::<Test>::OutOfRange);
        assert_noop!(delegate(22, 21, 200), Error::<Test>::OutOfRange);
    });
}
