//! Fees and tips go to the author of the block; none is burnt, for the supply is fixed.

use core::marker::PhantomData;

use frame_support::traits::{
    fungible::{Balanced, Credit},
    Imbalance, NoDrop, OnUnbalanced, SuppressedDrop,
};

use crate::{BlockAuthor, CarriedFees, Config, Event, Pallet};

/// A fee on its way to a bookkeeper.
pub(crate) type FeeOf<T> = Credit<<T as frame_system::Config>::AccountId, <T as Config>::Currency>;

/// Pays what it is given to the author of the block.
///
/// If the author is unknown or its account cannot be credited (it would stay below the existential
/// deposit), the fee is kept in [`CarriedFees`] and goes to the next author that can be credited.
/// It is kept as a credit and not on an account, because an account too would refuse a fee
/// below the existential deposit. The total issuance never changes.
pub struct FeesToAuthor<T>(PhantomData<T>);

impl<T: Config> OnUnbalanced<FeeOf<T>> for FeesToAuthor<T> {
    fn on_nonzero_unbalanced(fee: FeeOf<T>) {
        let due = match CarriedFees::<T>::take() {
            Some(carried) => fee.merge(carried.into_inner()),
            None => fee,
        };
        let unpaid = match T::Author::author() {
            Some(author) => T::Currency::resolve(&author, due).err(),
            None => Some(due),
        };
        if let Some(unpaid) = unpaid {
            Pallet::<T>::deposit_event(Event::FeesCarried { amount: unpaid.peek() });
            CarriedFees::<T>::put(NoDrop::new(unpaid));
        }
    }
}
