//! Follows the chain for all leases of a run together: one subscription to best heads, one to
//! finalized heads, and one reading of all watched channels a block, however many there are.
//!
//! ```text
//!  best heads ──┐                                        ┌─► view of channel 1 ─► its lease
//!  final heads ─┼─► follower: reads all channels at once ─┼─► view of channel 2 ─► its lease
//!  new watches ─┘                                        └─► …
//! ```
//!
//! A lease sees the newest view of its channel, so one that is slow holds up nobody. That a channel
//! is gone counts only at a finalized head: what was settled on one fork may stand on another.

use std::{future::Future, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use zennet_chain_client::{Chain, ChainError, Head, HeadStream, SettledEvent};
use zennet_primitives::{amount::Balance, channel::ChannelId, record::ChannelRecord, Hash};

use super::world::ChannelChange;

/// Pause before the node is asked again after an error.
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// Attempts to read the channels at one head; the next head makes up for it.
const ATTEMPTS: u32 = 3;

/// New watches and heads that may wait for the follower.
const QUEUE: usize = 64;

/// Blocks that are searched at most for the end of a channel that is gone.
const SEARCHED: u32 = 256;

/// Blocks after the opening of a channel that is not there and of which nothing is found: then it was
/// undone, or the node has dropped what settled it.
const LOST: u32 = 64;

/// A head that was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sighting {
    Best(Head),
    Final(Head),
}

/// Where channels are read.
pub(crate) trait ChannelSource: Clone + Send + Sync + 'static {
    /// Heads from now on, until the receiver is dropped.
    fn heads(&self) -> mpsc::Receiver<Sighting>;

    /// Channels as they stand at a block, in order.
    fn channels(
        &self,
        ids: &[ChannelId],
        at: Hash,
    ) -> impl Future<Output = Result<Vec<Option<ChannelRecord<u32>>>, ChainError>> + Send;

    /// What was settled in the blocks from `first` to `last`.
    fn settled(
        &self,
        first: u32,
        last: u32,
    ) -> impl Future<Output = Result<Vec<SettledEvent>, ChainError>> + Send;
}

/// What is known of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct View {
    /// The block that opened it is final.
    is_final: bool,
    paid: Balance,
    closing: bool,
    /// Its time is over: what is left can be refunded.
    expired: bool,
    /// What it paid in all, once it is gone for good.
    settled: Option<Balance>,
}

impl View {
    /// What happened between an earlier view and this one.
    pub(crate) fn changes_since(&self, before: &View) -> Vec<ChannelChange> {
        let mut changes = Vec::new();
        if self.is_final && !before.is_final {
            changes.push(ChannelChange::Final);
        }
        if self.paid > before.paid {
            changes.push(ChannelChange::Claimed);
        }
        if self.closing && !before.closing {
            changes.push(ChannelChange::Closing);
        }
        if let (Some(paid), None) = (self.settled, before.settled) {
            changes.push(ChannelChange::Settled { paid });
        }
        changes
    }

    /// Whether nothing more can happen.
    pub(crate) fn is_last(&self) -> bool {
        self.is_final && self.settled.is_some()
    }
}

struct Watched {
    channel: ChannelId,
    /// The block that opened it, or a later one at which it stood; 0 where none is known.
    opened: u32,
    /// The newest finalized block when it last stood; none where it was never seen.
    stood: Option<u32>,
    /// Whether it was missing at the newest head.
    missing: bool,
    view: watch::Sender<View>,
}

impl Watched {
    fn update(&self, change: impl FnOnce(&mut View)) {
        self.view.send_if_modified(|view| {
            let before = *view;
            change(view);
            *view != before
        });
    }

    /// The first block in which it may have been settled, where it is gone at the finalized block
    /// `head` and another one was final before.
    fn search_from(&self, before: u32, head: u32) -> u32 {
        let first = match (self.stood, self.opened) {
            (Some(stood), _) => stood.saturating_add(1),
            // It may be gone for long: only new blocks are looked at.
            (None, 0) => before.saturating_add(1),
            (None, opened) => opened,
        };
        first.clamp(head.saturating_sub(SEARCHED), head)
    }
}

