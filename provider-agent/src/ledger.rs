//! The chain as one lease needs it: watching its channel, claiming, settling.

#[cfg(test)]
mod tests;

use std::{
    future::Future,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
};

use tokio::{
    sync::{mpsc, watch, Notify},
    task::{JoinHandle, JoinSet},
};
use tracing::{debug, info, warn, Instrument, Span};
use zennet_chain_client::{AccountKey, Bounds, Chain, ChainError, Head, Settler};
use zennet_lease::ProviderEvent;
use zennet_primitives::{
    amount::Balance,
    channel::{ChannelContext, ChannelId, Voucher},
    record::ChannelRecord,
    signed::Unverified,
    Hash,
};
use zennet_time::unix_secs;

use crate::driver::ChainCommand;

/// Heads of the chain as they come.
#[derive(Clone)]
pub(crate) struct Heads {
    pub(crate) best: watch::Receiver<Head>,
    pub(crate) finalized: watch::Receiver<Head>,
}

/// What a lease reads from the chain and writes to it.
pub(crate) trait Ledger: Clone + Send + Sync + 'static {
    /// A channel, if it is open at a block.
    fn channel(
        &self,
        id: ChannelId,
        at: Hash,
    ) -> impl Future<Output = Result<Option<ChannelRecord<u32>>, ChainError>> + Send;

    /// Notes that the channel is open now.
    fn note_open(&self);

    /// What claiming a voucher would cost at most.
    fn claim_fee(
        &self,
        id: ChannelId,
        voucher: &Unverified<Voucher>,
    ) -> impl Future<Output = Result<Balance, ChainError>> + Send;

    /// What closing a channel would cost at most.
    fn close_fee(
        &self,
        id: ChannelId,
        voucher: Option<&Unverified<Voucher>>,
    ) -> impl Future<Output = Result<Balance, ChainError>> + Send;

    /// Claims a voucher.
    fn claim(
        &self,
        id: ChannelId,
        voucher: Unverified<Voucher>,
        bounds: Bounds,
    ) -> impl Future<Output = Result<(), ChainError>> + Send;

    /// Closes a channel, and gives what it paid in all, where the chain says so.
    fn close(
        &self,
        id: ChannelId,
        voucher: Option<Unverified<Voucher>>,
        bounds: Bounds,
    ) -> impl Future<Output = Result<Option<Balance>, ChainError>> + Send;
}

/// The chain and this provider's settlements, for one lease.
#[derive(Clone)]
pub(crate) struct Account {
    chain: Chain,
    key: AccountKey,
    settler: Settler,
    /// When the channel was known to be open, or else the lease began; Unix time in seconds.
    known_at: Arc<AtomicU64>,
}

impl Account {
    /// Begins to settle with a key.
    pub(crate) fn open(chain: Chain, key: AccountKey) -> Self {
        let settler = Settler::start(chain.clone(), key.clone());
        Account { chain, key, settler, known_at: Arc::default() }
    }

    /// The same for a lease whose channel was open at a Unix time, or which began then, seconds.
    pub(crate) fn of_lease(&self, known_at: u64) -> Self {
        Account { known_at: Arc::new(known_at.into()), ..self.clone() }
    }
}

impl Ledger for Account {
    async fn channel(
        &self,
        id: ChannelId,
        at: Hash,
    ) -> Result<Option<ChannelRecord<u32>>, ChainError> {
        let found = self.chain.channel(id, at).await?;
        if found.is_none() {
            let block_ms = self.chain.time(at).await?;
            ensure_not_before(block_ms / 1000, self.known_at.load(Ordering::Relaxed))?;
        }
        Ok(found)
    }

    fn note_open(&self) {
        self.known_at.fetch_max(unix_secs(), Ordering::Relaxed);
    }

    async fn claim_fee(
        &self,
        id: ChannelId,
        voucher: &Unverified<Voucher>,
    ) -> Result<Balance, ChainError> {
        self.chain.claim_fee(&self.key, id, voucher).await
    }

    async fn close_fee(
        &self,
        id: ChannelId,
        voucher: Option<&Unverified<Voucher>>,
    ) -> Result<Balance, ChainError> {
        self.chain.close_fee(&self.key, id, voucher).await
    }

