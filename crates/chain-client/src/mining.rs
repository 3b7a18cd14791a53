//! Proof of work: searches on threads of their own, and identities that are mined and registered.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    time::{interval, sleep, sleep_until},
};
use zennet_primitives::{
    pow::{expected, identity_work, mine, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

use crate::{Chain, ChainError, Head};

/// Nonces that a thread tries between two looks at whether to stop.
const STRIDE: u64 = 1 << 12;

/// Time between two reports of progress.
const REPORT: Duration = Duration::from_millis(100);

/// How often an identity is mined anew because its anchor became too old.
const ANCHORS: usize = 200;

/// How often a mined identity is given to the chain; a block takes a few of them.
const REGISTRATIONS: usize = 5;

/// Pause before an identity is mined anew that the chain did not take.
const PAUSE: Duration = Duration::from_secs(2);

/// How a search goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MiningProgress {
    /// Expected number of hashes.
    pub difficulty: Difficulty,
    /// Hashes that were tried.
    pub hashes: u64,
    /// Time that they took.
    pub took: Duration,
}

impl MiningProgress {
    /// Speed of the search; zero as long as it is not known.
    pub fn hashes_per_sec(&self) -> u64 {
        let nanos = u128::from(self.hashes).saturating_mul(1_000_000_000);
        let speed = nanos.checked_div(self.took.as_nanos()).unwrap_or_default();
        u64::try_from(speed).unwrap_or(u64::MAX)
    }

    /// The time that is expected from now on, once the speed is known. It does not fall with what has
    /// been done.
    pub fn expected(&self) -> Option<Duration> {
        expected(self.difficulty, self.hashes, self.took)
    }

    /// Adds what was done before with other work.
    fn after(self, hashes: u64, took: Duration) -> Self {
        let hashes = self.hashes.saturating_add(hashes);
        Self { hashes, took: self.took.saturating_add(took), ..self }
    }
}

/// A registered identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Block of the registration.
    pub block: u32,
    /// Difficulty that it met.
    pub difficulty: Difficulty,
    /// Time that mining and registering took; nothing where it had been registered before.
    pub took: Option<Duration>,
}

/// Threads that mine; dropping it stops them.
struct Miners {
    stop: Arc<AtomicBool>,
    hashes: Arc<AtomicU64>,
    found: mpsc::Receiver<PowNonce>,
}

