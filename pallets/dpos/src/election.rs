//! Who writes the blocks of each session.

use alloc::vec::Vec;
use core::cmp::Reverse;

use frame_support::traits::{fungible::Inspect, Get, ValidatorRegistration, ValidatorSet};
use pallet_session::SessionManager;
use sp_staking::SessionIndex;

use crate::{
    BalanceOf, Candidates, Config, Event, Jailed, Pallet, Retired, Seats, SeatsToCheck, Standing,
    Tallies, Threshold,
};

impl<T: Config> Pallet<T> {
    /// The candidates that would be seated now, best first.
    ///
    /// The higher tally wins, among equals the older registration. One below the threshold counts
    /// as none, and without a tally only those are elected who were named at genesis or elected
    /// before. A candidate without session keys could not sign a block, so it is passed over, and
    /// so is one in jail. Reads at most four items a candidate.
    pub fn elect() -> Vec<T::AccountId> {
        let least = Self::least_tally();
        let mut ranked: Vec<_> = Candidates::<T>::iter()
            .map(|(who, candidate)| (Self::counted(&who, least), candidate, who))
            .filter(|(tally, candidate, _)| tally.is_some() || !candidate.is_newcomer())
            .map(|(tally, candidate, who)| (Reverse(tally), candidate.order, who))
            .collect();
        // The order of registration is unique, so the hashed order of the map leaves no trace.
        ranked.sort_unstable();
        ranked
            .into_iter()
            .map(|(_, _, who)| who)
            .filter(|who| T::Sessions::is_registered(who) && !Jailed::<T>::contains_key(who))
            .take(Seats::<T>::get() as usize)
            .collect()
    }

    /// The smallest tally that counts.
    pub(crate) fn least_tally() -> BalanceOf<T> {
        Threshold::<T>::get().mul_ceil(T::Currency::total_issuance())
    }

    /// The tally of a candidate, if it is at least the smallest that counts; any is more than none.
    pub(crate) fn counted(who: &T::AccountId, least: BalanceOf<T>) -> Option<BalanceOf<T>> {
        Some(Tallies::<T>::get(who)).filter(|tally| *tally >= least)
    }

    /// Notes that those who are elected can be elected again with a tally below the threshold.
    fn establish(elected: &[T::AccountId]) {
        for who in elected {
            Candidates::<T>::mutate(who, |candidate| {
                if let Some(candidate) = candidate.as_mut().filter(|it| it.is_newcomer()) {
                    candidate.standing = Standing::Elected;
                }
            });
        }
    }

    /// Begins the unbonding time of those again who have retired and were seated in the session
    /// that ends: evidence of what they did in it is taken for as long.
    fn keep_bonds(ended: SessionIndex) {
        // A later session than the last one there can be would never come.
        let withdrawable_at = ended.saturating_add(1).saturating_add(T::UnbondingSessions::get());
        for who in T::Sessions::validators() {
            Retired::<T>::mutate_extant(who, |leaving| leaving.withdrawable_at = withdrawable_at);
        }
    }
}

impl<T: Config> SessionManager<T::AccountId> for Pallet<T> {
    /// Elects the bookkeepers of the session `new_index`.
    ///
    /// `None`, which keeps the set that is seated, if too few can be elected or if the same
    /// accounts are elected again: every seat weighs the same, so a mere change of rank is no
    /// reason for a new authority set.
    fn new_session(new_index: SessionIndex) -> Option<Vec<T::AccountId>> {
        let elected = Self::elect();
        let electable = elected.len() as u32;
        if electable < Self::fewest() {
            Self::deposit_event(Event::TooFewElectable { session: new_index, electable });
            return None;
        }
        let seated = T::Sessions::validators();
        if seated.len() == elected.len() && elected.iter().all(|who| seated.contains(who)) {
            return None;
        }
        Self::establish(&elected);
        Self::deposit_event(Event::Elected { session: new_index, bookkeepers: elected.clone() });
        Some(elected)
    }

    fn start_session(_: SessionIndex) {
        SeatsToCheck::<T>::put(true);
    }

    fn end_session(end_index: SessionIndex) {
        Self::share_fees(end_index);
        Self::keep_bonds(end_index);
    }
}
