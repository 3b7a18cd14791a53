//! Measures machines: gives each one task after the other, and notes what they have cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::sleep};
use zennet_primitives::amount::Balance;

use super::{
    chain::{is_right, Checker, Claim, Turn},
    task::{next_units, Worker, FIRST_UNITS},
};
use crate::{choice::ranking::Measured, lease::status::Status, ssh::remote::Remote};

/// Pause after a task that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What was measured of each lease; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<BTreeMap<u64, Row>>>);

/// What was measured of one lease.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// What the lease had come to when its measurement began.
    start: Balance,
    /// Units of work whose answers are not being checked.
    work: u64,
    /// Time that all tasks took, milliseconds.
    millis: u64,
    /// Answers that were found right.
    right: u32,
    /// Answers that were found wrong.
    wrong: u32,
    /// Answers that are being checked, or wait for that.
    unchecked: u32,
}

impl Row {
    /// Whether an answer was right, and none is being checked.
    fn is_clear(&self) -> bool {
        self.right > 0 && self.unchecked == 0
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, lease: u64) -> Row {
        self.lock().get(&lease).copied().unwrap_or_default()
    }

    fn change(&self, lease: u64, change: impl FnOnce(&mut Row)) {
        change(self.lock().entry(lease).or_default());
    }

    /// What was measured of a lease so far, with what it has come to by now: the task that it is at
    /// costs as well.
    pub(crate) fn of(&self, status: &Status) -> Measured {
        let row = self.row(status.lease);
        Measured {
            work: if row.right > 0 { row.work } else { 0 },
            cost: cost(status).saturating_sub(row.start),
            millis: row.millis,
            wrong: row.wrong,
        }
    }

    /// The measurement of a lease begins.
    fn begin(&self, status: &Status) {
        let start = cost(status);
        self.change(status.lease, |row| row.start = start);
    }

    /// A task is over. Where its answer is being checked its work does not count yet.
    fn done(&self, lease: u64, units: u64, took: Duration, is_checked: bool) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.change(lease, |row| {
            row.millis = row.millis.saturating_add(millis);
            if is_checked {
                row.unchecked = row.unchecked.saturating_add(1);
            } else {
                row.work = row.work.saturating_add(units);
            }
        });
    }

    /// The answer to a task was checked.
    fn checked(&self, lease: u64, units: u64, is_right: bool) {
        self.change(lease, |row| {
            row.unchecked = row.unchecked.saturating_sub(1);
            if is_right {
                row.right = row.right.saturating_add(1);
                row.work = row.work.saturating_add(units);
            } else {
                row.wrong = row.wrong.saturating_add(1);
            }
        });
    }
}

/// Gives a machine one task after the other, until its lease ends, an answer was wrong or this is
/// dropped. The answer to the first one is checked, and to those that end while nothing else is
/// being checked; the machine knows of none whether it will be. Tasks grow only when an answer was
/// right, and those before the last one are all checked that are to be.
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
    let (mut units, mut is_first) = (FIRST_UNITS, true);
    board.begin(&status.borrow());
    let mut checks = JoinSet::new();
    while status.borrow().close_reason.is_none() && board.row(lease).wrong == 0 {
        match worker.task(units).await {
            Ok(outcome) => {
                let may_grow = board.row(lease).is_clear();
                let turn = checker.try_turn();
                let is_checked = is_first || turn.is_some();
                is_first = false;
                board.done(lease, units, outcome.took, is_checked);
                if is_checked {
                    let check = check(board.clone(), checker.clone(), lease, outcome.claim, turn);
                    checks.spawn(check);
                }
                let next = next_units(units, outcome.took);
                units = if may_grow { next } else { next.min(units) };
                while checks.try_join_next().is_some() {}
            }
            Err(error) => {
                tracing::warn!(lease, error = format!("{error:#}"), "a task was not done");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Checks an answer, after having waited for the turn where it has none, and notes what comes of it.
async fn check(board: Board, checker: Checker, lease: u64, claim: Claim, mut turn: Option<Turn>) {
    if turn.is_none() {
        turn = checker.turn().await;
    }
    let units = claim.units();
    let is_right = is_right(claim, turn).await;
    board.checked(lease, units, is_right);
}

/// What the lease comes to so far, by the readings inside the machine where they are there.
fn cost(status: &Status) -> Balance {
    let usage = status.usage();
    usage.and_then(|usage| usage.own_price.or(usage.price)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use zennet_primitives::{
        amount::RATE_SCALE,
        usage::{Counter, Usage},
    };

    use super::*;
    use crate::store::tests::terms;

    const SEC: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_never_measured_has_no_work() {
        assert_eq!(Board::default().of(&Status::new(8)), Measured::default());
    }

    #[test]
    fn work_counts_once_an_answer_was_right_and_not_while_its_own_is_being_checked() {
        let (board, status) = (Board::default(), Status::new(7));
        let seen = || (board.of(&status).work, board.of(&status).wrong);
        board.begin(&status);
        board.done(7, 50, SEC, true);
        board.done(7, 60, SEC, false);
        assert_eq!(seen(), (0, 0), "the first answer is not checked yet");
        assert!(!board.row(7).is_clear());
        board.checked(7, 50, true);
        assert_eq!((seen(), board.row(7).is_clear()), ((110, 0), true));
        board.done(7, 1000, SEC, true);
        assert_eq!((seen(), board.row(7).is_clear()), ((110, 0), false));
        board.checked(7, 1000, false);
        assert_eq!((seen(), board.of(&status).millis), ((110, 1), 3000));
    }

    #[test]
    fn the_cost_is_that_from_the_start_of_the_measurement_until_it_is_asked_for() {
        let (board, mut status) = (Board::default(), Status::new(7));
        let mut terms = terms();
        terms.quote.rates = terms.quote.rates.with(Counter::CpuMicros, RATE_SCALE);
        status.name = Some("zn-1".into());
        status.terms = Some(terms);
        let used = |micros| Some(Usage::default().with(Counter::CpuMicros, micros));
        status.figures.usage = used(30);
        board.begin(&status);
        assert_eq!(board.of(&status).cost, 0);
        status.figures.usage = used(130);
        assert_eq!(board.of(&status).cost, 100, "no task need be over for that");
    }
}
