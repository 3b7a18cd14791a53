//! Changes to several items at once that calls share.

use frame_support::{
    dispatch::DispatchResult,
    ensure,
    traits::{fungible::hold::Mutate, Get, ValidatorSet},
};
use sp_runtime::{traits::Zero, Perbill};
use sp_staking::SessionIndex;

use crate::{
    BalanceOf, Barred, Candidate, Candidates, Choices, Commission, Config, Error, HoldReason,
    Leaving, NextOrder, Pallet, Retired, StakeChange, Standing, Tallies, Unlockings,
};

impl<T: Config> Pallet<T> {
    /// Enters a candidate and holds its bond, whether or not it has session keys yet. A
    /// newcomer cannot be elected without votes.
    pub(crate) fn admit(
        who: &T::AccountId,
        bond: BalanceOf<T>,
        commission: Perbill,
        standing: Standing,
    ) -> DispatchResult {
        ensure!(!Barred::<T>::contains_key(who), Error::<T>::Barred);
        ensure!(!Candidates::<T>::contains_key(who), Error::<T>::AlreadyCandidate);
        ensure!(!Retired::<T>::contains_key(who), Error::<T>::StillUnbonding);
        ensure!(bond >= T::MinBond::get(), Error::<T>::BondTooLow);
        ensure!(commission <= T::MaxCommission::get(), Error::<T>::CommissionTooHigh);
        ensure!(Candidates::<T>::count() < T::MaxCandidates::get(), Error::<T>::TooManyCandidates);
        let order = NextOrder::<T>::get();
        let next = order.checked_add(1).ok_or(Error::<T>::OutOfRange)?;
        T::Currency::hold(&HoldReason::Candidacy.into(), who, bond)?;
        NextOrder::<T>::put(next);
        let commission = Commission::of(commission);
        Candidates::<T>::insert(who, Candidate { bond, order, commission, standing });
        Ok(())
    }

    /// Lets a candidate retire. Returns the first session in which it can withdraw its bond.
    pub(crate) fn end_candidacy(who: &T::AccountId) -> Result<SessionIndex, Error<T>> {
        let Candidate { bond, commission, .. } =
            Candidates::<T>::get(who).ok_or(Error::NotCandidate)?;
        let withdrawable_at = Self::session_in(T::UnbondingSessions::get())?;
        Candidates::<T>::remove(who);
        Retired::<T>::insert(who, Leaving { bond, withdrawable_at, commission });
        Ok(withdrawable_at)
    }

    /// The session that is `sessions` after the current one.
    pub(crate) fn session_in(sessions: SessionIndex) -> Result<SessionIndex, Error<T>> {
        T::Sessions::session_index().checked_add(sessions).ok_or(Error::OutOfRange)
    }

    /// What the stake `new` does to the held coins of a holder who votes or delegates.
    pub(crate) fn stake_change(
        who: &T::AccountId,
        old: BalanceOf<T>,
        new: BalanceOf<T>,
        unlockable_at: SessionIndex,
    ) -> Result<StakeChange<BalanceOf<T>>, Error<T>> {
        StakeChange::between(old, new, Unlockings::<T>::get(who), unlockable_at)
            .ok_or(Error::OutOfRange)
    }

    /// Holds what a change asks for and notes what waits.
    pub(crate) fn apply(who: &T::AccountId, change: StakeChange<BalanceOf<T>>) -> DispatchResult {
        if !change.hold.is_zero() {
            T::Currency::hold(&HoldReason::Vote.into(), who, change.hold)?;
        }
        Unlockings::<T>::set(who, change.unlocking);
        Ok(())
    }

    /// Adds `weight` to the tally of each choice.
    pub(crate) fn count(
        choices: &Choices<T::AccountId>,
        weight: BalanceOf<T>,
    ) -> Result<(), Error<T>> {
        choices.iter().try_for_each(|candidate| {
            let tally =
                Tallies::<T>::get(candidate).checked_add(weight).ok_or(Error::OutOfRange)?;
            Self::set_tally(candidate, tally);
            Ok(())
        })
    }

    /// Takes `weight` from the tally of each choice.
    pub(crate) fn uncount(
        choices: &Choices<T::AccountId>,
        weight: BalanceOf<T>,
    ) -> Result<(), Error<T>> {
        choices.iter().try_for_each(|candidate| {
            let tally =
                Tallies::<T>::get(candidate).checked_sub(weight).ok_or(Error::OutOfRange)?;
            Self::set_tally(candidate, tally);
            Ok(())
        })
    }

    fn set_tally(candidate: &T::AccountId, tally: BalanceOf<T>) {
        if tally.is_zero() {
            Tallies::<T>::remove(candidate);
        } else {
            Tallies::<T>::insert(candidate, tally);
        }
    }
}
