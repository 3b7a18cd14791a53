//! Measures machines: gives each one task after the other, and notes what they have cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::sleep};
use zennet_primitives::amount::Balance;

use super::{
    chain::{is_right, Checker},
    task::{next_units, Worker, FIRST_UNITS},
};
use crate::{choice::ranking::Measured, lease::status::Status, ssh::remote::Remote};

/// Pause after a task that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What was measured of each lease; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<BTreeMap<u64, Measured>>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Measured>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was measured of a lease so far.
    pub(crate) fn of(&self, lease: u64) -> Measured {
        self.lock().get(&lease).copied().unwrap_or_default()
    }

    fn put(&self, lease: u64, measured: Measured) {
        self.lock().insert(lease, measured);
    }
}

/// Gives a machine one task after the other, until its lease ends or this is dropped. The answer to
/// the first one is checked, and to those that end while nothing else is being checked; the
/// machine knows of none whether it will be.
pub(crate) async fn measure(
    remote: Remote,
    status: watch::Receiver<Status>,
    board: Board,
    checker: Checker,
) {
    let host_key = status.borrow().terms.as_ref().map(|terms| terms.quote.host_key);
    let Some(host_key) = host_key else { return };
    let lease = status.borrow().lease;
    let mut worker = Worker::new(remote, host_key);
    let (mut measured, mut units) = (Measured::default(), FIRST_UNITS);
    let start = cost(&status);
    let mut checks = JoinSet::new();
    while status.borrow().close_reason.is_none() {
        match worker.task(units).await {
            Ok(outcome) => {
                let turn = match measured.work {
                    0 => checker.turn().await,
                    _ => checker.try_turn(),
                };
                if turn.is_some() {
                    checks.spawn(is_right(outcome.claim, turn));
                }
                while let Some(checked) = checks.try_join_next() {
                    measured.wrong += u32::from(matches!(checked, Ok(false)));
                }
                measured.work = measured.work.saturating_add(units);
                measured.millis += u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX);
                measured.cost = cost(&status).saturating_sub(start);
                board.put(lease, measured);
                units = next_units(units, outcome.took);
            }
            Err(error) => {
                tracing::warn!(lease, error = format!("{error:#}"), "a task was not done");
                sleep(PAUSE).await;
            }
        }
    }
}

/// What the lease comes to so far, by the readings inside the machine where they are there.
fn cost(status: &watch::Receiver<Status>) -> Balance {
    let usage = status.borrow().usage();
    usage.and_then(|usage| usage.own_price.or(usage.price)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_measured_has_no_work() {
        let board = Board::default();
        board.put(7, Measured { work: 5, ..Measured::default() });
        assert_eq!((board.of(7).work, board.of(8)), (5, Measured::default()));
    }
}