    async fn claim(
        &self,
        id: ChannelId,
        voucher: Unverified<Voucher>,
        bounds: Bounds,
    ) -> Result<(), ChainError> {
        self.settler.claim(id, voucher, bounds).await.map(drop)
    }

    async fn close(
        &self,
        id: ChannelId,
        voucher: Option<Unverified<Voucher>>,
        bounds: Bounds,
    ) -> Result<Option<Balance>, ChainError> {
        let included = self.settler.close(id, voucher, bounds).await?;
        info!(block = included.block.number, fee = included.fee, "channel closed");
        // The channel is closed, whether or not the event can be read.
        let settled = self.chain.settled(id, included.block.hash).await.ok().flatten();
        Ok(settled.map(|event| event.paid))
    }
}

/// How much the clocks of bookkeepers and of this host may differ, seconds.
const CLOCKS: u64 = 60;

/// That a channel is absent says nothing at a block from before it was open: a node that has lost blocks, or
/// fetches them yet, would have every lease written off.
fn ensure_not_before(block_secs: u64, known_at: u64) -> Result<(), ChainError> {
    match known_at.saturating_sub(CLOCKS).saturating_sub(block_secs) {
        0 => Ok(()),
        secs => Err(ChainError::Behind { secs }),
    }
}

/// Blocks above the one that was the best when a claim or a closing was included, by which it is final or
/// undone.
const FINAL_WITHIN: u32 = 4;

/// How a channel is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchPolicy {
    /// Whether only a finalized channel counts.
    pub(crate) wait_for_finality: bool,
    /// Blocks before a channel's expiry at which the lease ends.
    pub(crate) expiry_margin: u32,
    /// Time between blocks, milliseconds.
    pub(crate) block_ms: u64,
    /// Most that closing a channel may cost beyond what it brings.
    pub(crate) settle_loss: Balance,
    /// Part of what a claim or a close brings that may go into tips where blocks are full, percent.
    pub(crate) tip_percent: u8,
}

impl WatchPolicy {
    /// The highest tip of a transaction that brings so much besides its fee.
    fn most_tip(&self, brings: Balance) -> Balance {
        // A product that is too large is one of more coin than there is.
        brings.saturating_mul(self.tip_percent.into()) / 100
    }

    /// The heads of the blocks that count.
    fn safe<'a>(&self, heads: &'a mut Heads) -> &'a mut watch::Receiver<Head> {
        if self.wait_for_finality {
            &mut heads.finalized
        } else {
            &mut heads.best
        }
    }
}

