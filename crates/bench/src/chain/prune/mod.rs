//! What announcements leave behind on a node that prunes, once they have expired.
//!
//! The whole state is read before the first announcement and after the last expiry, and compared key by
//! key. Files of the node's database do not shrink when something is removed: a copy of what they hold
//! tells what is left.

mod compare;

use std::{path::PathBuf, time::Duration};

use anyhow::{ensure, Context, Result};
use codec::Decode;
use parity_db::Options;
use serde_json::json;
use tokio::sync::watch;
use zennet_chain_client::Chain;
use zennet_primitives::Hash;
use zennet_runtime::Runtime;

use self::compare::compare;
use crate::{
    blocks::{prefix, Blocks, Seen},
    feed::{Feed, Tally},
    node::Node,
    population::{account, active, active_key, most_announcements},
    transactions::{Ground, Job, Order},
};

/// Lifetimes: from the shortest on, one block more for each, so that no block of expiry fills.
const SHORTEST: u64 = 180;
const SPREAD: u64 = 128;

/// Blocks that are watched before, for what a block costs while nothing happens.
const QUIET: usize = 15;

/// How long all announcements may take to be made, and to expire.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Connections that transactions go over.
const CONNECTIONS: usize = 4;

#[derive(clap::Args, Debug)]
pub(crate) struct Opts {
    /// The node
    #[arg(long)]
    node: String,
    /// Process of the node
    #[arg(long)]
    pid: u32,
    /// Port of the node's figures for Prometheus
    #[arg(long)]
    prometheus: u16,
    /// Accounts that announce, as in the genesis
    #[arg(long)]
    accounts: u64,
    /// Announcements
    #[arg(long)]
    count: u64,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Compact {
    /// Folder of a database that is not open
    from: PathBuf,
    /// Folder to make
    to: PathBuf,
}

pub(crate) async fn run(opts: Opts) -> Result<()> {
    let most = opts.accounts.saturating_mul(most_announcements());
    ensure!(opts.count <= most, "so many accounts may not announce more than {most}");
    let mut chains = Vec::new();
    for _ in 0..CONNECTIONS {
        chains.push(Chain::connect(&opts.node, None).await?);
    }
    let node = Node { pid: opts.pid, prometheus: opts.prometheus };
    let (feeds, feed) = watch::channel(Feed::default());
    let mut blocks = Blocks::follow(&chains[0], node, feed).await?;
    // One fee is paid before, so that whatever account fees go to exists.
    pay_a_fee(&chains[0]).await?;
    blocks.until("a transfer", PATIENCE, |seen| seen.iter().any(|block| block.signed > 0)).await?;
    let quiet = blocks.len();
    blocks.until("quiet blocks", PATIENCE, |seen| seen.len() > quiet + QUIET).await?;
    let baseline = chains[0].best().await?;
    let before = chains[0].entries(&[], baseline.hash).await?;
    let began = blocks.len();

    let mut run = Run { opts, chains, feeds, announced: 0, expired: 0, failed: 0, read: began };
    while run.announced < run.opts.count {
        let standing = run.announced;
        run.send(&mut blocks).await?;
        ensure!(run.announced > standing, "no announcement got into a block");
        eprintln!("   {} announcements made, {} refused", run.announced, run.failed);
    }
    let expiring = blocks.len();
    run.wait_for_expiry(&mut blocks).await?;
    let over = blocks.all();
    // The first block after the last expiry: its events are no longer those of an expiry.
    let last = over.last().context("there are blocks")?.head;
    let after = run.chains[0].entries(&[], last.hash).await?;
    let compared = compare(&before, &after)?;
    println!(
        "{}",
        json!({
            "announced": run.announced,
            "expired": run.expired,
            "first_block": baseline.number,
            "last_block": last.number,
            "quiet_worst_build_millis": worst(&over[quiet..began]),
            "announcing_worst_build_millis": worst(&over[began - 1..expiring]),
            "expiring_worst_build_millis": worst(&over[expiring - 1..]),
            "keys_before": before.len(),
            "keys_after": after.len(),
            "equal": compared.equal,
            "changed": compared.changed,
            "accounts_that_paid": compared.accounts_that_paid,
            "fees": compared.fees.to_string(),
        })
    );
    Ok(())
}

async fn pay_a_fee(chain: &Chain) -> Result<()> {
    let head = chain.best().await?;
    let keys = [active_key(0)];
    let nonce = nonce(chain, &keys[0], head.hash).await?;
    let ground = Ground { genesis: chain.genesis(), now: head.number, tip: 0 };
    let signed = ground.sign_all(&keys, &[(0, nonce, Job::Transfer(active(1)))]);
    Ok(chain.submit_signed(&signed[0]).await?)
}

struct Run {
    opts: Opts,
    chains: Vec<Chain>,
    feeds: watch::Sender<Feed>,
    announced: u64,
    expired: u64,
    failed: u64,
    /// Blocks whose events are counted.
    read: usize,
}

impl Run {
    /// Sends as many announcements as are missing, and counts those that got into blocks.
    async fn send(&mut self, blocks: &mut Blocks) -> Result<()> {
        let head = self.chains[0].best().await?;
        let lanes = self.lanes(head.hash, head.number).await?;
        let feed = Feed::default();
        self.feeds.send_replace(feed.clone());
        let first = blocks.len();
        let sending = feed.run(&self.chains, lanes);
        tokio::time::timeout(PATIENCE, sending).await.context("sending takes too long")?;
        let Tally { taken, refused } = feed.tally();
        ensure!(refused.is_empty(), "the pool refused transactions: {refused:?}");
        let all_in = |seen: &[Seen]| {
            seen[first..].iter().map(|block| block.signed as u64).sum::<u64>() >= taken
        };
        blocks.until("all announcements to be in blocks", PATIENCE, all_in).await?;
        self.count(blocks);
        Ok(())
    }

