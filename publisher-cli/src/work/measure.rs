//! Measures machines: gives each one task after the other, and notes what they have cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{bail, Context, Result};
use rand::{rngs::OsRng, RngCore};
use tokio::{sync::watch, time::sleep};
use zennet_primitives::{amount::Balance, contract::SshKey};

use super::chain;
use crate::{
    choice::ranking::Measured,
    lease::status::Status,
    ssh::remote::{Bounds, Remote, Session},
};

/// Units of the first task.
const FIRST_UNITS: u64 = 50;

/// Most units of one task.
const MOST_UNITS: u64 = 100_000;

/// Time that a task is to take.
const TASK: Duration = Duration::from_secs(2);

/// What a task may take: it waits while its machine is frozen.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(60), stdout: 256 };

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

/// Gives a machine one task after the other until dropped.
pub(crate) async fn measure(remote: Remote, status: watch::Receiver<Status>, board: Board) {
    let Some(host_key) = host_key(&status) else { return };
    let lease = status.borrow().lease;
    let (mut measured, mut units) = (Measured::default(), FIRST_UNITS);
    let start = cost(&status).unwrap_or_default();
    let mut session = None;
    while status.borrow().close_reason.is_none() {
        match task(&remote, &mut session, &host_key, units).await {
            Ok((is_right, took)) => {
                measured.work += if is_right { units } else { 0 };
                measured.wrong += u32::from(!is_right);
                measured.millis += u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                measured.cost = cost(&status).unwrap_or_default().saturating_sub(start);
                board.put(lease, measured);
                units = next_units(units, took);
            }
            Err(error) => {
                tracing::warn!(lease, error = format!("{error:#}"), "a task was not done");
                session = None;
                sleep(PAUSE).await;
            }
        }
    }
}

fn host_key(status: &watch::Receiver<Status>) -> Option<SshKey> {
    status.borrow().terms.as_ref().map(|terms| terms.quote.host_key)
}

/// What the lease comes to so far, by the readings inside the machine where they are there.
fn cost(status: &watch::Receiver<Status>) -> Option<Balance> {
    let usage = status.borrow().usage()?;
    usage.own_price.or(usage.price)
}

/// One task; whether its answer is right, and the time that it took.
async fn task(
    remote: &Remote,
    session: &mut Option<Session>,
    host_key: &SshKey,
    units: u64,
) -> Result<(bool, Duration)> {
    let session = match session {
        Some(session) => session,
        None => session.insert(remote.login(host_key).await?),
    };
    let mut seed = [0; 32];
    OsRng.fill_bytes(&mut seed);
    let mut stdout = Vec::new();
    let command = chain::command(&seed, units);
    let ran = session.run(&command, BOUNDS, |bytes| stdout.extend_from_slice(bytes)).await;
    let done = ran.context("the standard task")?;
    if done.exit_code != 0 {
        bail!("the standard task ended with {}: does the image have sha256sum?", done.exit_code);
    }
    Ok((chain::is_right(&seed, units, &stdout), done.took))
}

/// Units of the next task, so that it takes about [`TASK`].
fn next_units(units: u64, took: Duration) -> u64 {
    let scaled = u128::from(units) * TASK.as_millis() / took.as_millis().max(1);
    // By a factor of ten at most: one time may be off.
    let most = units.saturating_mul(10).min(MOST_UNITS);
    u64::try_from(scaled).unwrap_or(MOST_UNITS).clamp((units / 10).max(1), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_to_take_two_seconds_in_bounded_steps() {
        assert_eq!(next_units(100, Duration::from_secs(1)), 200);
        assert_eq!(next_units(100, Duration::from_secs(4)), 50);
        assert_eq!(next_units(50, Duration::from_millis(1)), 500);
        assert_eq!(next_units(50, Duration::from_secs(3600)), 5);
        assert_eq!(next_units(1, Duration::from_secs(3600)), 1);
        assert_eq!(next_units(MOST_UNITS, Duration::ZERO), MOST_UNITS);
    }

    #[test]
    fn what_was_never_measured_has_no_work() {
        let board = Board::default();
        board.put(7, Measured { work: 5, ..Measured::default() });
        assert_eq!((board.of(7).work, board.of(8)), (5, Measured::default()));
    }
}