/// Serves one lease's commands until its driver is gone.
pub(crate) async fn serve<L: Ledger>(
    ledger: L,
    heads: Heads,
    policy: WatchPolicy,
    mut commands: mpsc::Receiver<ChainCommand>,
    events: mpsc::Sender<ProviderEvent>,
) {
    let mut watching = Watching(None);
    // The last claim, and the settlement: both may take as long as blocks are full.
    let (mut claims, mut settling) = (JoinSet::new(), JoinSet::new());
    // What a channel has paid, as far as is known, for when it is gone before it can be asked.
    let mut known_paid = 0;
    loop {
        let command = tokio::select! {
            command = commands.recv() => match command {
                Some(command) => command,
                None => break,
            },
            Some(claimed) = claims.join_next() => {
                let event = claimed.unwrap_or(ProviderEvent::ClaimFailed);
                if let ProviderEvent::Claimed { paid } = event {
                    known_paid = paid.max(known_paid);
                }
                if events.send(event).await.is_err() {
                    return;
                }
                continue;
            }
            Some(settled) = settling.join_next() => {
                let (paid, event) = settled.unwrap_or((known_paid, ProviderEvent::SettleFailed));
                known_paid = paid;
                if events.send(event).await.is_err() {
                    return;
                }
                continue;
            }
        };
        match command {
            // A watch that goes on is not begun anew: however often that is asked for, it sees
            // every head.
            ChainCommand::Watch { open: true, .. } if watching.looks_again() => (),
            ChainCommand::Watch { context, open } => {
                let again = Arc::new(Notify::new());
                let watch = watch_channel(
                    ledger.clone(),
                    heads.clone(),
                    policy,
                    context.channel,
                    open,
                    events.clone(),
                    again.clone(),
                );
                let task = tokio::spawn(watch.instrument(Span::current()));
                watching = Watching(Some((task, again)));
            }
            ChainCommand::Claim(context, voucher) => {
                // It brings all that one would that is not answered yet.
                known_paid = claimed(&mut claims).max(known_paid);
                claims = JoinSet::new();
                let (ledger, heads) = (ledger.clone(), heads.clone());
                let claim = async move {
                    let amount = voucher.payload.cumulative;
                    let claimed =
                        claim(&ledger, heads, policy, &context, voucher, known_paid).await;
                    claimed.unwrap_or_else(|error| {
                        warn!(%error, amount, "claiming failed; it is tried again");
                        ProviderEvent::ClaimFailed
                    })
                };
                claims.spawn(claim.instrument(Span::current()));
            }
            // One that goes on is not begun anew.
            ChainCommand::Settle(..) if !settling.is_empty() => (),
            ChainCommand::Settle(context, voucher) => {
                watching = Watching(None);
                known_paid = claimed(&mut claims).max(known_paid);
                claims = JoinSet::new();
                let (ledger, heads) = (ledger.clone(), heads.clone());
                let settlement = async move {
                    let mut paid = known_paid;
                    let outcome =
                        settle(&ledger, heads, policy, &context, voucher, &mut paid).await;
                    let event = outcome.unwrap_or_else(|error| {
                        warn!(%error, "settling failed; it is tried again");
                        ProviderEvent::SettleFailed
                    });
                    (paid, event)
                };
                settling.spawn(settlement.instrument(Span::current()));
            }
        }
    }
    drop(watching);
}

/// What claims have paid whose answers were not read yet.
fn claimed(claims: &mut JoinSet<ProviderEvent>) -> Balance {
    let mut most = 0;
    while let Some(claimed) = claims.try_join_next() {
        if let Ok(ProviderEvent::Claimed { paid }) = claimed {
            most = paid.max(most);
        }
    }
    most
}

/// The task that watches, and what has it report anew; dropped, it ends.
struct Watching(Option<(JoinHandle<()>, Arc<Notify>)>);

impl Watching {
    /// Has a watch that goes on report the channel as it stands; whether there is one.
    fn looks_again(&self) -> bool {
        let Some((_, again)) = self.0.as_ref().filter(|(task, _)| !task.is_finished()) else {
            return false;
        };
        again.notify_one();
        true
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some((task, _)) = &self.0 {
            task.abort();
        }
    }
}

/// Claims a voucher, if that brings more than it costs, and waits until that is final.
async fn claim<L: Ledger>(
    ledger: &L,
    mut heads: Heads,
    policy: WatchPolicy,
    context: &ChannelContext,
    voucher: Unverified<Voucher>,
    known_paid: Balance,
) -> Result<ProviderEvent, ChainError> {
    let (amount, best) = (voucher.payload.cumulative, *heads.best.borrow());
    let record = ledger.channel(context.channel, best.hash).await?;
    // Without a channel there is nothing to claim from.
    let ends_at = record.as_ref().map_or(0, ChannelRecord::ends_at);
    let paid = record.map_or(known_paid, |record| record.paid.max(known_paid));
    let gain = amount.saturating_sub(paid);
    if gain > 0 {
        let fee = ledger.claim_fee(context.channel, &voucher).await?;
        if gain <= fee {
            debug!(gain, fee, "a claim would cost more than it brings; a later one brings more");
            return Ok(ProviderEvent::ClaimFailed);
        }
        let most_tip = policy.most_tip(gain.saturating_sub(fee));
        ledger.claim(context.channel, voucher, Bounds { most_tip, ends_at }).await?;
        info!(amount, "voucher claimed");
    }
    let paid = paid.max(amount);
    let is_paid = |record: &ChannelRecord<u32>| record.paid >= paid;
    if is_finally(ledger, &mut heads, policy, context.channel, is_paid).await? {
        return Ok(ProviderEvent::Claimed { paid });
    }
    warn!(amount, "the chain has undone a claim; it is made again");
    Ok(ProviderEvent::ClaimFailed)
}

