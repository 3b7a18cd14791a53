//! Measures a machine again, by surprise: at random moments it gets the same task as at its start.

use std::time::Duration;

use rand::{rngs::OsRng, RngCore};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use zennet_lease::Phase;
use zennet_primitives::{
    amount::Rates,
    usage::{Counter, Usage},
};

use super::{
    chain::{is_right, Checker},
    task::{next_units, Outcome, Worker, FIRST_UNITS},
};
use crate::{
    choice::slow::{middle, Figures},
    lease::status::Status,
    ssh::remote::Remote,
};

/// Tasks whose middle is a machine's first measurement.
const FIRST_TASKS: u32 = 3;

/// Time for which a machine is seen to rest before a task: what it does besides would count as part
/// of it. The figures that this is seen by are a little older.
const REST: Duration = Duration::from_secs(3);
const OLDER: Duration = Duration::from_secs(1);

/// Processor time of a machine at rest, in thousandths of one processor.
const RESTING_MILLIS: u128 = 50;

/// Pause before a machine that is at work, or did not do its task, is looked at again.
const LATER: Duration = Duration::from_secs(10);

/// What a task showed of a machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Check {
    /// The lease.
    pub(crate) lease: u64,
    /// Its figures; nothing where the answer was wrong.
    pub(crate) figures: Option<Figures>,
}

/// Measures a machine when it is ready, and then again and again after random times, of `every` on
/// the average and from half of it to one and a half, until its lease ends.
pub(crate) async fn recheck(
    remote: Remote,
    status: watch::Receiver<Status>,
    every: Duration,
    checker: Checker,
    checks: mpsc::Sender<Check>,
) {
    let terms = status.borrow().terms.clone();
    let Some(terms) = terms else { return };
    let worker = Worker::new(remote, terms.quote.host_key);
    let rates = terms.quote.rates;
    let mut subject = Subject { worker, status, rates, checker, checks };
    // It ends with the lease.
    let _ = subject.follow(every).await;
}

struct Subject {
    worker: Worker,
    status: watch::Receiver<Status>,
    rates: Rates,
    checker: Checker,
    checks: mpsc::Sender<Check>,
}

impl Subject {
    /// Nothing once the lease has ended.
    async fn follow(&mut self, every: Duration) -> Option<()> {
        let mut units = next_units(FIRST_UNITS, self.task(FIRST_UNITS).await?.took);
        units = next_units(units, self.next_task(units).await?.took);
        let mut first = Vec::new();
        for _ in 0..FIRST_TASKS {
            let outcome = self.next_task(units).await?;
            match self.figures(outcome, units).await {
                Some(figures) => first.push(figures),
                None => self.tell(None).await?,
            }
        }
        if let Some(figures) = middle(&first) {
            self.tell(Some(figures)).await?;
        }
        loop {
            sleep(random_around(every)).await;
            let outcome = self.task(units).await?;
            let figures = self.figures(outcome, units).await;
            self.tell(figures).await?;
        }
    }

    /// The figures of a task; nothing where its answer was wrong.
    async fn figures(&self, outcome: Outcome, units: u64) -> Option<Figures> {
        let figures = figures(&outcome, units, &self.rates);
        let turn = self.checker.turn().await;
        if is_right(outcome.claim, turn).await {
            figures
        } else {
            None
        }
    }

    async fn tell(&self, figures: Option<Figures>) -> Option<()> {
        let lease = self.status.borrow().lease;
        self.checks.send(Check { lease, figures }).await.ok()
    }

    /// A task, at a moment when the machine does nothing else.
    async fn task(&mut self, units: u64) -> Option<Outcome> {
        while self.status.borrow().close_reason.is_none() {
            if self.rests().await {
                if let Some(outcome) = self.try_task(units).await {
                    return Some(outcome);
                }
            }
            sleep(LATER).await;
        }
        None
    }

    /// A task right after another one: what the machine has done meanwhile was that.
    async fn next_task(&mut self, units: u64) -> Option<Outcome> {
        match self.try_task(units).await {
            Some(outcome) => Some(outcome),
            None => self.task(units).await,
        }
    }

    /// A task during which the machine was neither lost nor frozen, as far as can be seen at both
    /// ends: the time that it takes would not be its own.
    async fn try_task(&mut self, units: u64) -> Option<Outcome> {
        if !self.serves() {
            return None;
        }
        let outcome = self.worker.task(units).await;
        outcome
            .inspect_err(|error| {
                let (lease, error) = (self.status.borrow().lease, format!("{error:#}"));
                tracing::debug!(lease, error, "a machine was not measured");
            })
            .ok()
            .filter(|_| self.serves())
    }

