//! Who writes the blocks of each session.

use alloc::vec::Vec;
use core::cmp::Reverse;

use frame_support::traits::{ValidatorRegistration, ValidatorSet};
use pallet_session::SessionManager;
use sp_staking::SessionIndex;

use crate::{Candidates, Config, Event, Jailed, Pallet, Seats, SeatsToCheck, Tallies};

impl<T: Config> Pallet<T> {
    /// The candidates that would be seated now, best first.
    ///
    /// The higher tally wins, among equals the older registration. A candidate without session
    /// keys could not sign a block, so it is passed over, and so is one in jail. Reads at most four
    /// items a candidate.
    pub fn elect() -> Vec<T::AccountId> {
        let mut ranked: Vec<_> = Candidates::<T>::iter()
            .map(|(who, candidate)| (Reverse(Tallies::<T>::get(&who)), candidate.order, who))
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
        Self::deposit_event(Event::Elected { session: new_index, bookkeepers: elected.clone() });
        Some(elected)
    }

    fn start_session(_: SessionIndex) {
        SeatsToCheck::<T>::put(true);
    }

    fn end_session(end_index: SessionIndex) {
        Self::share_fees(end_index);
    }
}