/// Waits until a block that counts has a channel as it should be, or none any more; or shows that it will
/// not be so.
async fn is_finally<L: Ledger>(
    ledger: &L,
    heads: &mut Heads,
    policy: WatchPolicy,
    id: ChannelId,
    as_it_should_be: impl Fn(&ChannelRecord<u32>) -> bool,
) -> Result<bool, ChainError> {
    let until = heads.best.borrow().number.saturating_add(FINAL_WITHIN);
    let safe = policy.safe(heads);
    loop {
        let head = *safe.borrow_and_update();
        match ledger.channel(id, head.hash).await? {
            Some(record) if as_it_should_be(&record) => return Ok(true),
            Some(_) if head.number >= until => return Ok(false),
            Some(_) => (),
            // It has come to its end, which is another event.
            None => return Ok(true),
        }
        if safe.changed().await.is_err() {
            return Ok(false);
        }
    }
}

/// Closes a channel with the voucher, if that still gains anything, and waits until that is final. A
/// channel that would cost too much to close is left to the publisher, who can take its deposit back by
/// itself.
async fn settle<L: Ledger>(
    ledger: &L,
    mut heads: Heads,
    policy: WatchPolicy,
    context: &ChannelContext,
    voucher: Option<Unverified<Voucher>>,
    known_paid: &mut Balance,
) -> Result<ProviderEvent, ChainError> {
    let best = *heads.best.borrow();
    match ledger.channel(context.channel, best.hash).await? {
        None => info!(paid = *known_paid, "the channel is gone already"),
        Some(record) if best.number.saturating_add(1) >= record.ends_at() => {
            warn!(ends_at = record.ends_at(), "the channel has ended, vouchers are refused");
            return Ok(ProviderEvent::Settled { paid: record.paid });
        }
        Some(record) => {
            *known_paid = record.paid;
            let is_left =
                close(ledger, &heads, policy, context, &record, voucher, known_paid).await?;
            if let Some(event) = is_left {
                return Ok(event);
            }
        }
    }
    if is_finally(ledger, &mut heads, policy, context.channel, |_| false).await? {
        return Ok(ProviderEvent::Settled { paid: *known_paid });
    }
    warn!("the chain has undone a settlement; it is made again");
    Ok(ProviderEvent::SettleFailed)
}

/// Closes a channel with a voucher, if that gains more than it has paid; nothing where that was done, and
/// how it ends where it is not worth it. What it will have paid is noted.
async fn close<L: Ledger>(
    ledger: &L,
    heads: &Heads,
    policy: WatchPolicy,
    context: &ChannelContext,
    record: &ChannelRecord<u32>,
    voucher: Option<Unverified<Voucher>>,
    known_paid: &mut Balance,
) -> Result<Option<ProviderEvent>, ChainError> {
    let (id, left) = (context.channel, ProviderEvent::Settled { paid: record.paid });
    let gain = voucher.filter(|v| v.payload.cumulative > record.paid);
    let promised = gain.as_ref().map_or(record.paid, |v| v.payload.cumulative);
    let brings = promised.saturating_sub(record.paid);
    let fee = ledger.close_fee(id, gain.as_ref()).await?;
    if fee.saturating_sub(brings) > policy.settle_loss {
        warn!(fee, brings, "closing the channel would cost too much; the publisher may do it");
        // A fee may fall again while there is something to get.
        return Ok(Some(if brings == 0 { left } else { ProviderEvent::SettleFailed }));
    }
    let most_tip = policy.most_tip(brings.saturating_sub(fee));
    match ledger.close(id, gain, Bounds { most_tip, ends_at: record.ends_at() }).await {
        Ok(told) => {
            *known_paid = told.unwrap_or(promised);
            Ok(None)
        }
        // Closing only spares the publisher its wait then.
        Err(ChainError::NoCoin { .. }) if brings == 0 => {
            info!("nothing to claim and no coin for the fee; the publisher takes its refund");
            Ok(Some(left))
        }
        Err(error) => {
            let best = *heads.best.borrow();
            match ledger.channel(id, best.hash).await {
                Ok(Some(now)) if best.number.saturating_add(1) >= now.ends_at() => {
                    warn!(%error, "the channel has ended, vouchers are refused");
                    return Ok(Some(ProviderEvent::Settled { paid: now.paid }));
                }
                // Should it be gone next time, then by this transaction.
                Ok(_) | Err(_) if may_have_closed(&error) => *known_paid = promised,
                Ok(_) | Err(_) => (),
            }
            Err(error)
        }
    }
}