    /// Whether the machine runs, and its provider is connected.
    fn serves(&self) -> bool {
        let status = self.status.borrow();
        !status.lost && status.phase == Phase::Serving { frozen: false }
    }

    async fn rests(&self) -> bool {
        sleep(OLDER).await;
        let before = self.own_usage();
        sleep(REST).await;
        before.zip(self.own_usage()).is_some_and(|(before, after)| rested(&before, &after))
    }

    /// What was used so far, as read inside the machine; the volume is not read there.
    fn own_usage(&self) -> Option<Usage> {
        let usage = self.status.borrow().figures.own_usage?;
        Some(usage.with(Counter::VolumeByteSecs, 0))
    }
}

/// Whether a machine was at rest between two readings inside it. It must have been read again: that
/// alone takes some processor time and, where memory is counted, the time that passed. A reading
/// that is the same is the old one, and says nothing.
fn rested(before: &Usage, after: &Usage) -> bool {
    let most = REST.as_micros() * RESTING_MILLIS / 1000;
    let cpu = |usage: &Usage| usage.get(Counter::CpuMicros);
    let used = cpu(before).zip(cpu(after)).map(|(from, to)| to.saturating_sub(from));
    before != after && used.is_some_and(|used| u128::from(used) <= most)
}

/// A unit's time and what it cost. Memory and volumes, which cost by time, and what the machine
/// cannot count are left out.
fn figures(outcome: &Outcome, units: u64, rates: &Rates) -> Option<Figures> {
    let (mut none, mut used) = (Usage::default(), Usage::default());
    for counter in Counter::ALL {
        let by_time = matches!(counter, Counter::MemoryByteSecs | Counter::VolumeByteSecs);
        let amount = outcome.used.and_then(|usage| usage.get(counter)).filter(|_| !by_time);
        used.set(counter, amount.unwrap_or_default());
        none.set(counter, 0);
    }
    let units = units.max(1) as f64;
    let cost = rates.price(&used, &none).ok()? as f64 / units;
    Some(Figures { secs: outcome.took.as_secs_f64() / units, cost })
}

/// From half of a time to one and a half.
fn random_around(time: Duration) -> Duration {
    let part = f64::from(OsRng.next_u32()) / f64::from(u32::MAX);
    time.mul_f64(0.5 + part)
}

#[cfg(test)]
mod tests {
    use super::{super::chain::Chain, *};
    use zennet_primitives::amount::RATE_SCALE;

    #[test]
    fn the_figures_of_a_task_are_those_of_one_unit_without_what_time_costs() {
        let rates = Rates::default()
            .with(Counter::CpuMicros, 2 * RATE_SCALE)
            .with(Counter::PageFaults, RATE_SCALE)
            .with(Counter::MemoryByteSecs, RATE_SCALE);
        let used = Usage::default().with(Counter::CpuMicros, 500).with(Counter::MemoryByteSecs, 99);
        let took = Duration::from_secs(5);
        let outcome = Outcome { claim: Chain::fresh(10).claim(b""), took, used: Some(used) };
        let seen = figures(&outcome, 10, &rates);
        assert_eq!(seen, Some(Figures { secs: 0.5, cost: 100.0 }));
    }

    #[test]
    fn a_machine_is_seen_to_rest_only_where_it_was_read_again() {
        let read = |micros, memory| {
            let usage = Usage::default().with(Counter::CpuMicros, micros);
            usage.with(Counter::MemoryByteSecs, memory)
        };
        assert!(rested(&read(1000, 5), &read(1100, 8)));
        assert!(rested(&read(1000, 5), &read(1000, 8)), "its clock of processor time is coarse");
        assert!(!rested(&read(1000, 5), &read(1000, 5)), "no reading has come");
        assert!(!rested(&read(1000, 5), &read(1_001_000, 8)), "it is at work");
        assert!(!rested(&Usage::default(), &read(1000, 5)));
    }

    #[test]
    fn the_moments_lie_around_the_time_that_was_given() {
        let time = Duration::from_secs(600);
        let moments: Vec<_> = (0..100).map(|_| random_around(time)).collect();
        assert!(moments.iter().all(|m| (time / 2..=time * 3 / 2).contains(m)));
        assert!(moments.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