/// Where channels are watched; clones share the follower, which ends with the last one and the last
/// watch.
#[derive(Clone)]
pub(crate) struct Watches {
    wishes: mpsc::Sender<Watched>,
}

impl Watches {
    /// Starts the follower, which asks the node for nothing while no channel is watched.
    pub(crate) fn start(source: impl ChannelSource) -> Self {
        let (wishes, wanted) = mpsc::channel(QUEUE);
        tokio::spawn(follow(source, wanted));
        Watches { wishes }
    }

    /// Watches a channel that a block opened, or that stood at it, until the view is dropped; none
    /// where the follower failed.
    pub(crate) async fn watch(
        &self,
        channel: ChannelId,
        opened: u32,
    ) -> Option<watch::Receiver<View>> {
        let (view, shown) = watch::channel(View::default());
        let wish = Watched { channel, opened, stood: None, missing: false, view };
        self.wishes.send(wish).await.ok()?;
        Some(shown)
    }
}

async fn follow(source: impl ChannelSource, mut wanted: mpsc::Receiver<Watched>) {
    while let Some(first) = wanted.recv().await {
        let mut watched = vec![first];
        let mut heads = source.heads();
        let mut last_final = 0;
        while !watched.is_empty() {
            // A head is looked at for all that wait to be watched by then.
            tokio::select! {
                biased;
                Some(wish) = wanted.recv() => {
                    wish.update(|view| view.is_final = last_final > 0 && wish.opened <= last_final);
                    watched.push(wish);
                }
                sighting = heads.recv() => match sighting {
                    Some(Sighting::Final(head)) => {
                        for lease in watched.iter().filter(|lease| lease.opened <= head.number) {
                            lease.update(|view| view.is_final = true);
                        }
                        look(|| find_settled(&source, &watched, last_final, head)).await;
                        last_final = head.number;
                    }
                    Some(Sighting::Best(head)) => {
                        if let Some(records) = look(|| read(&source, &watched, head)).await {
                            note(&mut watched, records, last_final, head.number);
                        }
                    }
                    None => heads = source.heads(),
                },
            }
            watched.retain(|lease| !lease.view.is_closed());
        }
    }
}

/// Asks the node, again after an error.
async fn look<T, F: Future<Output = Result<T, ChainError>>>(ask: impl Fn() -> F) -> Option<T> {
    for _ in 0..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) => tracing::warn!(%error, "cannot look at the chain, trying again"),
        }
        sleep(RETRY).await;
    }
    None
}

/// Every watched channel as it stands at a head.
async fn read(
    source: &impl ChannelSource,
    watched: &[Watched],
    head: Head,
) -> Result<Vec<Option<ChannelRecord<u32>>>, ChainError> {
    let ids: Vec<ChannelId> = watched.iter().map(|lease| lease.channel).collect();
    source.channels(&ids, head.hash).await
}

/// Shows what was read at the best head with the number `head`.
fn note(
    watched: &mut [Watched],
    records: Vec<Option<ChannelRecord<u32>>>,
    last_final: u32,
    head: u32,
) {
    for (lease, record) in watched.iter_mut().zip(records) {
        lease.missing = record.is_none();
        if let Some(record) = record {
            lease.stood = Some(last_final);
            lease.update(|view| {
                view.paid = record.paid;
                view.closing = record.closing_at.is_some();
                view.expired = head >= record.ends_at();
            });
        }
    }
}

