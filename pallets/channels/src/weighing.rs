//! What a payment weighed, once it is known whom it touched.
//!
//! The weights of `claim` and `close` are those of the dearest case: a developer is paid besides, no
//! party is another one, and a stranger claims. The account of the caller is in the weight of each
//! transaction's own checks.

use alloc::collections::BTreeSet;

use frame_support::{traits::Get, weights::Weight};
use zennet_primitives::{record::ChannelRecord, AccountId};

use crate::{Channel, Config, Pallet, WeightInfo};

/// Accounts beside the caller's that the weight of `claim` has in it: all of the parties.
const IN_CLAIM: u64 = 3;

/// Those that the weight of `close` has in it: the caller is the provider.
const IN_CLOSE: u64 = 2;

impl<T: Config> Pallet<T> {
    /// Weight of the claim that `caller` made.
    pub(crate) fn weight_of_claim(caller: &AccountId, record: &Channel<T>) -> Weight {
        Self::with_accounts(T::WeightInfo::claim(), IN_CLAIM, others(caller, record))
    }

    /// Weight of the provider's close, with a voucher or without one. Then it does what `finalize` does.
    pub(crate) fn weight_of_close(record: &Channel<T>, with_voucher: bool) -> Weight {
        if !with_voucher {
            return T::WeightInfo::finalize();
        }
        Self::with_accounts(T::WeightInfo::close(), IN_CLOSE, others(&record.provider, record))
    }

    /// A weight that has the accesses to `counted` accounts in it, with those to `accounts` instead.
    fn with_accounts(most: Weight, counted: u64, accounts: u64) -> Weight {
        let spared = counted.saturating_sub(accounts);
        most.saturating_sub(T::DbWeight::get().reads_writes(spared, spared))
    }
}

/// How many accounts the parties of a channel have beside the caller's.
fn others<BlockNumber>(caller: &AccountId, record: &ChannelRecord<BlockNumber>) -> u64 {
    let developer = record.app.as_ref().map(|app| &app.developer);
    let parties = [Some(&record.publisher), Some(&record.provider), developer];
    let others = parties.into_iter().flatten().filter(|who| *who != caller);
    others.collect::<BTreeSet<_>>().len() as u64
}
