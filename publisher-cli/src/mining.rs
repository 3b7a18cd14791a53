//! Proof of work: identities and stamps, on all cores, with the time that is expected.

use std::{
    fmt::Write,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail, Context, Result};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::sync::mpsc;
use zennet_chain_client::Chain;
use zennet_primitives::{
    pow::{expected, identity_work, mine, stamp_work, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

use crate::{
    events::{Event, Work},
    teller::Teller,
};

/// Nonces that a thread tries between two looks at whether to stop.
const STRIDE: u64 = 1 << 12;

/// Cores that mine at most.
const THREADS: usize = 64;

/// Time after which a search says how long it is expected to take: then its speed is known.
const MEASURED: Duration = Duration::from_secs(1);

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

    /// Waits for a nonce, at most until `deadline`; shows how it goes meanwhile.
    async fn wait(
        &mut self,
        deadline: Option<Instant>,
        mut progress: Progress<'_>,
    ) -> Option<PowNonce> {
        loop {
            tokio::select! {
                nonce = self.found.recv() => return nonce,
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    progress.show(self.hashes.load(Ordering::Relaxed));
                    if deadline.is_some_and(|at| Instant::now() >= at) {
                        return None;
                    }
                }
            }
        }
    }
}

/// Shows how a search goes: all the time on a terminal, and once as an event.
struct Progress<'a> {
    work: Work,
    difficulty: Difficulty,
    bar: ProgressBar,
    /// Who tells the event, once.
    teller: Option<&'a Teller>,
}

impl<'a> Progress<'a> {
    fn new(work: Work, difficulty: Difficulty, teller: Option<&'a Teller>) -> Self {
        let bar = ProgressBar::new(difficulty);
        let style = "mining the {msg}: {human_pos} hashes in {elapsed}, {per_sec}, {left}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.with_key(
                "left",
                move |state: &ProgressState, out: &mut dyn Write| {
                    let _ = out.write_str(&left(difficulty, state.pos(), state.elapsed()));
                },
            ));
        }
        bar.set_message(work.name());
        Progress { work, difficulty, bar, teller }
    }

    fn show(&mut self, hashes: u64) {
        self.bar.set_position(hashes);
        let took = self.bar.elapsed();
        let Some(more) = expected(self.difficulty, hashes, took).filter(|_| took >= MEASURED)
        else {
            return;
        };
        if let Some(teller) = self.teller.take() {
            let event = Event::Mining {
                work: self.work,
                difficulty: self.difficulty,
                hashes_per_sec: (hashes as f64 / took.as_secs_f64()) as u64,
                expected_secs: (more.as_secs_f64() * 10.0).round() / 10.0,
                secs: teller.secs(),
            };
            self.bar.suspend(|| teller.tell(&event));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The time that is still expected. It does not fall with what has been done.
fn left(difficulty: Difficulty, hashes: u64, took: Duration) -> String {
    match expected(difficulty, hashes, took) {
        Some(more) => format!("about {} more expected", zennet_time::length(more.as_secs())),
        None => "measuring the speed".to_owned(),
    }
}

/// Mines the stamp of a message.
pub(crate) async fn stamp(
    message: Hash,
    difficulty: Difficulty,
    teller: Option<&Teller>,
) -> Result<PowNonce> {
    let progress = Progress::new(Work::Stamp, difficulty, teller);
    let mut search = Search::start(move |nonce| stamp_work(message, nonce), difficulty);
    let nonce = search.wait(None, progress).await;
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
    teller: Option<&Teller>,
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
        let progress = Progress::new(Work::Identity, difficulty, teller);
        let owner = account.clone();
        let mut search =
            Search::start(move |nonce| identity_work(role, &owner, anchor.hash, nonce), difficulty);
        let nonce = search.wait(Some(Instant::now() + patience), progress).await;
        drop(search);
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
    use crate::{event_log::EventLog, output::Out};
    use zennet_primitives::pow::meets;

    #[tokio::test]
    async fn a_found_stamp_meets_the_difficulty() {
        let message = Hash::repeat_byte(5);
        let nonce = stamp(message, 5000, None).await.unwrap();
        assert!(meets(stamp_work(message, nonce), 5000));
    }

    #[tokio::test]
    async fn a_search_without_hope_ends_at_its_deadline() {
        let mut search = Search::start(|nonce| stamp_work(Hash::zero(), nonce), u64::MAX);
        let progress = Progress::new(Work::Stamp, u64::MAX, None);
        assert_eq!(search.wait(Some(Instant::now()), progress).await, None);
    }

    #[tokio::test]
    async fn a_long_search_says_once_how_long_it_is_expected_to_take() {
        let dir = tempfile::tempdir().unwrap();
        let teller = Teller::new(Out { json: false }, EventLog::open(dir.path()).unwrap());
        let mut progress = Progress::new(Work::Identity, 1 << 40, Some(&teller));
        progress.bar.set_elapsed(MEASURED / 2);
        progress.show(1 << 20);
        assert!(progress.teller.is_some(), "its speed is not known yet");
        progress.bar.set_elapsed(Duration::from_secs(16));
        progress.show(1 << 20);
        assert!(progress.teller.is_none());
        progress.show(1 << 21);
        let log = std::fs::read_to_string(crate::event_log::path(dir.path())).unwrap();
        let events: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 1, "{log}");
        assert_eq!(
            (&events[0]["event"], &events[0]["work"]),
            (&"mining".into(), &"identity".into())
        );
        // A millionth of 2^40 hashes took 16 s.
        let secs = events[0]["expected_secs"].as_f64().unwrap();
        assert!((secs / (16 << 20) as f64 - 1.0).abs() < 0.01, "{secs}");
    }

    #[test]
    fn what_is_left_is_not_said_to_fall() {
        let took = Duration::from_secs;
        let left = |hashes, secs| left(6_000, hashes, took(secs));
        assert_eq!(left(100, 1), left(100_000, 1000));
        assert!(left(100, 1).starts_with("about ") && left(100, 1).ends_with(" more expected"));
        assert_eq!(left(0, 1), "measuring the speed");
    }
}
