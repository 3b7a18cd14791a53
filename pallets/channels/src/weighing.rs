//! What a payment weighed, once it is known whom it touched.
//!
//! The weights of `claim` and `close` are those of the dearest case: a developer is paid besides, no
//! party is another one, and a stranger claims. The account of the caller is in the weight of each
//! transaction's own checks.

use alloc::collections::BTreeSet;

use frame_support::{traits::Get, weights::Weight};
use zennet_primitives::{record::ChannelRecord, AccountId};

use crate::{Channel, Config, Pallet, WeightInfo};

impl<T: Config> Pallet<T> {
    /// Weight of the claim that `caller` made.
    pub(crate) fn weight_of_claim(caller: &AccountId, record: &Channel<T>) -> Weight {
        // The weights have the accounts of all whom they are about.
        let (weight, counted) = if developer(record).is_some() {
            (T::WeightInfo::claim(), 3)
        } else {
            (T::WeightInfo::claim_without_developer(), 2)
        };
        Self::with_accounts(weight, counted, others(caller, record))
    }

    /// Weight of the provider's close, with a voucher or without one. Then it does what `finalize` does.
    pub(crate) fn weight_of_close(record: &Channel<T>, with_voucher: bool) -> Weight {
        if !with_voucher {
            return T::WeightInfo::finalize();
        }
        // The provider's account is not in them, since only the provider closes.
        let (weight, counted) = if developer(record).is_some() {
            (T::WeightInfo::close(), 2)
        } else {
            (T::WeightInfo::close_without_developer(), 1)
        };
        Self::with_accounts(weight, counted, others(&record.provider, record))
    }

    /// A weight that has the accesses to `counted` accounts in it, with those to `accounts` instead.
    fn with_accounts(weight: Weight, counted: u64, accounts: u64) -> Weight {
        let spared = counted.saturating_sub(accounts);
        weight.saturating_sub(T::DbWeight::get().reads_writes(spared, spared))
    }
}

/// The developer, if it is paid apart from the provider.
fn developer<BlockNumber>(record: &ChannelRecord<BlockNumber>) -> Option<&AccountId> {
    record.app.as_ref().map(|app| &app.developer).filter(|who| **who != record.provider)
}

/// How many accounts the parties of a channel have beside the caller's.
fn others<BlockNumber>(caller: &AccountId, record: &ChannelRecord<BlockNumber>) -> u64 {
    let parties = [Some(&record.publisher), Some(&record.provider), developer(record)];
    let others = parties.into_iter().flatten().filter(|who| *who != caller);
    others.collect::<BTreeSet<_>>().len() as u64
}
