//! Who writes the blocks of each session.

use alloc::vec::Vec;
use core::cmp::Reverse;

use frame_support::traits::{ValidatorRegistration, ValidatorSet};
use sp_staking::SessionIndex;

use crate::{Candidates, Config, Event, Pallet, Seats, Tallies};

impl<T: Config> Pallet<T> {
    /// The candidates that would be seated now, best first.
    ///
    /// The higher tally wins, among equals the older registration. A candidate without session
    /// keys could not sign a block, so it is passed over. Reads at most three items a candidate.
    pub fn elect() -> Vec<T::AccountId> {
        let mut ranked: Vec<_> = Candidates::<T>::iter()
            .map(|(who, candidate)| (Reverse(Tallies::<T>::get(&who)), candidate.order, who))
            .collect();
        // The order of registration is unique, so the hashed order of the map leaves no trace.
        ranked.sort_unstable();
        ranked
            .into_iter()
            .map(|(_, _, who)| who)
            .filter(T::Sessions::is_registered)
            .take(Seats::<T>::get() as usize)
            .collect()
    }
}

impl<T: Config> pallet_session::SessionManager<T::AccountId> for Pallet<T> {
    /// Elects the bookkeepers of the session `new_index`.
    ///
    /// `None`, which keeps the set that is seated, if nobody can be elected or if the same
    /// accounts are elected again: every seat weighs the same, so a mere change of rank is no
    /// reason for a new authority set.
    fn new_session(new_index: SessionIndex) -> Option<Vec<T::AccountId>> {
        let elected = Self::elect();
        if elected.is_empty() {
            Self::deposit_event(Event::NoneElected { session: new_index });
            return None;
        }
        let seated = T::Sessions::validators();
        if seated.len() == elected.len() && elected.iter().all(|who| seated.contains(who)) {
            return None;
        }
        Self::deposit_event(Event::Elected { session: new_index, bookkeepers: elected.clone() });
        Some(elected)
    }

    fn start_session(_: SessionIndex) {}

    fn end_session(_: SessionIndex) {}
}