/// Whether a closing that failed so may have been made, by this transaction or one before it.
fn may_have_closed(error: &ChainError) -> bool {
    match error {
        ChainError::Rejected { reason, .. } => reason.contains("NotFound"),
        ChainError::NoCoin { .. } | ChainError::NotTaken { .. } | ChainError::Incompatible(_) => {
            false
        }
        _ => true,
    }
}

/// Reports a channel once it is final, unless it is known to be `open`; then as it stands and
/// whenever it has more in it or lasts longer; and once more when it comes to its end.
async fn watch_channel<L: Ledger>(
    ledger: L,
    mut heads: Heads,
    policy: WatchPolicy,
    id: ChannelId,
    open: bool,
    events: mpsc::Sender<ProviderEvent>,
    again: Arc<Notify>,
) {
    let mut reported = None;
    if !open {
        let Some(record) = opened(&ledger, policy.safe(&mut heads), id).await else { return };
        reported = Some(extent(&record));
        if events.send(ProviderEvent::ChannelFinal(record)).await.is_err() {
            return;
        }
    }
    loop {
        let head = *heads.best.borrow_and_update();
        match ledger.channel(id, head.hash).await {
            Ok(record) => {
                let expires = |r: &ChannelRecord<u32>| {
                    // A lease of before may have a shorter challenge than is asked for now.
                    let margin = policy.expiry_margin.min(r.challenge);
                    r.closing_at.is_some() || r.expires_at <= head.number.saturating_add(margin)
                };
                if record.as_ref().is_none_or(expires) {
                    info!(gone = record.is_none(), "the channel comes to its end");
                    // Without a listener there is nobody to tell.
                    let _ = events.send(ProviderEvent::ChannelClosing).await;
                    return;
                }
                // What changed in the best block is looked for where it counts.
                if record.as_ref().map(extent) != reported {
                    let safe = *policy.safe(&mut heads).borrow();
                    match ledger.channel(id, safe.hash).await {
                        Ok(Some(record)) if Some(extent(&record)) != reported => {
                            reported = Some(extent(&record));
                            let blocks = record.expires_at.saturating_sub(head.number);
                            let lasts_ms = u64::from(blocks).saturating_mul(policy.block_ms);
                            let changed = ProviderEvent::ChannelChanged { record, lasts_ms };
                            if events.send(changed).await.is_err() {
                                return;
                            }
                        }
                        Ok(Some(_) | None) => (),
                        Err(error) => warn!(%error, "the channel could not be read"),
                    }
                }
            }
            Err(error) => warn!(%error, "the channel could not be read"),
        }
        tokio::select! {
            changed = heads.best.changed() => match changed {
                Ok(()) => (),
                Err(_) => return,
            },
            () = again.notified() => reported = None,
        }
    }
}

/// What an amendment changes of a channel.
fn extent(record: &ChannelRecord<u32>) -> (Balance, u32) {
    (record.deposit, record.expires_at)
}

/// Waits for a channel; nothing when no more heads come.
async fn opened<L: Ledger>(
    ledger: &L,
    heads: &mut watch::Receiver<Head>,
    id: ChannelId,
) -> Option<ChannelRecord<u32>> {
    loop {
        let at = heads.borrow_and_update().hash;
        match ledger.channel(id, at).await {
            Ok(Some(record)) => {
                ledger.note_open();
                return Some(record);
            }
            Ok(None) => (),
            Err(error) => warn!(%error, "the channel could not be read"),
        }
        heads.changed().await.ok()?;
    }
}
