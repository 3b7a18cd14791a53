//! Events that clients act on.

use codec::Decode;
use zennet_primitives::{amount::Balance, channel::ChannelId, AccountId, Hash};

/// A channel was settled and is gone. The fields follow the pallet's event.
#[derive(Clone, PartialEq, Eq, Debug, Decode)]
pub struct SettledEvent {
    /// The channel.
    pub channel: ChannelId,
    /// Who paid.
    pub publisher: AccountId,
    /// Who was paid.
    pub provider: AccountId,
    /// All that the channel paid, in the smallest coin unit.
    pub paid: Balance,
    /// What returned to the publisher, in the smallest coin unit.
    pub refunded: Balance,
    /// Contract that the channel paid for.
    pub contract: Hash,
}

/// A channel was opened. The fields follow the pallet's event.
#[derive(Decode)]
pub(crate) struct OpenedEvent {
    pub(crate) channel: ChannelId,
    pub(crate) _publisher: AccountId,
    pub(crate) _provider: AccountId,
    pub(crate) contract: Hash,
    pub(crate) _deposit: Balance,
    pub(crate) _expires_at: u32,
    pub(crate) nonce: u64,
}

/// What a transaction cost. The fields follow `pallet-transaction-payment`.
#[derive(Decode)]
pub(crate) struct FeePaid {
    pub(crate) _who: AccountId,
    pub(crate) fee: Balance,
    pub(crate) _tip: Balance,
}
