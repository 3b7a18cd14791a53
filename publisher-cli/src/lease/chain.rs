//! The chain as a lease needs it, over a node.

use std::time::Duration;

use anyhow::{anyhow, ensure, Context, Result};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use zennet_chain_client::{AccountKey, Chain, ChainError, Constants, Head};
use zennet_primitives::{
    amount::Balance, channel::ChannelId, contract::Terms, pow::Role, record::ChannelRecord,
    AccountId, Hash,
};

use super::{
    opener::{OpenMany, Opener},
    seats::Seats,
    watches::{View, Watches, RETRY},
    world::{ChannelChange, Funding, LeaseChain, OpenError, OpenedChannel},
};
use crate::units::xen;

/// Blocks that a channel lives longer than the lease and the challenge: time to settle, and for
/// blocks that come late.
const SPARE_BLOCKS: u64 = 150;

/// Longest that transactions of an earlier try are waited for: then none of them can get into a
/// block any more.
const PENDING: Duration = Duration::from_secs(180);

/// Longest time between two looks at a channel whose deposit is reclaimed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Nonces that are tried to find the channel of a run that was killed while it opened some.
const NONCES: u64 = 4096;

/// A node with the account that pays.
#[derive(Clone)]
pub(crate) struct NodeChain {
    chain: Chain,
    key: AccountKey,
    watches: Watches,
    /// Opens the channels of an order together; without it each is opened by itself.
    opener: Option<Opener>,
}

impl NodeChain {
    /// The view of a node that all leases share.
    pub(crate) fn new(chain: Chain, key: AccountKey) -> Self {
        let watches = Watches::start(chain.clone());
        NodeChain { chain, key, watches, opener: None }
    }

    /// The same for the leases of an order, whose channels are opened together.
    pub(crate) fn of_order(self, seats: Seats) -> Self {
        let opener = Opener::start(self.clone(), seats);
        NodeChain { opener: Some(opener), ..self }
    }

    /// Looks for the channel of a contract whose nonce is not known, at a block. No two contracts
    /// are alike, since each has a session key of its own, so no other channel is taken for it.
    pub(crate) async fn find(&self, terms: &Terms, at: Hash) -> Result<Option<u64>> {
        let next = self.chain.next_channel_nonce(&terms.publisher, at).await?;
        let nonces: Vec<u64> = (next.saturating_sub(NONCES)..next).collect();
        let ids: Vec<ChannelId> = nonces.iter().map(|n| terms.channel(*n).channel).collect();
        let open = self.chain.open_channels(&ids, at).await?;
        let of_contract = |(nonce, id)| open.contains(id).then_some(nonce);
        Ok(nonces.into_iter().zip(&ids).find_map(of_contract))
    }

    /// Whether the channel of a contract was opened at a block or before; it may be gone since.
    pub(crate) async fn was_opened(&self, terms: &Terms, id: ChannelId, at: Hash) -> Result<bool> {
        let next = self.chain.next_channel_nonce(&terms.publisher, at).await?;
        let mut nonces = (next.saturating_sub(NONCES)..next).rev();
        Ok(nonces.any(|nonce| terms.channel(nonce).channel == id))
    }

    async fn record(&self, id: ChannelId, head: Head) -> Result<Option<ChannelRecord<u32>>> {
        Ok(self.chain.channel(id, head.hash).await?)
    }

    /// The block in which the channel of a contract is to end at the latest.
    fn expiry(&self, terms: &Terms, best: Head) -> Result<u32, OpenError> {
        let constants = self.chain.constants();
        let blocks = lifetime_blocks(
            terms.quote.lease_secs,
            terms.challenge_blocks,
            constants.block_ms,
            constants.channel_max_lifetime,
        )
        .map_err(|error| OpenError::Refused(error.to_string()))?;
        let overflows = || OpenError::Refused("the block number overflows".into());
        best.number.checked_add(blocks).ok_or_else(overflows)
    }

    async fn try_open(&self, contracts: &[(Terms, u32)]) -> Vec<Result<OpenedChannel, OpenError>> {
        let for_record = self.chain.constants().channel_record_deposit;
        let refused = |error: &ChainError, terms: &Terms| open_error(error, terms, for_record);
        let opened = match self.chain.open_all(&self.key, contracts).await {
            Ok(opened) => opened,
            // Nothing is known of any, or all were refused alike.
            Err(error) => {
                return contracts.iter().map(|(terms, _)| Err(refused(&error, terms))).collect();
            }
        };
        let each = opened.into_iter().zip(contracts).map(|(opened, (terms, _))| {
            opened.map_err(|error| refused(&error, terms)).map(|opened| OpenedChannel {
                nonce: opened.nonce,
                channel: opened.channel,
                block: opened.block.number,
                fee: opened.fee,
            })
        });
        each.collect()
    }

