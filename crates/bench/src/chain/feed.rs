//! Keeps a node's pool full of transactions that were signed ahead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{stream, StreamExt};
use tokio::{sync::Semaphore, task::JoinSet};
use zennet_chain_client::Chain;

/// Requests of one connection that wait for an answer at once.
const AT_ONCE: usize = 32;

/// How many transactions may wait in the pool. Less than the pool has room for: what it drops leaves
/// a gap in the nonces of its account.
pub(crate) const WINDOW: usize = 6000;

/// Transactions that are out, and what became of the others. Clones share it.
#[derive(Clone)]
pub(crate) struct Feed {
    room: Arc<Semaphore>,
    tally: Arc<Mutex<Tally>>,
}

/// What the node said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Transactions that the pool took.
    pub(crate) taken: u64,
    /// Reasons of refusals, and how often each was given.
    pub(crate) refused: BTreeMap<String, u64>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(WINDOW)), tally: Default::default() }
    }
}

impl Feed {
    /// Makes room for as many as a block took in.
    pub(crate) fn included(&self, count: usize) {
        self.room.add_permits(count);
    }

    /// Sends no more. What is on its way arrives.
    pub(crate) fn stop(&self) {
        self.room.close();
    }

    /// What the node has said so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends what each lane has, in its order, over a connection of its own, until nothing is left or
    /// it is stopped. Transactions of one account belong in one lane.
    pub(crate) async fn run(&self, chains: &[Chain], lanes: Vec<Vec<Vec<u8>>>) {
        let mut running = JoinSet::new();
        for (lane, chain) in lanes.into_iter().zip(chains.iter().cycle()) {
            let (feed, chain) = (self.clone(), chain.clone());
            running.spawn(async move { feed.run_lane(chain, lane).await });
        }
        while running.join_next().await.is_some() {}
    }

    async fn run_lane(&self, chain: Chain, lane: Vec<Vec<u8>>) {
        let chain = Arc::new(chain);
        stream::unfold((lane.into_iter(), self.room.clone()), |(mut lane, room)| async move {
            let transaction = lane.next()?;
            // The room of a transaction comes back with the block that has it.
            room.acquire().await.ok()?.forget();
            Some((transaction, (lane, room)))
        })
        .map(move |transaction| {
            let chain = chain.clone();
            async move { chain.submit_signed(&transaction).await }
        })
        .buffer_unordered(AT_ONCE)
        .for_each(|answer| async {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(()) => tally.taken += 1,
                Err(error) => {
                    *tally.refused.entry(error.to_string()).or_default() += 1;
                    self.room.add_permits(1);
                }
            }
        })
        .await;
    }
}
