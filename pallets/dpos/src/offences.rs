//! What happens to a bookkeeper that is proven to have signed two different things where it may
//! sign one: two blocks in a slot, or two votes in a round of finality.

use frame_support::{
    traits::{fungible::hold::Balanced, Get, Imbalance, OnUnbalanced, ValidatorSet},
    weights::Weight,
};
use sp_runtime::{traits::Zero, Perbill};
use sp_staking::{
    offence::{OffenceDetails, OnOffenceHandler},
    SessionIndex,
};

use crate::{
    BalanceOf, Barred, Candidates, Config, Event, HoldReason, Jailed, Leaving, Missed, Pallet,
    Retired, SeatsToCheck, WeightInfo,
};

impl<T: Config> OnOffenceHandler<T::AccountId, (T::AccountId, ()), Weight> for Pallet<T> {
    /// Bars the offenders. The part of the bond that they lose is [`Config::SlashFraction`],
    /// whatever number of others offended at the same time.
    fn on_offence(
        offenders: &[OffenceDetails<T::AccountId, (T::AccountId, ())>],
        _: &[Perbill],
        _: SessionIndex,
    ) -> Weight {
        offenders.iter().for_each(|details| Self::bar(&details.offender.0));
        T::WeightInfo::bar().saturating_mul(offenders.len() as u64)
    }
}

impl<T: Config> Pallet<T> {
    /// Ends a bookkeeper's candidacy for good and slashes its bond, also if it has retired. The
    /// rest of the bond waits for the unbonding time.
    ///
    /// One that is barred already is left as it is: an equivocation is often repeated before the
    /// first proof of it is in a block, and costs once.
    pub(crate) fn bar(who: &T::AccountId) {
        if Barred::<T>::contains_key(who) {
            return;
        }
        Barred::<T>::insert(who, ());
        Jailed::<T>::remove(who);
        Missed::<T>::remove(who);
        let slashed = match Self::leaving(who) {
            Some(leaving) => Self::slash(who, leaving),
            None => Zero::zero(),
        };
        // Its turns end with the next block, at whose start nobody has taken one yet.
        SeatsToCheck::<T>::put(true);
        Self::deposit_event(Event::Barred { bookkeeper: who.clone(), slashed });
    }

    /// Ends the candidacy of `who`, if it has one, and returns what it waits for now.
    fn leaving(who: &T::AccountId) -> Option<Leaving<BalanceOf<T>>> {
        let Some(candidate) = Candidates::<T>::take(who) else {
            return Retired::<T>::get(who);
        };
        let now = T::Sessions::session_index();
        Some(Leaving {
            bond: candidate.bond,
            // A later session than the last one there can be would never come.
            withdrawable_at: now.saturating_add(T::UnbondingSessions::get()),
            commission: candidate.commission,
        })
    }

    /// Takes a part of the bond, gives it to [`Config::Slashed`], and returns it.
    fn slash(who: &T::AccountId, leaving: Leaving<BalanceOf<T>>) -> BalanceOf<T> {
        let part = T::SlashFraction::get().mul_floor(leaving.bond);
        let (credit, _) = T::Currency::slash(&HoldReason::Candidacy.into(), who, part);
        let slashed = credit.peek();
        let bond = leaving.bond.saturating_sub(slashed);
        Retired::<T>::insert(who, Leaving { bond, ..leaving });
        T::Slashed::on_unbalanced(credit);
        slashed
    }
}
