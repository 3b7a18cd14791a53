//! What holds between the storage items after every block.

use alloc::collections::{BTreeMap, BTreeSet};

use frame_support::{
    ensure,
    traits::{
        fungible::{Inspect, InspectHold},
        Get, ValidatorSet,
    },
};
use sp_core::U256;
use sp_runtime::{traits::Zero, TryRuntimeError};

use crate::{
    Authored, BalanceOf, Barred, Candidates, Config, Delegations, Earned, Earnings, HoldReason,
    Jailed, Missed, NextOrder, Owed, Pallet, ProxyVoters, Remainder, Retired, RewardPools, Seats,
    Tallies, Unlockings, Votes, FRACTION_BITS,
};

type Sums<T> = BTreeMap<<T as frame_system::Config>::AccountId, BalanceOf<T>>;

impl<T: Config> Pallet<T> {
    /// Checks that tallies and rewards are the sums of their parts, that holds match what they are
    /// for, and that bounds are kept.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::candidates_are_sound()?;
        Self::delegations_are_sound()?;
        Self::tallies_are_sums_of_votes()?;
        Self::what_is_owed_is_the_sum_of_what_was_earned()?;
        Self::holds_match()?;
        ensure!(
            (1..=T::MaxSeats::get()).contains(&Seats::<T>::get()),
            "the number of seats is out of range"
        );
        ensure!(Authored::<T>::iter_values().all(|blocks| blocks > 0), "an author has no block");
        ensure!(Missed::<T>::iter_values().all(|missed| missed > 0), "no turn was missed");
        Ok(())
    }

    fn candidates_are_sound() -> Result<(), TryRuntimeError> {
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
        for who in Barred::<T>::iter_keys() {
            ensure!(!Candidates::<T>::contains_key(&who), "a barred account stands");
            ensure!(!Jailed::<T>::contains_key(&who), "a barred account can come back from jail");
        }
        let now = T::Sessions::session_index();
        for who in T::Sessions::validators() {
            ensure!(
                Retired::<T>::get(who).is_none_or(|leaving| leaving.withdrawable_at > now),
                "one that is seated can withdraw its bond"
            );
        }
        Ok(())
    }

    fn delegations_are_sound() -> Result<(), TryRuntimeError> {
        let mut sums = Sums::<T>::new();
        for (who, delegation) in Delegations::<T>::iter() {
            ensure!(!Votes::<T>::contains_key(&who), "one both votes and delegates");
            ensure!(
                Self::open_proxy_voter(&who).is_none(),
                "a proxy voter has a proxy voter of its own"
            );
            add(&mut sums, delegation.proxy, delegation.stake)?;
        }
        for (who, proxy) in ProxyVoters::<T>::iter() {
            ensure!(
                sums.remove(&who).unwrap_or_default() == proxy.delegated,
                "what a proxy voter votes with is not the sum of the delegations"
            );
            ensure!(proxy.open || !proxy.delegated.is_zero(), "a closed proxy voter is left over");
        }
        ensure!(sums.is_empty(), "a delegation has no proxy voter");
        Ok(())
    }

    fn tallies_are_sums_of_votes() -> Result<(), TryRuntimeError> {
        let mut sums = Sums::<T>::new();
        for (who, vote) in Votes::<T>::iter() {
            let delegated = Self::open_proxy_voter(&who).map_or(0, |proxy| proxy.delegated);
            for candidate in vote.candidates {
                add(&mut sums, candidate.clone(), vote.stake)?;
                add(&mut sums, candidate, delegated)?;
            }
        }
        ensure!(
            Tallies::<T>::iter().collect::<Sums<T>>() == sums,
            "a tally is not the sum of the votes"
        );
        Ok(())
    }

    /// In fixed point, where no division leaves anything over, so that both sides are equal.
    fn what_is_owed_is_the_sum_of_what_was_earned() -> Result<(), TryRuntimeError> {
        let mut sum = U256::from(Remainder::<T>::get());
        for (who, Earned { amount, fraction }) in Earnings::<T>::iter() {
            let has_stake = Votes::<T>::contains_key(&who) || Delegations::<T>::contains_key(&who);
            ensure!(amount > 0 || fraction > 0 && has_stake, "what is kept cannot be claimed");
            sum += (U256::from(amount) << FRACTION_BITS) + U256::from(fraction);
        }
        for pool in RewardPools::<T>::iter_values() {
            ensure!(pool.per_unit > 0 || pool.carry > 0, "a pool was given nothing");
            sum += U256::from(pool.carry);
        }
        for vote in Votes::<T>::iter_values() {
            let more = Self::pooled(&vote.candidates)
                .checked_sub(vote.credited_to)
                .ok_or("a vote is credited with more than there was")?;
            sum += U256::from(vote.stake) * U256::from(more);
        }
        for delegation in Delegations::<T>::iter_values() {
            let more = Self::proxy_rewards(&delegation.proxy)
                .ok()
                .and_then(|now| now.checked_sub(delegation.credited_to))
                .ok_or("a delegation is credited with more than there was")?;
            sum += U256::from(delegation.stake) * U256::from(more);
        }
        let owed = Owed::<T>::get();
        ensure!(sum == U256::from(owed) << FRACTION_BITS, "what is owed is not what was earned");
        ensure!(
            owed == 0
                || T::Currency::balance(&Self::pot())
                    .checked_sub(T::Currency::minimum_balance())
                    .is_some_and(|there| there >= owed),
            "the pot has less than what is owed"
        );
        Ok(())
    }

    fn holds_match() -> Result<(), TryRuntimeError> {
        let bonds = Candidates::<T>::iter()
            .map(|(who, candidate)| (who, candidate.bond))
            .chain(Retired::<T>::iter().map(|(who, leaving)| (who, leaving.bond)));
        Self::are_held(HoldReason::Candidacy, bonds)?;

        let mut stakes = Sums::<T>::new();
        for (who, vote) in Votes::<T>::iter() {
            add(&mut stakes, who, vote.stake)?;
        }
        for (who, delegation) in Delegations::<T>::iter() {
            add(&mut stakes, who, delegation.stake)?;
        }
        for (who, unlocking) in Unlockings::<T>::iter() {
            ensure!(!unlocking.amount.is_zero(), "nothing waits to be unlocked");
            add(&mut stakes, who, unlocking.amount)?;
        }
        Self::are_held(HoldReason::Vote, stakes)?;

        for (who, proxy) in ProxyVoters::<T>::iter() {
            let deposit = T::Currency::balance_on_hold(&HoldReason::ProxyVoter.into(), &who);
            ensure!(
                proxy.open != deposit.is_zero(),
                "a deposit is not that of an open proxy voter"
            );
        }
        Ok(())
    }

    fn are_held(
        reason: HoldReason,
        amounts: impl IntoIterator<Item = (T::AccountId, BalanceOf<T>)>,
    ) -> Result<(), TryRuntimeError> {
        let reason = reason.into();
        for (who, amount) in amounts {
            ensure!(
                T::Currency::balance_on_hold(&reason, &who) == amount,
                "a hold is not what it is for"
            );
        }
        Ok(())
    }
}

/// Adds to a sum; nothing is noted for zero.
fn add<A: Ord>(sums: &mut BTreeMap<A, u128>, who: A, amount: u128) -> Result<(), TryRuntimeError> {
    if amount > 0 {
        let sum = sums.entry(who).or_default();
        *sum = sum.checked_add(amount).ok_or("a sum of stakes overflows")?;
    }
    Ok(())
}
