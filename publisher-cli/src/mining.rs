//! Proof of work: identities and stamps, on all cores, with the time that is expected.

use std::{fmt::Write, time::Duration};

use anyhow::{anyhow, Result};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use zennet_chain_client::{all_cores, search, Chain, ChainError, MiningProgress, Registered};
use zennet_primitives::{
    pow::{stamp_work, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

use crate::{
    events::{Event, Work},
    teller::Teller,
};

/// Time after which a search says how long it is expected to take: then its speed is known.
const MEASURED: Duration = Duration::from_secs(1);

/// Shows how a search goes: all the time on a terminal, and once as an event.
struct Progress<'a> {
    work: Work,
    bar: ProgressBar,
    /// Who tells the event, once.
    teller: Option<&'a Teller>,
}

impl<'a> Progress<'a> {
    fn new(work: Work, teller: Option<&'a Teller>) -> Self {
        Progress { work, bar: bar(work), teller }
    }

    fn show(&mut self, now: MiningProgress) {
        self.bar.set_length(now.difficulty);
        self.bar.set_position(now.hashes);
        let Some(more) = now.expected().filter(|_| now.took >= MEASURED) else { return };
        if let Some(teller) = self.teller.take() {
            let event = Event::Mining {
                work: self.work,
                difficulty: now.difficulty,
                hashes_per_sec: now.hashes_per_sec(),
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

/// A bar whose length is the difficulty.
fn bar(work: Work) -> ProgressBar {
    let bar = ProgressBar::no_length();
    let style = "mining the {msg}: {human_pos} hashes in {elapsed}, {per_sec}, {left}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            let (difficulty, hashes) = (state.len().unwrap_or_default(), state.pos());
            let now = MiningProgress { difficulty, hashes, took: state.elapsed() };
            let _ = out.write_str(&left(now));
        }));
    }
    bar.set_message(work.name());
    bar
}

fn left(now: MiningProgress) -> String {
    match now.expected() {
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
    let mut progress = Progress::new(Work::Stamp, teller);
    let work = move |nonce| stamp_work(message, nonce);
    let nonce = search(work, difficulty, all_cores(), None, |now| progress.show(now)).await;
    nonce.ok_or_else(|| anyhow!("the search for a stamp ended without one"))
}

/// Mines and registers an identity, unless it is registered already.
pub(crate) async fn ensure_identity(
    chain: &Chain,
    role: Role,
    account: &AccountId,
    teller: Option<&Teller>,
) -> Result<Registered, ChainError> {
    let mut progress = Progress::new(Work::Identity, teller);
    chain.ensure_identity(role, account, all_cores(), |now| progress.show(now)).await
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
    async fn a_long_search_says_once_how_long_it_is_expected_to_take() {
        let dir = tempfile::tempdir().unwrap();
        let teller = Teller::new(Out { json: false }, EventLog::open(dir.path()).unwrap());
        let mut progress = Progress::new(Work::Identity, Some(&teller));
        let after = |took| MiningProgress { difficulty: 1 << 40, hashes: 1 << 20, took };
        progress.show(after(MEASURED / 2));
        assert!(progress.teller.is_some(), "its speed is not known yet");
        progress.show(after(Duration::from_secs(16)));
        assert!(progress.teller.is_none());
        progress.show(after(Duration::from_secs(17)));
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
        let left = |hashes, secs| {
            left(MiningProgress { difficulty: 6_000, hashes, took: Duration::from_secs(secs) })
        };
        assert_eq!(left(100, 1), left(100_000, 1000));
        assert!(left(100, 1).starts_with("about ") && left(100, 1).ends_with(" more expected"));
        assert_eq!(left(0, 1), "measuring the speed");
    }
}