/// Shows of the channels that are gone at a finalized head what they paid in all. Before a channel
/// was ever seen, it may be that it is not there yet.
async fn find_settled(
    source: &impl ChannelSource,
    watched: &[Watched],
    before: u32,
    head: Head,
) -> Result<(), ChainError> {
    let missing: Vec<&Watched> = watched.iter().filter(|lease| lease.missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let ids: Vec<ChannelId> = missing.iter().map(|lease| lease.channel).collect();
    let records = source.channels(&ids, head.hash).await?;
    let looked_at = missing.into_iter().zip(records);
    let gone: Vec<&Watched> =
        looked_at.filter(|(_, record)| record.is_none()).map(|(lease, _)| lease).collect();
    let Some(first) = gone.iter().map(|lease| lease.search_from(before, head.number)).min() else {
        return Ok(());
    };
    let settled = source.settled(first, head.number).await?;
    for lease in gone {
        let event = settled.iter().find(|event| event.channel == lease.channel);
        // The node may have dropped the block that settled it. That it stood counts only if what
        // opened it was final by then.
        let is_lost = head.number.saturating_sub(lease.opened) > LOST;
        let stood = || lease.stood.filter(|stood| *stood >= lease.opened || is_lost);
        let known = || stood().map(|_| lease.view.borrow().paid);
        if let Some(paid) = event.map(|event| event.paid).or_else(known) {
            lease.update(|view| view.settled = view.settled.or(Some(paid)));
        }
    }
    Ok(())
}

impl ChannelSource for Chain {
    fn heads(&self) -> mpsc::Receiver<Sighting> {
        let (sightings, seen) = mpsc::channel(QUEUE);
        tokio::spawn(pass_on(self.clone(), Sighting::Best, sightings.clone()));
        tokio::spawn(pass_on(self.clone(), Sighting::Final, sightings));
        seen
    }

    async fn channels(
        &self,
        ids: &[ChannelId],
        at: Hash,
    ) -> Result<Vec<Option<ChannelRecord<u32>>>, ChainError> {
        Chain::channels(self, ids, at).await
    }

    async fn settled(&self, first: u32, last: u32) -> Result<Vec<SettledEvent>, ChainError> {
        let found = self.settlements(first, last).await?;
        Ok(found.events.into_iter().map(|(_, event)| event).collect())
    }
}

/// Passes heads of one kind on until nobody listens.
async fn pass_on(chain: Chain, kind: fn(Head) -> Sighting, sightings: mpsc::Sender<Sighting>) {
    tokio::select! {
        () = sightings.closed() => {}
        () = async {
            loop {
                if let Err(error) = pass_on_once(&chain, kind, &sightings).await {
                    tracing::warn!(%error, "cannot follow the chain, trying again");
                }
                sleep(RETRY).await;
            }
        } => {}
    }
}

async fn pass_on_once(
    chain: &Chain,
    kind: fn(Head) -> Sighting,
    sightings: &mpsc::Sender<Sighting>,
) -> Result<(), ChainError> {
    let (mut heads, now): (HeadStream, Head) = match kind(Head { number: 0, hash: Hash::zero() }) {
        Sighting::Best(_) => (chain.follow_best().await?, chain.best().await?),
        // The block may be final before the stream begins.
        Sighting::Final(_) => (chain.follow_finalized().await?, chain.finalized().await?),
    };
    let mut next = Some(Ok(now));
    while let Some(head) = next {
        if sightings.send(kind(head?)).await.is_err() {
            return Ok(());
        }
        next = heads.next().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    };

    use zennet_primitives::{AccountId, SessionKey};

    use super::*;

    /// A chain of which every block is told by hand.
    #[derive(Clone, Default)]
    struct Node(Arc<Mutex<NodeState>>);

    #[derive(Default)]
    struct NodeState {
        heads: Option<mpsc::Receiver<Sighting>>,
        open: HashMap<ChannelId, ChannelRecord<u32>>,
        /// With their blocks.
        settled: Vec<(u32, SettledEvent)>,
        readings: usize,
        failures: u32,
    }

    impl Node {
        fn new() -> (Node, mpsc::Sender<Sighting>) {
            let (told, heads) = mpsc::channel(QUEUE);
            let node = Node::default();
            node.0.lock().unwrap().heads = Some(heads);
            (node, told)
        }

        fn open(&self, id: ChannelId, paid: Balance) {
            self.0.lock().unwrap().open.insert(id, record(paid));
        }

        fn settle(&self, id: ChannelId, block: u32, paid: Balance) {
            let account = || AccountId::new([1; 32]);
            let (publisher, provider) = (account(), account());
            let (refunded, contract) = (0, Hash::zero());
            let event = SettledEvent { channel: id, publisher, provider, paid, refunded, contract };
            let mut state = self.0.lock().unwrap();
            state.open.remove(&id);
            state.settled.push((block, event));
        }
    }

    fn record(paid: Balance) -> ChannelRecord<u32> {
        ChannelRecord {
            publisher: AccountId::new([1; 32]),
            provider: AccountId::new([2; 32]),
            contract: Hash::zero(),
            session_key: SessionKey::from_raw([3; 32]),
            deposit: 100,
            paid,
            record_deposit: 1,
            expires_at: 1000,
            challenge: 20,
            closing_at: None,
            app: None,
        }
    }

    impl ChannelSource for Node {
        fn heads(&self) -> mpsc::Receiver<Sighting> {
            self.0.lock().unwrap().heads.take().expect("followed once")
        }

        async fn channels(
            &self,
            ids: &[ChannelId],
            _: Hash,
        ) -> Result<Vec<Option<ChannelRecord<u32>>>, ChainError> {
            let mut state = self.0.lock().unwrap();
            if state.failures > 0 {
                state.failures -= 1;
                return Err(ChainError::Decode("a failure on purpose"));
            }
            state.readings += 1;
            Ok(ids.iter().map(|id| state.open.get(id).cloned()).collect())
        }

        async fn settled(&self, first: u32, last: u32) -> Result<Vec<SettledEvent>, ChainError> {
            let state = self.0.lock().unwrap();
            let within = state.settled.iter().filter(|(block, _)| (first..=last).contains(block));
            Ok(within.map(|(_, event)| event.clone()).collect())
        }
    }

    fn head(number: u32) -> Head {
        Head { number, hash: Hash::repeat_byte(number as u8) }
    }

    fn best(number: u32) -> Sighting {
        Sighting::Best(head(number))
    }

    fn is_final(number: u32) -> Sighting {
        Sighting::Final(head(number))
    }

    fn id(n: u16) -> ChannelId {
        Hash::from_low_u64_be(n.into())
    }

    async fn until(view: &mut watch::Receiver<View>, wanted: impl Fn(&View) -> bool) -> View {
        let seen = tokio::time::timeout(Duration::from_secs(20), view.wait_for(wanted)).await;
        *seen.expect("the view comes").unwrap()
    }

    #[tokio::test]
    async fn a_thousand_channels_are_read_at_once_in_each_block() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        let mut views = Vec::new();
        for n in 0..1000 {
            node.open(id(n), 0);
            views.push(watches.watch(id(n), 5).await.unwrap());
        }
        node.open(id(999), 7);
        told.send(is_final(5)).await.unwrap();
        told.send(best(6)).await.unwrap();
        told.send(best(7)).await.unwrap();
        until(&mut views[999], |view| view.paid == 7).await;
        for view in &mut views {
            until(view, |view| view.is_final).await;
        }
        node.settle(id(3), 8, 9);
        told.send(best(8)).await.unwrap();
        told.send(is_final(8)).await.unwrap();
        until(&mut views[3], View::is_last).await;
        assert!(node.0.lock().unwrap().readings <= 4);
    }

    #[tokio::test]
    async fn a_channel_whose_time_is_over_is_shown_so() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        node.open(id(1), 3);
        let mut view = watches.watch(id(1), 5).await.unwrap();
        told.send(best(999)).await.unwrap();
        assert!(!until(&mut view, |view| view.paid == 3).await.expired);
        told.send(best(1000)).await.unwrap();
        until(&mut view, |view| view.expired).await;
    }

    #[tokio::test]
    async fn what_a_channel_paid_is_found_also_in_a_block_that_was_missed() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        node.open(id(1), 0);
        let mut seen = watches.watch(id(1), 5).await.unwrap();
        let mut never_seen = watches.watch(id(2), 5).await.unwrap();
        told.send(best(5)).await.unwrap();
        node.open(id(1), 1);
        told.send(best(6)).await.unwrap();
        until(&mut seen, |view| view.paid == 1).await;
        node.settle(id(1), 8, 40);
        node.settle(id(2), 7, 50);
        told.send(best(9)).await.unwrap();
        told.send(is_final(9)).await.unwrap();
        assert_eq!(until(&mut seen, |view| view.settled.is_some()).await.settled, Some(40));
        assert_eq!(until(&mut never_seen, |view| view.settled.is_some()).await.settled, Some(50));
    }

    #[tokio::test]
    async fn a_channel_that_is_not_there_yet_is_not_taken_for_settled() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        let mut view = watches.watch(id(1), 5).await.unwrap();
        told.send(best(4)).await.unwrap();
        node.open(id(1), 3);
        told.send(best(5)).await.unwrap();
        assert_eq!(until(&mut view, |view| view.paid == 3).await.settled, None);
    }

    #[tokio::test]
    async fn a_settlement_counts_when_it_is_final() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        node.open(id(1), 3);
        let mut view = watches.watch(id(1), 5).await.unwrap();
        told.send(best(6)).await.unwrap();
        told.send(is_final(6)).await.unwrap();
        until(&mut view, |view| view.is_final && view.paid == 3).await;
        // It is settled on a fork that does not last.
        node.settle(id(1), 7, 40);
        told.send(best(7)).await.unwrap();
        node.0.lock().unwrap().settled.clear();
        told.send(best(7)).await.unwrap();
        node.open(id(1), 4);
        told.send(best(8)).await.unwrap();
        told.send(is_final(7)).await.unwrap();
        assert_eq!(until(&mut view, |view| view.paid == 4).await.settled, None);
        node.settle(id(1), 9, 50);
        told.send(best(9)).await.unwrap();
        told.send(is_final(9)).await.unwrap();
        assert_eq!(until(&mut view, |view| view.settled.is_some()).await.settled, Some(50));
    }

    #[tokio::test]
    async fn a_channel_whose_opening_was_undone_is_not_taken_for_settled() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        node.open(id(1), 0);
        node.open(id(2), 1);
        let mut undone = watches.watch(id(1), 6).await.unwrap();
        let mut other = watches.watch(id(2), 4).await.unwrap();
        told.send(is_final(5)).await.unwrap();
        told.send(best(6)).await.unwrap();
        until(&mut other, |view| view.paid == 1).await;
        node.0.lock().unwrap().open.remove(&id(1));
        node.settle(id(2), 7, 2);
        told.send(best(7)).await.unwrap();
        told.send(is_final(7)).await.unwrap();
        until(&mut other, |view| view.settled.is_some()).await;
        assert_eq!(undone.borrow_and_update().settled, None);
    }

    #[tokio::test]
    async fn a_head_at_which_the_node_failed_is_looked_at_again() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        node.open(id(1), 3);
        node.0.lock().unwrap().failures = 1;
        let mut view = watches.watch(id(1), 5).await.unwrap();
        told.send(best(6)).await.unwrap();
        until(&mut view, |view| view.paid == 3).await;
    }

    #[tokio::test]
    async fn when_nobody_watches_any_more_the_node_is_left_alone() {
        let (node, told) = Node::new();
        let watches = Watches::start(node.clone());
        node.open(id(1), 3);
        let mut view = watches.watch(id(1), 5).await.unwrap();
        told.send(best(6)).await.unwrap();
        until(&mut view, |view| view.paid == 3).await;
        drop(view);
        told.send(best(7)).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), told.closed()).await.unwrap();
    }

    #[test]
    fn a_view_tells_each_change_once() {
        let before = View { paid: 1, ..View::default() };
        let (is_final, expired) = (true, true);
        let now = View { is_final, paid: 2, closing: true, expired, settled: Some(2) };
        let changes = [
            ChannelChange::Final,
            ChannelChange::Claimed,
            ChannelChange::Closing,
            ChannelChange::Settled { paid: 2 },
        ];
        assert_eq!(now.changes_since(&before), changes);
        assert!(now.changes_since(&now).is_empty());
    }
}
