//! Proof of work: identities and stamps, on all cores, with progress.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail, Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use zennet_chain_client::Chain;
use zennet_primitives::{
    pow::{identity_work, mine, stamp_work, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

/// Nonces that a thread tries between two looks at whether to stop.
const STRIDE: u64 = 1 << 12;

/// Cores that mine at most.
const THREADS: usize = 64;

/// How often an identity is mined anew because its anchor became too old.
const ANCHORS: usize = 200;

/// Searches that go on in the background; dropping it stops them.
struct Search {
    stop: Arc<AtomicBool>,
    hashes: Arc<AtomicU64>,
    found: mpsc::Receiver<PowNonce>,
}

impl Drop for Search {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Search {
    fn start<W>(work: W, difficulty: Difficulty) -> Self
    where
        W: Fn(PowNonce) -> Hash + Clone + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let hashes = Arc::new(AtomicU64::new(0));
        let (tell, found) = mpsc::channel(1);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        for place in 0..threads as u64 {
            let (work, tell) = (work.clone(), tell.clone());
            let (stop, hashes) = (stop.clone(), hashes.clone());
            thread::spawn(move || {
                let mut start = u64::MAX / threads as u64 * place;
                while !stop.load(Ordering::Relaxed) {
                    if let Some(nonce) = mine(&work, difficulty, start, STRIDE) {
                        // Another thread may have been first.
                        let _ = tell.try_send(nonce);
                        return;
                    }
                    hashes.fetch_add(STRIDE, Ordering::Relaxed);
                    start = start.wrapping_add(STRIDE);
                }
            });
        }
        Search { stop, hashes, found }
    }

    /// Waits for a nonce, at most until `deadline`; shows progress meanwhile.
    async fn wait(&mut self, deadline: Option<Instant>, bar: &ProgressBar) -> Option<PowNonce> {
        loop {
            tokio::select! {
                nonce = self.found.recv() => return nonce,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    bar.set_position(self.hashes.load(Ordering::Relaxed));
                    if deadline.is_some_and(|at| Instant::now() >= at) {
                        return None;
                    }
                }
            }
        }
    }
}

fn bar(what: &str, difficulty: Difficulty) -> ProgressBar {
    let bar = ProgressBar::new(difficulty);
    let style = "{msg} [{bar:30}] {human_pos} of about {human_len} hashes, {per_sec}, {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// Mines the stamp of a message.
pub(crate) async fn stamp(message: Hash, difficulty: Difficulty) -> Result<PowNonce> {
    let bar = bar("mining the stamp", difficulty);
    let mut search = Search::start(move |nonce| stamp_work(message, nonce), difficulty);
    let nonce = search.wait(None, &bar).await;
    bar.finish_and_clear();
    nonce.ok_or_else(|| anyhow!("the search for a stamp ended without one"))
}

/// A registered identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registered {
    /// Block of the registration.
    pub(crate) block: u32,
    /// Difficulty that it met.
    pub(crate) difficulty: Difficulty,
    /// Time that mining and registering took; nothing where it had been registered before.
    pub(crate) took: Option<Duration>,
}

/// The account's identity on chain, if it has one.
pub(crate) async fn registered(
    chain: &Chain,
    role: Role,
    account: &AccountId,
) -> Result<Option<Registered>> {
    let at = chain.best().await?.hash;
    let record = chain.identity(role, account, at).await?;
    Ok(record.map(|r| Registered { block: r.registered_at, difficulty: r.difficulty, took: None }))
}

/// Mines and registers an identity, unless it is registered already.
pub(crate) async fn ensure_identity(
    chain: &Chain,
    role: Role,
    account: &AccountId,
) -> Result<Registered> {
    if let Some(found) = registered(chain, role, account).await? {
        return Ok(found);
    }
    let start = Instant::now();
    let constants = *chain.constants();
    // Half of the window is for mining, the rest for getting into a block.
    let patience = u64::from(constants.anchor_window).saturating_mul(constants.block_ms) / 2;
    let patience = Duration::from_millis(patience.max(1));
    for _ in 0..ANCHORS {
        // A final anchor cannot be reorganised away; where finality lags, the newest block is.
        let (best, last) = (chain.best().await?, chain.finalized().await?);
        let lag = best.number.saturating_sub(last.number);
        let anchor = if lag < constants.anchor_window / 4 { last } else { best };
        let difficulty = chain.difficulty(role, best.hash).await?;
        let bar = bar("mining the identity", difficulty);
        let owner = account.clone();
        let mut search =
            Search::start(move |nonce| identity_work(role, &owner, anchor.hash, nonce), difficulty);
        let nonce = search.wait(Some(Instant::now() + patience), &bar).await;
        drop(search);
        bar.finish_and_clear();
        let Some(nonce) = nonce else { continue };
        let included = chain.register_identity(role, account, anchor.number, nonce).await;
        match included {
            Ok(included) => {
                let took = Some(start.elapsed());
                return Ok(Registered { block: included.block.number, difficulty, took });
            }
            // The difficulty may have changed, or the anchor become too old, on the way.
            Err(error) => {
                if let Some(found) = registered(chain, role, account).await? {
                    return Ok(found);
                }
                let now = chain.difficulty(role, chain.best().await?.hash).await?;
                if now == difficulty {
                    return Err(error).context("cannot register the mined identity");
                }
            }
        }
    }
    bail!(
        "no identity was mined over {ANCHORS} anchors: this machine is too slow for the chain's \
         present difficulty; try again later"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::pow::meets;

    #[tokio::test]
    async fn a_found_stamp_meets_the_difficulty() {
        let message = Hash::repeat_byte(5);
        let nonce = stamp(message, 5000).await.unwrap();
        assert!(meets(stamp_work(message, nonce), 5000));
    }

    #[tokio::test]
    async fn a_search_without_hope_ends_at_its_deadline() {
        let mut search = Search::start(|nonce| stamp_work(Hash::zero(), nonce), u64::MAX);
        let hidden = ProgressBar::hidden();
        assert_eq!(search.wait(Some(Instant::now()), &hidden).await, None);
        assert!(search.hashes.load(Ordering::Relaxed) > 0 || hidden.position() == 0);
    }
}