    /// Adds what is missing. What a transaction of an earlier try may add is waited for, so that
    /// nothing is added twice.
    async fn try_fund(&self, funding: Funding) -> Result<bool> {
        let Funding { channel, deposit, left_secs, again } = funding;
        if again {
            let idle = async {
                while self.chain.has_pending(&self.key.account()).await? {
                    sleep(RETRY).await;
                }
                Ok::<_, ChainError>(())
            };
            // After that time none of an earlier try can get into a block any more.
            if let Ok(idle) = timeout(PENDING, idle).await {
                idle?;
            }
        }
        let best = self.chain.best().await?;
        let record = self.record(channel, best).await?.context("the channel is gone")?;
        ensure!(record.closing_at.is_none(), "the channel is being closed");
        let missing = deposit.saturating_sub(record.deposit);
        let later = later_expiry(&record, best.number, left_secs, self.chain.constants())?;
        if missing == 0 && later.is_none() {
            return Ok(false);
        }
        let included = self.chain.fund(&self.key, channel, missing, later).await?;
        tracing::info!(%channel, missing, later, fee = included.fee, "channel funded");
        Ok(true)
    }

    /// Does the next thing that a channel needs to end; nothing while it is gone.
    async fn reclaim_once(
        &self,
        id: ChannelId,
        changes: &mpsc::Sender<ChannelChange>,
    ) -> Result<()> {
        let best = self.chain.best().await?;
        let Some(record) = self.record(id, best).await? else { return Ok(()) };
        let expired = best.number >= record.ends_at();
        if !expired && record.closing_at.is_some() {
            return Ok(());
        }
        if expired {
            self.chain.finalize(&self.key, id).await?;
        } else {
            self.chain.request_close(&self.key, id).await?;
            let _ = changes.send(ChannelChange::Requested).await;
        }
        Ok(())
    }
}

/// The block that a channel has to expire in, unless it lasts long enough for its lease to go on.
fn later_expiry(
    record: &ChannelRecord<u32>,
    best: u32,
    left_secs: u32,
    constants: &Constants,
) -> Result<Option<u32>> {
    let (block_ms, longest) = (constants.block_ms, constants.channel_max_lifetime);
    let blocks = lifetime_blocks(left_secs, record.challenge, block_ms, longest)?;
    // Half of the spare time may have gone by since it was opened.
    let least = blocks.saturating_sub(SPARE_BLOCKS as u32 / 2);
    let is_short = record.expires_at < best.saturating_add(least);
    Ok(is_short.then(|| best.saturating_add(blocks)))
}

fn open_error(error: &ChainError, terms: &Terms, record_deposit: Balance) -> OpenError {
    match error {
        ChainError::NoCoin { account, .. } => OpenError::NoCoin(format!(
            "account {account} has not enough coin for a deposit of {} and {} that the record of the \
             channel costs until it is settled: send it some, or lower the deposit with --max-price \
             or a shorter --for",
            xen(terms.deposit),
            xen(record_deposit)
        )),
        ChainError::Rejected { .. } | ChainError::NotTaken { .. } => {
            OpenError::Refused(error.to_string())
        }
        _ => OpenError::Unknown(error.to_string()),
    }
}

