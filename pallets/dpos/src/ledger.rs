//! Changes to several items at once that calls share.

use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{fungible::hold::Mutate, Get, ValidatorSet},
};
use sp_runtime::traits::{CheckedAdd, CheckedSub, Zero};
use sp_staking::SessionIndex;

use crate::{
    BalanceOf, Candidate, Candidates, Config, Error, HoldReason, NextOrder, Pallet, Retired,
    StakeChange, Tallies, Unlockings, Vote,
};

impl<T: Config> Pallet<T> {
    /// Enters a candidate and holds its bond, whether or not it has session keys yet.
    pub(crate) fn admit(who: &T::AccountId, bond: BalanceOf<T>) -> DispatchResult {
        ensure!(!Candidates::<T>::contains_key(who), Error::<T>::AlreadyCandidate);
        ensure!(!Retired::<T>::contains_key(who), Error::<T>::StillUnbonding);
        ensure!(bond >= T::MinBond::get(), Error::<T>::BondTooLow);
        ensure!(Candidates::<T>::count() < T::MaxCandidates::get(), Error::<T>::TooManyCandidates);
        let order = NextOrder::<T>::get();
        let next = order.checked_add(1).ok_or(Error::<T>::OutOfRange)?;
        T::Currency::hold(&HoldReason::Candidacy.into(), who, bond)?;
        NextOrder::<T>::put(next);
        Candidates::<T>::insert(who, Candidate { bond, order });
        Ok(())
    }

    /// The session that is `sessions` after the current one.
    pub(crate) fn session_in(sessions: SessionIndex) -> Result<SessionIndex, Error<T>> {
        T::Sessions::session_index().checked_add(sessions).ok_or(Error::OutOfRange)
    }

    /// What the stake `new` does to the held coins of a voter.
    pub(crate) fn stake_change(
        who: &T::AccountId,
        old: BalanceOf<T>,
        new: BalanceOf<T>,
        unlockable_at: SessionIndex,
    ) -> Result<StakeChange<BalanceOf<T>>, Error<T>> {
        StakeChange::between(old, new, Unlockings::<T>::get(who), unlockable_at)
            .ok_or(Error::OutOfRange)
    }

    /// Adds a vote to the tallies.
    pub(crate) fn count(vote: &Vote<T::AccountId, BalanceOf<T>>) -> Result<(), Error<T>> {
        vote.candidates.iter().try_for_each(|candidate| {
            let tally =
                Tallies::<T>::get(candidate).checked_add(&vote.stake).ok_or(Error::OutOfRange)?;
            Tallies::<T>::insert(candidate, tally);
            Ok(())
        })
    }

    /// Takes a vote out of the tallies.
    pub(crate) fn uncount(vote: &Vote<T::AccountId, BalanceOf<T>>) -> Result<(), Error<T>> {
        vote.candidates.iter().try_for_each(|candidate| {
            let tally =
                Tallies::<T>::get(candidate).checked_sub(&vote.stake).ok_or(Error::OutOfRange)?;
            if tally.is_zero() {
                Tallies::<T>::remove(candidate);
            } else {
                Tallies::<T>::insert(candidate, tally);
            }
            Ok(())
        })
    }
}
