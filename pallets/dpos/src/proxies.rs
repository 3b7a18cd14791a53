//! Voting with what others delegate.
//!
//! The tally of a candidate has, for each vote that names it, the voter's own stake and, if the voter
//! is an open proxy voter, all that is delegated to it. So a delegation that comes or goes
//! changes the tallies of at most [`MAX_CHOICES`](crate::MAX_CHOICES) candidates, and closing a
//! proxy voter touches no delegation.

use sp_runtime::traits::Zero;

use crate::{BalanceOf, Config, Delegation, Error, Pallet, ProxyVoter, ProxyVoters, Votes};

impl<T: Config> Pallet<T> {
    /// What a vote of `who` weighs when its own stake is `own`.
    pub(crate) fn weight(who: &T::AccountId, own: BalanceOf<T>) -> Result<BalanceOf<T>, Error<T>> {
        let delegated = Self::open_proxy_voter(who).map_or_else(Zero::zero, |it| it.delegated);
        own.checked_add(delegated).ok_or(Error::OutOfRange)
    }

    /// The proxy voter `who`, if it is open.
    pub(crate) fn open_proxy_voter(who: &T::AccountId) -> Option<ProxyVoter<BalanceOf<T>>> {
        ProxyVoters::<T>::get(who).filter(|proxy| proxy.open)
    }

    /// Lets a proxy voter vote with `stake` too. Returns its rewards per unit of stake so far, from
    /// which on that stake has its part.
    pub(crate) fn add_delegated(who: &T::AccountId, stake: BalanceOf<T>) -> Result<u128, Error<T>> {
        let mut proxy = Self::open_proxy_voter(who).ok_or(Error::NotProxyVoter)?;
        if let Some(vote) = Votes::<T>::get(who) {
            Self::count(&vote.candidates, stake)?;
        }
        proxy.delegated = proxy.delegated.checked_add(stake).ok_or(Error::OutOfRange)?;
        ProxyVoters::<T>::insert(who, proxy);
        Self::proxy_rewards(who)
    }

    /// Takes a delegation from its proxy voter, and credits the holder with what it has earned.
    pub(crate) fn take_delegated(
        holder: &T::AccountId,
        delegation: &Delegation<T::AccountId, BalanceOf<T>>,
    ) -> Result<(), Error<T>> {
        let Delegation { proxy: who, stake, .. } = delegation;
        Self::credit_delegation(holder, delegation)?;
        let mut proxy = ProxyVoters::<T>::get(who).ok_or(Error::NotProxyVoter)?;
        if let Some(vote) = Votes::<T>::get(who).filter(|_| proxy.open) {
            Self::uncount(&vote.candidates, *stake)?;
        }
        proxy.delegated = proxy.delegated.checked_sub(*stake).ok_or(Error::OutOfRange)?;
        Self::keep_proxy_voter(who, proxy);
        Ok(())
    }

    /// Stores a proxy voter, or forgets it once it is closed and nobody's stake is left with it.
    pub(crate) fn keep_proxy_voter(who: &T::AccountId, proxy: ProxyVoter<BalanceOf<T>>) {
        if proxy.open || !proxy.delegated.is_zero() {
            ProxyVoters::<T>::insert(who, proxy);
        } else {
            ProxyVoters::<T>::remove(who);
        }
    }
}
