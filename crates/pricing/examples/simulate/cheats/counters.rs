//! A provider that bills more than its counters say.
//!
//! The publisher reads the same counters inside the machine, a little earlier or later, and
//! compares as in a real lease. It ends the lease at the fifth disagreement in a row.

use std::collections::VecDeque;

use zennet_lease::agreement::Agreement;
use zennet_primitives::{
    amount::Rates,
    contract::Resources,
    usage::{Counter, Usage},
};

use crate::chance::Chance;

/// Seconds that a lease goes on for.
pub(super) const HOUR: u64 = 3600;

/// Time from one payment to the next, and from one own reading to the next, milliseconds.
const TICK: u64 = 2_000;
const READING: u64 = 500;

/// What the machine's clock is ahead of the publisher's, milliseconds.
const UPTIME: u64 = 1_000_000;

/// How long a reading is on its way at most, milliseconds.
const TRANSIT: f64 = 150.0;

/// Disagreements in a row that end a lease.
const PATIENCE: u8 = 5;

/// Noise of memory's samples within a tick, which each side takes at times of its own.
const SAMPLING: f64 = 0.03;

const RESOURCES: Resources =
    Resources { cpu_millis: 1000, memory_mib: 1024, disk_mib: 10_240, volume_mib: 0 };

/// The counters that are priced, and what a busy machine uses of them in a second.
pub(super) const BUSY: [(Counter, f64); 7] = [
    (Counter::CpuMicros, 0.8e6),
    (Counter::MemoryByteSecs, 0.6 * 1073741824.0),
    (Counter::DiskReadBytes, 30e6),
    (Counter::DiskWriteBytes, 50e6),
    (Counter::NetRxBytes, 20e6),
    (Counter::NetTxBytes, 20e6),
    (Counter::PageFaults, 5_000.0),
];

/// Which counters are billed too high.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inflated {
    One(Counter),
    All,
}

/// How a lease of an hour went.
pub(super) struct Course {
    /// When it was ended, seconds from its start.
    pub(super) ended: Option<u64>,
    /// What was billed too much by then of the counter that was inflated.
    pub(super) excess: u64,
}

/// A side's counters at the beginning of an interval of [`TICK`] and at its end; in between they
/// grow steadily.
#[derive(Clone, Copy, Default)]
struct Span {
    from: [f64; BUSY.len()],
    to: [f64; BUSY.len()],
}

impl Span {
    fn next(&mut self, used: &[f64; BUSY.len()], chance: &mut Chance) {
        self.from = self.to;
        for (j, (counter, _)) in BUSY.iter().enumerate() {
            let sampling = if *counter == Counter::MemoryByteSecs { SAMPLING } else { 0.0 };
            self.to[j] += used[j] * (1.0 + chance.normal(sampling)).max(0.0);
        }
    }

    /// The counters some time after the beginning, milliseconds.
    fn read(&self, after: f64) -> Usage {
        let part = after / TICK as f64;
        let figure = |j: usize| (self.from[j] + part * (self.to[j] - self.from[j])) as u64;
        BUSY.iter()
            .enumerate()
            .fold(Usage::default(), |usage, (j, (counter, _))| usage.with(*counter, figure(j)))
    }
}

/// An own reading on its way.
struct Line {
    usage: Usage,
    /// By the machine's clock.
    made: u64,
    arrives: u64,
}

/// A lease of an hour whose provider bills `by` more than it reads: 0.05 is 5 %.
pub(super) fn lease(inflated: Inflated, by: f64, chance: &mut Chance) -> Course {
    let rates = BUSY.iter().fold(Rates::default(), |rates, (counter, _)| rates.with(*counter, 1));
    let (mut own, mut theirs) = (Span::default(), Span::default());
    let mut agreement = Agreement::new(0).since(own.read(0.0), 0);
    let mut lines = VecDeque::new();
    let phase = chance.within(0.0, READING as f64) as u64;
    // Each interval ends a little after a tick, when what the provider read then has arrived.
    for start in (0..HOUR * 1000).step_by(TICK as usize) {
        let load = chance.within(0.6, 1.2);
        let used = BUSY.map(|(_, speed)| speed * load * TICK as f64 / 1000.0);
        own.next(&used, chance);
        theirs.next(&used, chance);
        for after in (phase..TICK).step_by(READING as usize) {
            let made = start + after;
            let arrives = made + chance.within(10.0, TRANSIT) as u64;
            lines.push_back(Line { usage: own.read(after as f64), made: made + UPTIME, arrives });
        }
        let after = TICK as f64 - TRANSIT;
        let read = theirs.read(after);
        let now = start + (after + chance.within(10.0, TRANSIT)) as u64;
        while let Some(line) = lines.pop_front_if(|line| line.arrives <= now) {
            agreement.read(line.usage, line.made, line.arrives);
        }
        let billed = inflate(&read, inflated, by);
        let _ = agreement.compare(&billed, &rates, &RESOURCES, now);
        if agreement.disagreements() >= PATIENCE {
            return Course { ended: Some(now / 1000), excess: excess(&billed, &read, inflated) };
        }
    }
    Course { ended: None, excess: 0 }
}

fn inflate(usage: &Usage, inflated: Inflated, by: f64) -> Usage {
    usage.iter().fold(Usage::default(), |billed, (counter, figure)| {
        let more = match inflated {
            Inflated::One(one) if one != counter => figure,
            Inflated::One(_) | Inflated::All => (figure as f64 * (1.0 + by)) as u64,
        };
        billed.with(counter, more)
    })
}

/// Of the counter that is inflated; of processor time where all are.
fn excess(billed: &Usage, read: &Usage, inflated: Inflated) -> u64 {
    let counter = match inflated {
        Inflated::One(counter) => counter,
        Inflated::All => Counter::CpuMicros,
    };
    let figure = |usage: &Usage| usage.get(counter).unwrap_or(0);
    figure(billed).saturating_sub(figure(read))
}
