//! Transactions.

use codec::Compact;
use subxt::{
    config::SubstrateConfig,
    tx::Signer,
    utils::{AccountId32, MultiSignature},
};
use zennet_primitives::{
    amount::Balance,
    announcement::{Announcement, AnnouncementId},
    channel::{ChannelId, Split, Voucher},
    contract::Terms,
    pow::{PowNonce, Role},
    signed::Unverified,
    AccountId, Hash, Signature,
};

use crate::{
    calls::{Action, RawCall},
    events::OpenedEvent,
    AccountKey, Chain, ChainError, Head,
};

/// A transaction that did what it says, in a best block.
#[derive(Clone, Debug)]
pub struct Included {
    /// The block.
    pub block: Head,
    /// Its fee, in the smallest coin unit; zero for one that is free.
    pub fee: Balance,
}

/// A channel that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The block.
    pub block: Head,
    /// Its fee, in the smallest coin unit.
    pub fee: Balance,
    /// The publisher's nonce of the channel.
    pub nonce: u64,
    /// The channel.
    pub channel: ChannelId,
}

impl Signer<SubstrateConfig> for AccountKey {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.account().into())
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(AccountKey::sign(self, payload).0)
    }
}

impl Chain {
    /// Registers a mined identity. It costs no coin; the work is the price.
    pub async fn register_identity(
        &self,
        role: Role,
        account: &AccountId,
        anchor: u32,
        nonce: PowNonce,
    ) -> Result<Included, ChainError> {
        let call = RawCall::new("MinedIdentity", "register", (role, account, anchor, nonce));
        self.submit(&call.into(), None).await.map(|(included, _)| included)
    }

    /// Announces a task for a number of blocks.
    pub async fn announce(
        &self,
        key: &AccountKey,
        body: &Announcement,
        lifetime: u32,
        stamp: PowNonce,
    ) -> Result<Included, ChainError> {
        self.send(key, RawCall::new("Announcements", "announce", (body, lifetime, stamp))).await
    }

    /// Takes an announcement back.
    pub async fn cancel(
        &self,
        key: &AccountKey,
        id: AnnouncementId,
    ) -> Result<Included, ChainError> {
        self.send(key, RawCall::new("Announcements", "cancel", id)).await
    }

    /// Opens the channel of a contract. It can be refunded by anyone from `expires_at` on.
    pub async fn open(
        &self,
        key: &AccountKey,
        terms: &Terms,
        expires_at: u32,
    ) -> Result<Opened, ChainError> {
        let (included, events) =
            self.submit(&open_call(terms, expires_at).into(), Some(key)).await?;
        let opened = events.opened.first();
        let opened = opened.ok_or(ChainError::Decode("the event of an opened channel"))?;
        let Included { block, fee } = included;
        Ok(Opened { block, fee, nonce: opened.nonce, channel: opened.channel })
    }

    /// Opens the channels of several contracts with one transaction, each for itself: one that is
    /// refused does not keep the others. The answers are in the order of the contracts; an error of
    /// the whole is one of every contract. The fee is told in equal parts.
    pub async fn open_all(
        &self,
        key: &AccountKey,
        contracts: &[(Terms, u32)],
    ) -> Result<Vec<Result<Opened, ChainError>>, ChainError> {
        if let [(terms, expires_at)] = contracts {
            return Ok(vec![self.open(key, terms, *expires_at).await]);
        }
        let calls: Vec<RawCall> =
            contracts.iter().map(|(terms, expires_at)| open_call(terms, *expires_at)).collect();
        let batch = Action::Batch { how: "force_batch", calls };
        let (included, events) = self.submit(&batch, Some(key)).await?;
        let part = included.fee / (contracts.len().max(1) as Balance);
        let mut errors = events.items.into_iter();
        let answers = contracts.iter().map(|(terms, _)| {
            let error = errors.next().flatten();
            match find_opened(&events.opened, terms.hash()) {
                Some(opened) => Ok(Opened {
                    block: included.block,
                    fee: part,
                    nonce: opened.nonce,
                    channel: opened.channel,
                }),
                None => Err(match error {
                    Some(error) => self.refused("Channels.open".into(), Some(key), error),
                    None => ChainError::Decode("what became of a call in a batch"),
                }),
            }
        });
        Ok(answers.collect())
    }

    /// Adds to the deposit of a channel.
    pub async fn top_up(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        amount: Balance,
    ) -> Result<Included, ChainError> {
        self.send(key, RawCall::new("Channels", "top_up", (channel, amount))).await
    }

    /// Moves the expiry of a channel to a later block.
    pub async fn extend(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        expires_at: u32,
    ) -> Result<Included, ChainError> {
        self.send(key, RawCall::new("Channels", "extend", (channel, expires_at))).await
    }

    /// Adds to the deposit of a channel, moves its expiry to a later block, or does both in one
    /// transaction. There must be one of the two to do.
    pub async fn fund(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        amount: Balance,
        expires_at: Option<u32>,
    ) -> Result<Included, ChainError> {
        match (amount, expires_at) {
            (0, Some(expires_at)) => self.extend(key, channel, expires_at).await,
            (amount, None) => self.top_up(key, channel, amount).await,
            (amount, Some(expires_at)) => {
                let calls = vec![
                    RawCall::new("Channels", "top_up", (channel, amount)),
                    RawCall::new("Channels", "extend", (channel, expires_at)),
                ];
                self.send(key, Action::Batch { how: "batch_all", calls }).await
            }
        }
    }