impl OpenMany for NodeChain {
    async fn open_many(&self, contracts: Vec<Terms>) -> Vec<Result<OpenedChannel, OpenError>> {
        let best = match self.chain.best().await {
            Ok(best) => best,
            Err(error) => {
                let refused = OpenError::Refused(error.to_string());
                return contracts.iter().map(|_| Err(refused.clone())).collect();
            }
        };
        let mut outcomes = Vec::new();
        let mut good = Vec::new();
        for terms in contracts {
            match self.expiry(&terms, best) {
                Ok(expires_at) => {
                    outcomes.push(None);
                    good.push((terms, expires_at));
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        if good.is_empty() {
            return outcomes.into_iter().flatten().collect();
        }
        let mut opened = self.try_open(&good).await.into_iter();
        outcomes.into_iter().filter_map(|outcome| outcome.or_else(|| opened.next())).collect()
    }
}

/// Blocks that a channel must live for a lease.
pub(crate) fn lifetime_blocks(
    lease_secs: u32,
    challenge_blocks: u32,
    block_ms: u64,
    longest: u32,
) -> Result<u32> {
    let lease = (u64::from(lease_secs) * 1000).div_ceil(block_ms.max(1));
    let needed = lease.saturating_add(u64::from(challenge_blocks)).saturating_add(SPARE_BLOCKS);
    match u32::try_from(needed) {
        Ok(needed) if needed <= longest => Ok(needed),
        _ => Err(anyhow!(
            "a lease of {lease_secs} s needs a channel of {needed} blocks, the chain allows \
             {longest}: ask for a shorter lease with --for"
        )),
    }
}

/// Longest lease that a channel of the longest life has room for, seconds.
pub(crate) fn longest_secs(challenge_blocks: u32, block_ms: u64, longest: u32) -> u32 {
    let spare = u64::from(challenge_blocks).saturating_add(SPARE_BLOCKS);
    let blocks = u64::from(longest).saturating_sub(spare);
    u32::try_from(blocks.saturating_mul(block_ms) / 1000).unwrap_or(u32::MAX)
}

impl LeaseChain for NodeChain {
    async fn is_mined_provider(&self, account: AccountId) -> Result<bool> {
        let at = self.chain.best().await?.hash;
        Ok(self.chain.identity(Role::Provider, &account, at).await?.is_some())
    }

    async fn open(&self, terms: Terms) -> Result<OpenedChannel, OpenError> {
        if let Some(opener) = &self.opener {
            return opener.open(terms).await;
        }
        let none = || Err(OpenError::Refused("the chain gave no answer".into()));
        self.open_many(vec![terms]).await.pop().unwrap_or_else(none)
    }

    async fn fund(&self, funding: Funding) -> Result<bool> {
        self.try_fund(funding).await
    }

    async fn watch(&self, channel: ChannelId, opened: u32, changes: mpsc::Sender<ChannelChange>) {
        let Some(mut view) = self.watches.watch(channel, opened).await else { return };
        let mut before = View::default();
        loop {
            let now = *view.borrow_and_update();
            for change in now.changes_since(&before) {
                // A lease that has ended hears no more.
                let _ = changes.send(change).await;
            }
            before = now;
            if now.is_last() || view.changed().await.is_err() {
                return;
            }
        }
    }

    async fn reclaim(&self, channel: ChannelId, changes: mpsc::Sender<ChannelChange>) {
        let Some(mut view) = self.watches.watch(channel, 0).await else { return };
        loop {
            view.mark_unchanged();
            match self.reclaim_once(channel, &changes).await {
                // The next thing is due when something has changed of it. What is gone may come back
                // on another fork, until its lease hears that it is settled.
                Ok(()) => {
                    let _ = timeout(LOOK_AGAIN, view.changed()).await;
                }
                Err(error) => {
                    tracing::warn!(%channel, %error, "cannot reclaim the deposit yet");
                    sleep(RETRY).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_outlives_its_lease_and_the_challenge() {
        assert_eq!(lifetime_blocks(3600, 20, 2000, 1_000_000).unwrap(), 1800 + 20 + 150);
        assert_eq!(lifetime_blocks(1, 20, 2000, 1000).unwrap(), 1 + 20 + 150);
    }

    #[test]
    fn the_expiry_moves_only_when_the_lease_would_outlast_it() {
        let record = |expires_at| ChannelRecord {
            publisher: AccountId::new([1; 32]),
            provider: AccountId::new([2; 32]),
            contract: Default::default(),
            session_key: zennet_primitives::SessionKey::from_raw([3; 32]),
            deposit: 1,
            paid: 0,
            record_deposit: 1,
            expires_at,
            challenge: 20,
            closing_at: None,
            app: None,
        };
        let constants = crate::order::spec::tests::constants();
        let later = |expires_at| later_expiry(&record(expires_at), 1000, 60, &constants).unwrap();
        assert_eq!(later(1000 + 30 + 20 + 150), None);
        assert_eq!(later(1000 + 30 + 20 + 75), None);
        assert_eq!(later(1000 + 30 + 20 + 74), Some(1000 + 30 + 20 + 150));
        assert!(later_expiry(&record(5), 1000, u32::MAX, &constants).is_err());
    }

    #[test]
    fn a_transaction_that_no_pool_took_opens_nothing_and_of_a_lost_one_nothing_is_known() {
        let (call, reason) = (|| "Channels.open".to_owned(), String::new);
        let opened = |error: ChainError| open_error(&error, &crate::store::tests::terms(), 1);
        let not_taken = opened(ChainError::NotTaken { call: call(), reason: reason() });
        assert!(matches!(not_taken, OpenError::Refused(_)));
        let lost = opened(ChainError::Lost { call: call(), reason: reason() });
        assert!(matches!(lost, OpenError::Unknown(_)));
        let late = opened(ChainError::NotIncluded { call: call(), secs: 60 });
        assert!(matches!(late, OpenError::Unknown(_)));
    }

    #[test]
    fn whoever_has_not_enough_coin_is_told_of_the_deposit_and_of_what_the_record_costs() {
        let poor = ChainError::NoCoin { account: "5x".into(), call: "Channels.open".into() };
        let terms = crate::store::tests::terms();
        let OpenError::NoCoin(why) = open_error(&poor, &terms, 123_456) else {
            panic!("it is refused for another reason")
        };
        assert!(why.contains(&xen(terms.deposit)) && why.contains(&xen(123_456)), "{why}");
    }

    #[test]
    fn a_lease_that_is_longer_than_any_channel_is_refused_with_the_option_to_change() {
        let error = lifetime_blocks(u32::MAX, 20, 2000, 43_200).unwrap_err().to_string();
        assert!(error.contains("--for") && error.contains("43200"), "{error}");
        assert!(lifetime_blocks(3600, u32::MAX, 2000, u32::MAX).is_err());
    }
}
