//! The fees of a session: to its bookkeepers by blocks authored, and from them to their voters.
//!
//! At the end of a session the coin on the pot's account that is owed to nobody is divided by the
//! blocks that each bookkeeper authored. Of its part a bookkeeper keeps its commission; the rest is
//! shared by the stake that is in its tally at that moment, through a [`RewardPool`](crate::RewardPool).
//! A proxy voter passes on what its vote earns: each unit of stake that it votes with has
//! earned the same, so that its own figure per unit is the sum of those of its choices.
//!
//! Nothing is paid before it is [claimed](crate::Call::claim): what is not claimed yet is counted in
//! [`Owed`], and stays on the pot's account. The pot keeps the existential deposit, so a payment
//! never ends it. What a division leaves over waits for the next one, and so does less than a unit that
//! an account without a stake has left: nothing could be added to it any more.

use alloc::vec::Vec;

use frame_support::traits::fungible::Inspect;
use sp_runtime::{traits::Zero, Perbill};
use sp_staking::SessionIndex;

use crate::{
    Authored, BalanceOf, Candidates, Choices, Config, Delegation, Earned, Earnings, Error, Event,
    Owed, Pallet, ProxyVoters, Remainder, Retired, RewardPools, Tallies, Vote, Votes,
};

impl<T: Config> Pallet<T> {
    /// Shares the fees of the session that ends. If nobody authored a block, they wait for the next
    /// one.
    pub(crate) fn share_fees(session: SessionIndex) {
        let authored: Vec<_> = Authored::<T>::drain().collect();
        let all = authored.iter().map(|(_, blocks)| u128::from(*blocks)).sum::<u128>();
        let fees = Self::unshared();
        if fees.is_zero() {
            return;
        }
        for (who, blocks) in authored {
            // No author has more blocks than all of them together, so `all` is not zero, and
            // neither product exceeds the fees or 2^64.
            let blocks_of_all = u128::from(blocks);
            let part = fees / all * blocks_of_all + fees % all * blocks_of_all / all;
            if !part.is_zero() {
                Self::reward(&who, session, blocks, part);
            }
        }
    }

    /// Coin on the pot's account that is owed to nobody.
    pub(crate) fn unshared() -> BalanceOf<T> {
        T::Currency::balance(&Self::pot())
            .saturating_sub(T::Currency::minimum_balance())
            .saturating_sub(Owed::<T>::get())
    }

    /// Gives a bookkeeper its part of the fees of a session.
    ///
    /// If a sum would leave its range, which no supply of coin gets to, the part stays in the pot
    /// for the next session.
    fn reward(who: &T::AccountId, session: SessionIndex, blocks: u32, part: BalanceOf<T>) {
        let commission = Self::commission(who, session).mul_floor(part);
        let pool = RewardPools::<T>::get(who)
            .share(part.saturating_sub(commission), Tallies::<T>::get(who));
        // Without a voter it keeps all.
        let kept = if pool.is_some() { commission } else { part };
        let shared = part.saturating_sub(kept);
        let earned = Earnings::<T>::get(who).with(kept);
        let (Some(owed), Some(earned)) = (Owed::<T>::get().checked_add(part), earned) else {
            return;
        };
        Owed::<T>::put(owed);
        Self::set_earned(who, earned);
        if let Some(pool) = pool.filter(|_| !shared.is_zero()) {
            RewardPools::<T>::insert(who, pool);
        }
        let bookkeeper = who.clone();
        Self::deposit_event(Event::Rewarded { bookkeeper, session, blocks, kept, shared });
    }

    /// The part of its rewards of a session that a bookkeeper keeps: all, if it never stood.
    fn commission(who: &T::AccountId, session: SessionIndex) -> Perbill {
        Candidates::<T>::get(who)
            .map(|candidate| candidate.commission)
            .or_else(|| Retired::<T>::get(who).map(|leaving| leaving.commission))
            .map_or_else(Perbill::one, |commission| commission.in_session(session))
    }

    /// Sum of what the pools of `choices` have given to each unit of stake.
    pub(crate) fn pooled(choices: &Choices<T::AccountId>) -> u128 {
        // Each is at most a part of the range by the most choices, see `RewardPool::share`.
        choices.iter().map(|who| RewardPools::<T>::get(who).per_unit).fold(0, u128::saturating_add)
    }