    /// Whether the node holds transactions of an account that are in no block yet.
    pub async fn has_pending(&self, account: &AccountId) -> Result<bool, ChainError> {
        let who = AccountId32(account.clone().into());
        let next = self.rpc.system_account_next_index(&who).await;
        let next = next.map_err(ChainError::rpc("an account's next nonce"))?;
        Ok(next > u64::from(self.nonce(account, self.best().await?.hash).await?))
    }

    /// Has a voucher paid out; the channel stays open.
    pub async fn claim(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        voucher: &Unverified<Voucher>,
    ) -> Result<Included, ChainError> {
        self.send(key, claim_call(channel, voucher)).await
    }

    /// Settles a channel with its last voucher, as the provider.
    pub async fn close(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        voucher: Option<&Unverified<Voucher>>,
    ) -> Result<Included, ChainError> {
        self.send(key, close_call(channel, voucher)).await
    }

    /// What that claim would cost now at most, in the smallest coin unit: the chain takes less where
    /// fewer accounts are paid.
    pub async fn claim_fee(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        voucher: &Unverified<Voucher>,
    ) -> Result<Balance, ChainError> {
        self.fee(key, claim_call(channel, voucher)).await
    }

    /// What closing the channel so would cost now at most, in the smallest coin unit: the chain takes
    /// less without a voucher, and where fewer accounts are paid.
    pub async fn close_fee(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        voucher: Option<&Unverified<Voucher>>,
    ) -> Result<Balance, ChainError> {
        self.fee(key, close_call(channel, voucher)).await
    }

    /// Settles a channel by a split that both parties signed.
    pub async fn close_together(
        &self,
        key: &AccountKey,
        channel: ChannelId,
        split: Split,
        signatures: (Signature, Signature),
    ) -> Result<Included, ChainError> {
        let arguments = (channel, split, signatures);
        self.send(key, RawCall::new("Channels", "close_together", arguments)).await
    }

    /// Asks for a channel to be closed, as the publisher.
    pub async fn request_close(
        &self,
        key: &AccountKey,
        channel: ChannelId,
    ) -> Result<Included, ChainError> {
        self.send(key, RawCall::new("Channels", "request_close", channel)).await
    }

    /// Refunds what is left of a channel that ended.
    pub async fn finalize(
        &self,
        key: &AccountKey,
        channel: ChannelId,
    ) -> Result<Included, ChainError> {
        self.send(key, RawCall::new("Channels", "finalize", channel)).await
    }

    /// Sends coin to an account.
    pub async fn transfer(
        &self,
        key: &AccountKey,
        dest: &AccountId,
        amount: Balance,
    ) -> Result<Included, ChainError> {
        self.send(key, transfer_call(dest, amount)).await
    }

    /// Sends coin to several accounts with one transaction: to all of them or to none.
    pub async fn transfer_all(
        &self,
        key: &AccountKey,
        transfers: &[(AccountId, Balance)],
    ) -> Result<Included, ChainError> {
        let calls: Vec<RawCall> =
            transfers.iter().map(|(dest, amount)| transfer_call(dest, *amount)).collect();
        self.send(key, Action::Batch { how: "batch_all", calls }).await
    }

    async fn send(
        &self,
        key: &AccountKey,
        action: impl Into<Action>,
    ) -> Result<Included, ChainError> {
        self.submit(&action.into(), Some(key)).await.map(|(included, _)| included)
    }
}

/// The call that sends coin to an account and leaves the sender's.
fn transfer_call(dest: &AccountId, amount: Balance) -> RawCall {
    // The leading zero is the `Id` variant of `MultiAddress`.
    RawCall::new("Balances", "transfer_keep_alive", (0u8, dest, Compact(amount)))
}

/// The call that has a voucher paid out.
pub(crate) fn claim_call(channel: ChannelId, voucher: &Unverified<Voucher>) -> RawCall {
    RawCall::new("Channels", "claim", (channel, voucher))
}

/// The call that settles a channel with its last voucher.
pub(crate) fn close_call(channel: ChannelId, voucher: Option<&Unverified<Voucher>>) -> RawCall {
    RawCall::new("Channels", "close", (channel, voucher))
}

/// The call that opens the channel of a contract.
fn open_call(terms: &Terms, expires_at: u32) -> RawCall {
    let arguments = (
        (&terms.provider, terms.hash(), terms.session_key, terms.deposit),
        (expires_at, terms.challenge_blocks, &terms.app),
    );
    RawCall::new("Channels", "open", arguments)
}

/// The channel of a contract among those that a transaction opened.
fn find_opened(opened: &[OpenedEvent], contract: Hash) -> Option<&OpenedEvent> {
    opened.iter().find(|event| event.contract == contract)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(contract: u8, nonce: u64) -> OpenedEvent {
        let account = || AccountId::new([1; 32]);
        OpenedEvent {
            channel: Hash::repeat_byte(contract),
            _publisher: account(),
            _provider: account(),
            contract: Hash::repeat_byte(contract),
            _deposit: 1,
            _expires_at: 2,
            nonce,
        }
    }

    #[test]
    fn a_contract_of_a_batch_has_the_channel_of_its_own_hash_and_one_without_event_has_none() {
        let events = [opened(1, 5), opened(3, 6)];
        let nonce = |contract| find_opened(&events, Hash::repeat_byte(contract)).map(|o| o.nonce);
        assert_eq!([nonce(1), nonce(2), nonce(3)], [Some(5), None, Some(6)]);
    }
}