impl Drop for Miners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Miners {
    fn start<W>(work: W, difficulty: Difficulty, threads: usize) -> Self
    where
        W: Fn(PowNonce) -> Hash + Clone + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let hashes = Arc::new(AtomicU64::new(0));
        let (tell, found) = mpsc::channel(1);
        let threads = threads.max(1) as u64;
        for place in 0..threads {
            let (work, tell) = (work.clone(), tell.clone());
            let (stop, hashes) = (stop.clone(), hashes.clone());
            thread::spawn(move || {
                let mut start = u64::MAX / threads * place;
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
        Miners { stop, hashes, found }
    }
}

/// Threads that mine on all cores.
pub fn all_cores() -> usize {
    const MOST: usize = 64;
    thread::available_parallelism().map_or(1, usize::from).min(MOST)
}

/// Searches for a nonce whose work meets a difficulty, at most until `deadline`. It says again and again
/// how it goes; dropping it ends it.
pub async fn search<W>(
    work: W,
    difficulty: Difficulty,
    threads: usize,
    deadline: Option<Instant>,
    mut progress: impl FnMut(MiningProgress),
) -> Option<PowNonce>
where
    W: Fn(PowNonce) -> Hash + Clone + Send + 'static,
{
    let began = Instant::now();
    let mut miners = Miners::start(work, difficulty, threads);
    let mut reports = interval(REPORT);
    let over = async {
        match deadline {
            Some(at) => sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            nonce = miners.found.recv() => return nonce,
            _ = reports.tick() => {
                let hashes = miners.hashes.load(Ordering::Relaxed);
                progress(MiningProgress { difficulty, hashes, took: began.elapsed() });
            }
            () = &mut over => return None,
        }
    }
}

impl Chain {
    /// The account's identity in a role, if it is registered.
    pub async fn registered(
        &self,
        role: Role,
        account: &AccountId,
    ) -> Result<Option<Registered>, ChainError> {
        let record = self.identity(role, account, self.best().await?.hash).await?;
        Ok(record.map(|record| Registered {
            block: record.registered_at,
            difficulty: record.difficulty,
            took: None,
        }))
    }

    /// Mines and registers an identity, unless it is registered already; says again and again how the
    /// search goes.
    pub async fn ensure_identity(
        &self,
        role: Role,
        account: &AccountId,
        threads: usize,
        mut progress: impl FnMut(MiningProgress),
    ) -> Result<Registered, ChainError> {
        if let Some(found) = self.registered(role, account).await? {
            return Ok(found);
        }
        let began = Instant::now();
        let (mut refusals, mut hashes, mut mined) = (0, 0, Duration::ZERO);
        for _ in 0..ANCHORS {
            let best = self.best().await?;
            let anchor = self.anchor(best).await?;
            let difficulty = self.difficulty(role, best.hash).await?;
            let owner = account.clone();
            let work = move |nonce| identity_work(role, &owner, anchor.hash, nonce);
            let deadline = Some(Instant::now() + self.patience());
            let mut last = (hashes, mined);
            let told = |now: MiningProgress| {
                let all = now.after(hashes, mined);
                last = (all.hashes, all.took);
                progress(all);
            };
            let found = search(work, difficulty, threads, deadline, told).await;
            (hashes, mined) = last;
            let Some(nonce) = found else { continue };
            match self.register_identity(role, account, anchor.number, nonce).await {
                Ok(included) => {
                    let (block, took) = (included.block.number, Some(began.elapsed()));
                    return Ok(Registered { block, difficulty, took });
                }
                Err(error) => {
                    if let Some(found) = self.registered(role, account).await? {
                        return Ok(found);
                    }
                    // The difficulty may have risen on the way, or the anchor become too old.
                    refusals += 1;
                    if refusals == REGISTRATIONS || !error.is_not_taken() {
                        return Err(error);
                    }
                    tracing::warn!(%error, "the identity was not taken, mining again");
                    sleep(PAUSE).await;
                }
            }
        }
        Err(ChainError::NotMined { anchors: ANCHORS })
    }

    /// The block that an identity is mined for. A final one cannot be reorganised away; where finality
    /// lags, the best one is.
    async fn anchor(&self, best: Head) -> Result<Head, ChainError> {
        let last = self.finalized().await?;
        let lag = best.number.saturating_sub(last.number);
        Ok(if lag < self.constants().anchor_window / 4 { last } else { best })
    }

    /// How long an identity is mined for one anchor: half of its window is left for getting into a block.
    fn patience(&self) -> Duration {
        let constants = self.constants();
        let window = u64::from(constants.anchor_window).saturating_mul(constants.block_ms);
        Duration::from_millis((window / 2).max(1))
    }
}

#[cfg(test)]
mod tests {
    use zennet_primitives::pow::{meets, stamp_work};

    use super::*;

    #[tokio::test]
    async fn what_is_found_meets_the_difficulty() {
        let message = Hash::repeat_byte(5);
        for threads in [0, 1, 3] {
            let work = move |nonce| stamp_work(message, nonce);
            let nonce = search(work, 5000, threads, None, |_| ()).await.unwrap();
            assert!(meets(stamp_work(message, nonce), 5000));
        }
    }

    #[tokio::test]
    async fn a_search_without_hope_says_how_it_goes_and_ends_at_its_deadline() {
        let mut seen = Vec::new();
        let deadline = Instant::now() + 3 * REPORT;
        let work = |nonce| stamp_work(Hash::zero(), nonce);
        let found = search(work, u64::MAX, 1, Some(deadline), |now| seen.push(now)).await;
        assert_eq!(found, None);
        assert!(Instant::now() >= deadline);
        let last = seen.last().expect("it said how it goes");
        assert_eq!(last.difficulty, u64::MAX);
        assert!(seen.is_sorted_by_key(|now| (now.hashes, now.took)), "{seen:?}");
    }

    #[tokio::test]
    async fn one_that_is_dropped_leaves_no_threads() {
        let alive = Arc::new(());
        let work = {
            let alive = alive.clone();
            move |nonce| {
                let _alive = &alive;
                stamp_work(Hash::zero(), nonce)
            }
        };
        let searching = search(work, u64::MAX, 2, None, |_| ());
        assert!(tokio::time::timeout(REPORT, searching).await.is_err());
        // A thread ends after its stride, and what it works with goes with it.
        let deadline = Instant::now() + Duration::from_secs(60);
        while Arc::strong_count(&alive) > 1 && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn progress_adds_up_over_anchors() {
        let took = Duration::from_secs;
        let now = MiningProgress { difficulty: 6_000, hashes: 100, took: took(1) };
        let all = now.after(300, took(1));
        assert_eq!((all.hashes, all.took, all.difficulty), (400, took(2), 6_000));
        assert_eq!((all.hashes_per_sec(), all.expected()), (200, Some(took(30))));
        let none = MiningProgress { hashes: 0, took: took(0), ..now };
        assert_eq!((none.hashes_per_sec(), none.expected()), (0, None));
    }
}