    /// Credits a voter with what its vote has earned since the last time, and counts it for those
    /// who delegate to it. The vote is returned as it is to be stored.
    pub(crate) fn credit_vote(
        who: &T::AccountId,
        vote: Vote<T::AccountId, BalanceOf<T>>,
    ) -> Result<Vote<T::AccountId, BalanceOf<T>>, Error<T>> {
        let credited_to = Self::pooled(&vote.candidates);
        let more = credited_to.checked_sub(vote.credited_to).ok_or(Error::OutOfRange)?;
        if more.is_zero() {
            return Ok(vote);
        }
        Self::credit(who, vote.stake, more)?;
        if let Some(mut proxy) = Self::open_proxy_voter(who) {
            proxy.per_unit = proxy.per_unit.checked_add(more).ok_or(Error::OutOfRange)?;
            ProxyVoters::<T>::insert(who, proxy);
        }
        Ok(Vote { credited_to, ..vote })
    }

    /// A proxy voter's rewards per unit of stake, those included that its vote has not been credited
    /// with yet.
    pub(crate) fn proxy_rewards(who: &T::AccountId) -> Result<u128, Error<T>> {
        let proxy = ProxyVoters::<T>::get(who).ok_or(Error::NotProxyVoter)?;
        let Some(vote) = Votes::<T>::get(who).filter(|_| proxy.open) else {
            return Ok(proxy.per_unit);
        };
        Self::pooled(&vote.candidates)
            .checked_sub(vote.credited_to)
            .and_then(|more| proxy.per_unit.checked_add(more))
            .ok_or(Error::OutOfRange)
    }

    /// Credits a holder with what its delegation has earned since the last time. Returns the figure
    /// up to which it is credited.
    pub(crate) fn credit_delegation(
        holder: &T::AccountId,
        delegation: &Delegation<T::AccountId, BalanceOf<T>>,
    ) -> Result<u128, Error<T>> {
        let now = Self::proxy_rewards(&delegation.proxy)?;
        let more = now.checked_sub(delegation.credited_to).ok_or(Error::OutOfRange)?;
        Self::credit(holder, delegation.stake, more)?;
        Ok(now)
    }

    /// Credits an account with what `stake` has earned while the rewards per unit rose by
    /// `per_unit`.
    fn credit(who: &T::AccountId, stake: BalanceOf<T>, per_unit: u128) -> Result<(), Error<T>> {
        let earned =
            Earnings::<T>::get(who).with_share(stake, per_unit).ok_or(Error::OutOfRange)?;
        Self::set_earned(who, earned);
        Ok(())
    }

    /// Takes the whole units that an account has earned.
    pub(crate) fn take_earned(who: &T::AccountId) -> Result<BalanceOf<T>, Error<T>> {
        let Earned { amount, fraction } = Earnings::<T>::get(who);
        if amount.is_zero() {
            return Err(Error::NothingToClaim);
        }
        let owed = Owed::<T>::get().checked_sub(amount).ok_or(Error::OutOfRange)?;
        Owed::<T>::put(owed);
        Self::set_earned(who, Earned { amount: 0, fraction });
        Ok(amount)
    }

    /// Forgets what an account without a vote or a delegation has earned, if it is less than a unit:
    /// with what others left, it is shared anew.
    pub(crate) fn leave_fraction(who: &T::AccountId) -> Result<(), Error<T>> {
        let Earned { amount, fraction } = Earnings::<T>::get(who);
        if !amount.is_zero() || fraction.is_zero() {
            return Ok(());
        }
        let (remainder, is_more_than_a_unit) = Remainder::<T>::get().overflowing_add(fraction);
        if is_more_than_a_unit {
            Owed::<T>::put(Owed::<T>::get().checked_sub(1).ok_or(Error::OutOfRange)?);
        }
        Remainder::<T>::put(remainder);
        Earnings::<T>::remove(who);
        Ok(())
    }

    fn set_earned(who: &T::AccountId, earned: Earned) {
        if earned.is_zero() {
            Earnings::<T>::remove(who);
        } else {
            Earnings::<T>::insert(who, earned);
        }
    }
}
