//! Blocks as they come, and what they did.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{bail, Context, Result};
use codec::Decode;
use frame_system::EventRecord;
use sp_crypto_hashing::twox_128;
use tokio::{sync::watch, task::JoinHandle};
use zennet_chain_client::{Chain, Head};
use zennet_primitives::{channel::ChannelId, AccountId, Hash};
use zennet_runtime::RuntimeEvent;

use crate::{
    feed::Feed,
    node::{Node, Sample},
};

/// A block, and the moment in which it was the best one.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Number and hash.
    pub(crate) head: Head,
    /// When it was seen.
    pub(crate) at: Instant,
    /// When it, or a later one, was seen as final.
    pub(crate) final_at: Option<Instant>,
    /// Transactions with a signature.
    pub(crate) signed: usize,
    /// What it did. Read at once, since a node that prunes soon forgets it.
    pub(crate) deeds: Arc<Deeds>,
    /// The node's figures after it.
    pub(crate) sample: Sample,
}

/// Follows a node's blocks until it is dropped.
pub(crate) struct Blocks {
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    tasks: [JoinHandle<Result<()>>; 2],
}

impl Blocks {
    /// Begins to follow. Each block makes room in the feed that `feed` holds at that time.
    pub(crate) async fn follow(
        chain: &Chain,
        node: Node,
        feed: watch::Receiver<Feed>,
    ) -> Result<Blocks> {
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let (counted, count) = watch::channel(0);
        let (mut best, mut finals) = (chain.follow_best().await?, chain.follow_finalized().await?);
        let (chain, all) = (chain.clone(), seen.clone());
        let on_best = tokio::spawn(async move {
            while let Some(head) = best.next().await {
                let (head, at) = (head?, Instant::now());
                // At once, since it may be final before its transactions are counted.
                let (signed, deeds, sample) = (0, Arc::default(), Sample::default());
                let block = Seen { head, at, final_at: None, signed, deeds, sample };
                lock(&all).push(block);
                let signed = chain.count_signed(head.hash).await?;
                feed.borrow().included(signed);
                let sample = node.sample().await?;
                let deeds = Arc::new(Deeds::of(&chain, head.hash).await?);
                let mut seen = lock(&all);
                if let Some(block) = seen.last_mut() {
                    (block.signed, block.deeds, block.sample) = (signed, deeds, sample);
                }
                counted.send_replace(seen.len());
            }
            Ok(())
        });
        let all = seen.clone();
        let on_final = tokio::spawn(async move {
            while let Some(head) = finals.next().await {
                let (head, at) = (head?, Instant::now());
                let mut seen = lock(&all);
                let waiting = seen.iter_mut().rev().take_while(|block| block.final_at.is_none());
                for block in waiting.filter(|block| block.head.number <= head.number) {
                    block.final_at = Some(at);
                }
            }
            Ok(())
        });
        Ok(Blocks { seen, count, tasks: [on_best, on_final] })
    }

    /// All blocks so far.
    pub(crate) fn all(&self) -> Vec<Seen> {
        lock(&self.seen)[..self.len()].to_vec()
    }

    /// How many there are so far.
    pub(crate) fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until something holds of the blocks; an error after so long without it.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&[Seen]) -> bool,
    ) -> Result<()> {
        let seen = self.seen.clone();
        let wait = async {
            while !holds(&lock(&seen)[..self.len()]) {
                // Finality comes without a new block.
                let _ =
                    tokio::time::timeout(Duration::from_millis(200), self.count.changed()).await;
                self.follows().await?;
            }
            Ok(())
        };
        tokio::time::timeout(patience, wait).await.with_context(|| format!("waited for {what}"))?
    }

    /// Says why it follows no more, if it does not.
    async fn follows(&mut self) -> Result<()> {
        let Some(task) = self.tasks.iter_mut().find(|task| task.is_finished()) else {
            return Ok(());
        };
        task.await?.context("the node's blocks cannot be followed")?;
        bail!("the node's blocks ended")
    }
}

fn lock(seen: &Mutex<Vec<Seen>>) -> MutexGuard<'_, Vec<Seen>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What a block did, by its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deeds {
    /// Transfers, other than those of deposits.
    pub(crate) transfers: u64,
    /// Announcements made.
    pub(crate) announced: u64,
    /// Announcements that expired.
    pub(crate) expired: u64,
    /// Channels opened, and who is paid.
    pub(crate) opened: Vec<(ChannelId, AccountId)>,
    /// Vouchers paid, those of a close included.
    pub(crate) claimed: u64,
    /// Channels settled.
    pub(crate) settled: u64,
    /// Transactions that did what they say.
    pub(crate) succeeded: u64,
    /// Errors of transactions, and of calls in a batch.
    pub(crate) failed: BTreeMap<String, u64>,
}

impl Deeds {
    /// Reads the events of a block.
    async fn of(chain: &Chain, block: Hash) -> Result<Deeds> {
        let key = prefix("System", "Events");
        let bytes = chain.bytes(&key, block).await?.unwrap_or_default();
        let records: Vec<EventRecord<RuntimeEvent, Hash>> =
            Decode::decode(&mut &bytes[..]).context("the events are another runtime's")?;
        let mut deeds = Deeds::default();
        for record in records {
            deeds.add(record.event);
        }
        Ok(deeds)
    }

    fn add(&mut self, event: RuntimeEvent) {
        use frame_system::Event as System;
        use pallet_announcements::Event as Announcements;
        use pallet_channels::Event as Channels;
        let mut failed = |error: sp_runtime::DispatchError| {
            *self.failed.entry(format!("{error:?}")).or_default() += 1;
        };
        match event {
            RuntimeEvent::Balances(pallet_balances::Event::Transfer { .. }) => self.transfers += 1,
            RuntimeEvent::Announcements(Announcements::Announced { .. }) => self.announced += 1,
            RuntimeEvent::Announcements(Announcements::Expired { .. }) => self.expired += 1,
            RuntimeEvent::Channels(Channels::Opened { channel, provider, .. }) => {
                self.opened.push((channel, provider));
            }
            RuntimeEvent::Channels(Channels::Claimed { .. }) => self.claimed += 1,
            RuntimeEvent::Channels(Channels::Settled { .. }) => self.settled += 1,
            // The one inherent, the time, succeeds too.
            RuntimeEvent::System(System::ExtrinsicSuccess { dispatch_info }) => {
                let inherent =
                    dispatch_info.class == frame_support::dispatch::DispatchClass::Mandatory;
                self.succeeded += u64::from(!inherent);
            }
            RuntimeEvent::System(System::ExtrinsicFailed { dispatch_error, .. }) => {
                failed(dispatch_error);
            }
            RuntimeEvent::Utility(pallet_utility::Event::ItemFailed { error }) => failed(error),
            _ => {}
        }
    }
}

/// The key that all values of a storage item begin with.
pub(crate) fn prefix(pallet: &str, item: &str) -> Vec<u8> {
    [twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat()
}
