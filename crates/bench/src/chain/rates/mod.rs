//! Transactions a second on a real chain, kind by kind, with what they cost the node.
//!
//! Accounts with coin and identities, and what stands on the chain, are those that `genesis` put
//! into its first block. Transactions are signed before the time that is measured, and given to the
//! node's pool over several connections, as fast as blocks take them in. What counts are the events of
//! blocks. Prints one JSON object.

mod plan;
mod report;

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use tokio::sync::watch;
use zennet_chain_client::Chain;
use zennet_primitives::amount::Balance;

use self::{
    plan::{Kind, Plan},
    report::Phase,
};
use crate::{
    blocks::{Blocks, Seen},
    feed::Feed,
    node::Node,
};

/// Blocks at the begin of a phase that are not measured: they come while the pool fills.
const WARM_UP: usize = 2;

/// How long blocks may take to take in what is left in the pool.
const DRAIN: Duration = Duration::from_secs(90);

/// Transactions a second that are signed ahead for the first kind of transaction.
const FIRST_GUESS: f64 = 2500.0;

/// Of the highest rate so far, for the kinds that follow.
const MARGIN: f64 = 1.2;

#[derive(clap::Args, Debug)]
pub(crate) struct Opts {
    /// Nodes that take transactions, such as ws://127.0.0.1:9944; the first is watched
    #[arg(long, required = true, value_delimiter = ',')]
    node: Vec<String>,
    /// Process of the first node
    #[arg(long)]
    pid: u32,
    /// Port of the first node's figures for Prometheus
    #[arg(long)]
    prometheus: u16,
    /// Accounts that send transactions, as in the genesis
    #[arg(long)]
    accounts: u64,
    /// Channels that stand from the first block on, as in the genesis
    #[arg(long, default_value_t = 0)]
    standing: u64,
    /// Owners of what stands, as in the genesis
    #[arg(long, default_value_t = 0)]
    owners: u64,
    /// Kinds of transactions, in this order; a close needs channels of the kinds before it
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    kinds: Vec<Kind>,
    /// How long each kind is measured, seconds
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// Sends so many transactions of each kind and measures until all are in blocks
    #[arg(long, conflicts_with = "secs")]
    count: Option<usize>,
    /// What each transaction tips, in the smallest coin unit
    #[arg(long, default_value_t = 0)]
    tip: Balance,
    /// Connections that transactions go over
    #[arg(long, default_value_t = 4)]
    connections: usize,
}

pub(crate) async fn run(opts: Opts) -> Result<()> {
    let mut chains = Vec::new();
    for url in opts.node.iter().cycle().take(opts.connections.max(opts.node.len())) {
        chains.push(Chain::connect(url, None).await?);
    }
    let node = Node { pid: opts.pid, prometheus: opts.prometheus };
    let (feeds, feed) = watch::channel(Feed::default());
    let mut bench = Bench {
        blocks: Blocks::follow(&chains[0], node, feed).await?,
        plan: Plan::new(&chains[0], opts.accounts, opts.standing, opts.owners, opts.tip),
        chains,
        feeds,
        best_rate: 0.0,
    };
    let mut phases = Vec::new();
    for kind in &opts.kinds {
        let phase = bench.phase(*kind, &opts).await?;
        eprintln!("   {}", phase.line());
        phases.push(phase);
    }
    println!("{}", report::summary(&phases, node.peak_rss_mib()?));
    Ok(())
}

/// Transactions with a signature, from one block on.
fn signed(seen: &[Seen], first: usize) -> u64 {
    seen[first..].iter().map(|block| block.signed as u64).sum()
}

struct Bench {
    chains: Vec<Chain>,
    blocks: Blocks,
    plan: Plan,
    feeds: watch::Sender<Feed>,
    /// Transactions a second of the fastest kind so far.
    best_rate: f64,
}

impl Bench {
    async fn phase(&mut self, kind: Kind, opts: &Opts) -> Result<Phase> {
        let count = opts.count.unwrap_or_else(|| self.expected(kind, opts.secs));
        let lanes = self.plan.lanes(&self.chains[0], kind, count, self.chains.len()).await?;
        ensure!(lanes.iter().any(|lane| !lane.is_empty()), "{kind:?} has nothing to work on");
        let feed = Feed::default();
        self.feeds.send_replace(feed.clone());
        let first = self.blocks.len();
        let running = tokio::spawn({
            let (feed, chains) = (feed.clone(), self.chains.clone());
            async move { feed.run(&chains, lanes).await }
        });
        if opts.count.is_none() {
            let time = Duration::from_secs(opts.secs);
            let over = |seen: &[Seen]| {
                let warm = seen[first..].iter().filter(|block| block.signed > 0).nth(WARM_UP);
                let all_in = running.is_finished() && signed(seen, first) >= feed.tally().taken;
                all_in || warm.is_some_and(|block| block.at.elapsed() > time)
            };
            self.blocks.until("the time to be over", time + DRAIN, over).await?;
            feed.stop();
        }
        running.await?;
        let stopped = Instant::now();
        let taken = feed.tally().taken;
        let all_in = |seen: &[Seen]| {
            let last = seen.last();
            let idle = last.is_some_and(|block| block.signed == 0 && block.at > stopped);
            (signed(seen, first) >= taken || idle)
                && last.is_some_and(|block| block.final_at.is_some())
        };
        self.blocks.until("all transactions to be final", DRAIN, all_in).await?;
        let phase = self.measure(kind, first, stopped, &feed, opts)?;
        self.best_rate = self.best_rate.max(phase.transactions_per_sec());
        Ok(phase)
    }

    /// How many transactions of a kind are signed ahead.
    fn expected(&self, kind: Kind, secs: u64) -> usize {
        let rate = if self.best_rate > 0.0 { self.best_rate * MARGIN } else { FIRST_GUESS };
        let warm_up = 3 * (WARM_UP as u64 + 1);
        ((secs + warm_up) as f64 * rate / kind.calls() as f64) as usize
    }

    /// Reads what the blocks of a phase did.
    fn measure(
        &mut self,
        kind: Kind,
        first: usize,
        stopped: Instant,
        feed: &Feed,
        opts: &Opts,
    ) -> Result<Phase> {
        let all = self.blocks.all();
        let mut phase = Phase::new(kind, feed.tally());
        let mut full = 0;
        for at in first.max(1)..all.len() {
            self.plan.note(&all[at].deeds);
            full += usize::from(all[at].signed > 0);
            let measured = match opts.count {
                Some(_) => all[at].signed > 0,
                None => full > WARM_UP && all[at].at <= stopped,
            };
            if measured {
                phase.add(&all[at - 1], &all[at]);
            }
        }
        ensure!(phase.blocks() > 0, "{kind:?}: no block was measured; was the time long enough?");
        Ok(phase)
    }
}
