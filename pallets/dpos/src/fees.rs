//! Fees, tips and dust go to the pot of the session; none is burnt, for the supply is fixed.

use core::marker::PhantomData;

use frame_support::traits::{
    fungible::{Balanced, Credit},
    Get, Imbalance, NoDrop, OnUnbalanced, SuppressedDrop,
};
use sp_runtime::traits::AccountIdConversion;

use crate::{CarriedFees, Config, Event, Pallet};

/// Coin on its way to an account, such as a fee.
pub type FeeOf<T> = Credit<<T as frame_system::Config>::AccountId, <T as Config>::Currency>;

/// Collects what it is given on the pot's account, for the bookkeepers of the session.
///
/// As long as the pot's account does not exist, it cannot take less than the existential deposit.
/// Such a fee is kept in [`CarriedFees`] until enough has come. The total issuance never changes.
pub struct FeesToPot<T>(PhantomData<T>);

impl<T: Config> OnUnbalanced<FeeOf<T>> for FeesToPot<T> {
    fn on_nonzero_unbalanced(fee: FeeOf<T>) {
        let due = match CarriedFees::<T>::take() {
            Some(carried) => fee.merge(carried.into_inner()),
            None => fee,
        };
        if let Err(refused) = T::Currency::resolve(&Pallet::<T>::pot(), due) {
            Pallet::<T>::deposit_event(Event::FeesCarried { amount: refused.peek() });
            CarriedFees::<T>::put(NoDrop::new(refused));
        }
    }
}

impl<T: Config> Pallet<T> {
    /// The account on which fees wait to be shared, and rewards to be claimed.
    pub fn pot() -> T::AccountId {
        T::PotId::get().into_account_truncating()
    }
}
