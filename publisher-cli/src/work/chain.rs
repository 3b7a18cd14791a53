//! The standard task: the benchmark suite's chain of SHA-256 hashes, from a fresh seed.
//!
//! No link can be had without the one before it, and nobody knows the seed before the task is given.
//! It is the guest's own program, so it needs nothing of the image. This side computes the same
//! chain, which takes it about as long: one processor of it at most.

use std::sync::Arc;

use rand::{rngs::OsRng, RngCore};
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use zennet_suite::answer::sha256;

/// A task that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chain {
    seed: u64,
    units: u64,
}

/// What a machine says that its task comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    chain: Chain,
    /// The last hash, hexadecimal.
    answer: String,
}

impl Chain {
    /// A chain of so many units that nobody knows.
    pub(super) fn fresh(units: u64) -> Self {
        Chain { seed: OsRng.next_u64(), units }
    }

    /// The command line of the task.
    pub(super) fn command(self) -> String {
        let Chain { seed, units } = self;
        format!("/.zennet/guest suite task sha256 --units {units} --seed {seed}")
    }

    /// Reads what the guest printed. A line that has no answer claims one that is wrong.
    pub(super) fn claim(self, line: &[u8]) -> Claim {
        #[derive(Deserialize)]
        struct Line {
            answer: String,
        }
        let answer = serde_json::from_slice::<Line>(line).map(|line| line.answer);
        Claim { chain: self, answer: answer.unwrap_or_default() }
    }
}

impl Claim {
    /// Units of its task.
    pub(super) fn units(&self) -> u64 {
        self.chain.units
    }
}

/// Checks answers, one at a time; clones share the turn.
#[derive(Clone, Debug)]
pub(crate) struct Checker(Arc<Semaphore>);

/// The turn to check an answer.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Checker {
    /// Nothing is checked at present.
    pub(crate) fn new() -> Self {
        Checker(Arc::new(Semaphore::new(1)))
    }

    /// The turn, where nothing else is being checked.
    pub(super) fn try_turn(&self) -> Option<Turn> {
        self.0.clone().try_acquire_owned().ok().map(|permit| Turn { _permit: permit })
    }

    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Option<Turn> {
        // It is never closed.
        self.0.clone().acquire_owned().await.ok().map(|permit| Turn { _permit: permit })
    }
}

/// Whether a machine says what its task comes to. The turn lasts until that is known.
pub(super) async fn is_right(claim: Claim, turn: Option<Turn>) -> bool {
    let Claim { chain: Chain { seed, units }, answer } = claim;
    let computed = spawn_blocking(move || {
        let computed = sha256(seed, units);
        drop(turn);
        computed
    });
    computed.await.is_ok_and(|computed| computed == answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_last_hash_of_the_same_chain_is_right() {
        let chain = Chain { seed: 7, units: 3 };
        let said = |seed, units| format!("{{\"units\":3,\"answer\":\"{}\"}}", sha256(seed, units));
        assert!(is_right(chain.claim(said(7, 3).as_bytes()), None).await);
        assert!(!is_right(chain.claim(said(7, 2).as_bytes()), None).await);
        assert!(!is_right(chain.claim(said(8, 3).as_bytes()), None).await);
        for bad in ["", "{}", "{\"answer\":7}", "sha256sum: not found"] {
            assert!(!is_right(chain.claim(bad.as_bytes()), None).await, "{bad}");
        }
    }

    #[tokio::test]
    async fn one_answer_is_checked_at_a_time_and_chains_are_fresh() {
        let checker = Checker::new();
        let turn = checker.try_turn();
        assert!(turn.is_some() && checker.try_turn().is_none());
        let claim = Chain::fresh(1).claim(b"");
        assert!(!is_right(claim, turn).await);
        assert!(checker.try_turn().is_some());
        assert_ne!(Chain::fresh(1), Chain::fresh(1));
    }
}
