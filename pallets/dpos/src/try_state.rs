//! What holds between the storage items after every block.

use alloc::collections::{BTreeMap, BTreeSet};

use frame_support::{ensure, traits::fungible::InspectHold, traits::Get};
use sp_runtime::{
    traits::{CheckedAdd, Zero},
    TryRuntimeError,
};

use crate::{
    BalanceOf, Candidates, Config, HoldReason, NextOrder, Pallet, Retired, Seats, Tallies,
    Unlockings, Votes,
};

impl<T: Config> Pallet<T> {
    /// Checks that tallies are the sums of the votes, that holds match what they are for, and that
    /// bounds are kept.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::tallies_are_sums_of_votes()?;
        Self::holds_match()?;

        let mut orders = BTreeSet::new();
        for (who, candidate) in Candidates::<T>::iter() {
            ensure!(candidate.order < NextOrder::<T>::get(), "an order was not given out");
            ensure!(orders.insert(candidate.order), "two candidates have the same order");
            ensure!(!Retired::<T>::contains_key(&who), "a candidate is retired as well");
        }
        ensure!(
            Candidates::<T>::iter().count() == Candidates::<T>::count() as usize,
            "the counter of candidates is wrong"
        );
        ensure!(
            Candidates::<T>::count() <= T::MaxCandidates::get(),
            "there are more candidates than MaxCandidates"
        );
        ensure!(
            (1..=T::MaxSeats::get()).contains(&Seats::<T>::get()),
            "the number of seats is out of range"
        );
        Ok(())
    }

    fn tallies_are_sums_of_votes() -> Result<(), TryRuntimeError> {
        let mut sums = BTreeMap::<T::AccountId, BalanceOf<T>>::new();
        for vote in Votes::<T>::iter_values() {
            for candidate in vote.candidates {
                let sum = sums.entry(candidate).or_default();
                *sum = sum.checked_add(&vote.stake).ok_or("a sum of votes overflows")?;
            }
        }
        ensure!(
            Tallies::<T>::iter().collect::<BTreeMap<_, _>>() == sums,
            "a tally is not the sum of the votes"
        );
        Ok(())
    }

    fn holds_match() -> Result<(), TryRuntimeError> {
        let bonds = Candidates::<T>::iter()
            .map(|(who, candidate)| (who, candidate.bond))
            .chain(Retired::<T>::iter().map(|(who, leaving)| (who, leaving.bond)));
        for (who, bond) in bonds {
            ensure!(
                T::Currency::balance_on_hold(&HoldReason::Candidacy.into(), &who) == bond,
                "the hold of a candidate is not its bond"
            );
        }

        let mut stakes = BTreeMap::<T::AccountId, BalanceOf<T>>::new();
        for (who, vote) in Votes::<T>::iter() {
            stakes.insert(who, vote.stake);
        }
        for (who, unlocking) in Unlockings::<T>::iter() {
            ensure!(!unlocking.amount.is_zero(), "nothing waits to be unlocked");
            let stake = stakes.entry(who).or_default();
            *stake = stake.checked_add(&unlocking.amount).ok_or("a held stake overflows")?;
        }
        for (who, stake) in stakes {
            ensure!(
                T::Currency::balance_on_hold(&HoldReason::Vote.into(), &who) == stake,
                "the hold of a voter is not its stake and what waits"
            );
        }
        Ok(())
    }
}
