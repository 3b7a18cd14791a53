//! What holds between the channels and the coins behind them after every block.

use alloc::collections::BTreeMap;

use frame_support::ensure;
use pallet_deposits::DepositLedger;
use sp_runtime::TryRuntimeError;
use zennet_primitives::{amount::Balance, AccountId};

use crate::{Channels, Config, NextNonce, Pallet};

impl<T: Config> Pallet<T> {
    /// Checks that what the channels can still pay, what their records cost, and no more, is locked
    /// on their publishers' accounts.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut sums = BTreeMap::<AccountId, Balance>::new();
        for (_, record) in Channels::<T>::iter() {
            ensure!(record.publisher != record.provider, "a channel to oneself");
            ensure!(NextNonce::<T>::get(&record.publisher) > 0, "a channel without a nonce");
            let locked = Self::locked(&record).map_err(|_| "more was paid than deposited")?;
            let sum = sums.entry(record.publisher).or_default();
            *sum = sum.checked_add(locked).ok_or("the channels overflow")?;
        }
        // Publishers without a channel have used a nonce, so none is missed.
        for publisher in NextNonce::<T>::iter_keys() {
            let sum = sums.get(&publisher).copied().unwrap_or_default();
            ensure!(
                T::Ledger::locked(&publisher) == sum,
                "what is locked differs from the publisher's channels"
            );
        }
        Ok(())
    }
}