    async fn lanes(&self, at: Hash, now: u32) -> Result<Vec<Vec<Vec<u8>>>> {
        let missing = self.opts.count - self.announced;
        let tried = self.announced + self.failed;
        let keys: Vec<_> = (0..self.opts.accounts).map(active_key).collect();
        let mut nonces = Vec::new();
        for key in &keys {
            nonces.push(nonce(&self.chains[0], key, at).await?);
        }
        let orders: Vec<Order> = (tried..tried + missing)
            .map(|task| {
                let who = (task % self.opts.accounts) as usize;
                let job = Job::Announce { task, lifetime: (SHORTEST + task % SPREAD) as u32 };
                nonces[who] += 1;
                (who, nonces[who] - 1, job)
            })
            .collect();
        let whose: Vec<usize> = orders.iter().map(|(who, ..)| *who).collect();
        let ground = Ground { genesis: self.chains[0].genesis(), now, tip: 0 };
        let signed = tokio::task::spawn_blocking(move || ground.sign_all(&keys, &orders)).await?;
        let mut lanes = vec![Vec::new(); self.chains.len()];
        for (who, transaction) in whose.into_iter().zip(signed) {
            lanes[who % CONNECTIONS].push(transaction);
        }
        Ok(lanes)
    }

    /// Counts what the blocks did that came since the last time.
    fn count(&mut self, blocks: &Blocks) {
        let all = blocks.all();
        for block in &all[self.read..] {
            self.announced += block.deeds.announced;
            self.expired += block.deeds.expired;
            self.failed += block.deeds.failed.values().sum::<u64>();
        }
        self.read = all.len();
    }

    async fn wait_for_expiry(&mut self, blocks: &mut Blocks) -> Result<()> {
        while self.expired < self.announced {
            let known = blocks.len();
            blocks.until("announcements to expire", PATIENCE, |seen| seen.len() > known).await?;
            self.count(blocks);
        }
        let known = blocks.len();
        blocks.until("one more block", PATIENCE, |seen| seen.len() > known).await?;
        let head = blocks.all().last().context("there are blocks")?.head;
        let index = prefix("Announcements", "Announcements");
        let any = self.chains[0].any_below(&index, head.hash).await?;
        ensure!(!any, "an announcement stands though all have expired");
        Ok(())
    }
}

async fn nonce(chain: &Chain, key: &sp_core::sr25519::Pair, at: Hash) -> Result<u32> {
    let key = frame_system::Account::<Runtime>::hashed_key_for(account(key));
    let bytes = chain.bytes(&key, at).await?.context("an account is not in the genesis")?;
    // The nonce stands first.
    Ok(u32::decode(&mut &bytes[..])?)
}

/// The longest that a block took to build, milliseconds; the first one is only begun from.
fn worst(seen: &[Seen]) -> f64 {
    let built = seen.windows(2).map(|pair| pair[1].sample.since(&pair[0].sample).built_secs);
    (built.fold(0.0, f64::max) * 1e5).round() / 100.0
}

/// Writes all that a database holds into a new one.
pub(crate) fn compact(opts: &Compact) -> Result<()> {
    let held = Options::load_metadata(&opts.from)?.context("this is no database")?;
    let columns: Vec<u8> = (0..held.columns.len() as u8).collect();
    let mut options = Options::with_columns(&opts.to, held.columns.len() as u8);
    options.columns = held.columns;
    parity_db::migrate(&opts.from, options, false, &columns)?;
    Ok(())
}
