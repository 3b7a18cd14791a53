//! Events that clients act on.

use codec::Decode;
use subxt::{
    config::SubstrateConfig, error::DispatchError, extrinsics::ExtrinsicEvents, ArcMetadata,
};
use zennet_primitives::{amount::Balance, channel::ChannelId, AccountId, Hash};

use crate::ChainError;

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

/// What a transaction's events say.
#[derive(Default)]
pub(crate) struct TransactionEvents {
    pub(crate) fee: Balance,
    pub(crate) opened: Vec<OpenedEvent>,
    /// For each call of a batch, in order, why it failed, if it did.
    pub(crate) items: Vec<Option<DispatchError>>,
}

impl TransactionEvents {
    pub(crate) fn of(
        events: &ExtrinsicEvents<SubstrateConfig>,
        metadata: &ArcMetadata,
    ) -> Result<Self, ChainError> {
        let mut found = Self::default();
        let bad = || ChainError::Decode("an event");
        for event in events.iter() {
            let event = event.map_err(|_| bad())?;
            let mut bytes = event.field_bytes();
            match (event.pallet_name(), event.event_name()) {
                ("TransactionPayment", "TransactionFeePaid") => {
                    found.fee = FeePaid::decode(&mut bytes).map_err(|_| bad())?.fee;
                }
                ("Channels", "Opened") => {
                    found.opened.push(OpenedEvent::decode(&mut bytes).map_err(|_| bad())?);
                }
                ("Utility", "ItemCompleted") => found.items.push(None),
                ("Utility", "ItemFailed") => {
                    let error = DispatchError::decode_from(bytes, metadata.clone());
                    found.items.push(Some(error.map_err(|_| bad())?));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
