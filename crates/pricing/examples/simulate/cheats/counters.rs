//! A provider that bills more than its counters say.
//!
//! The publisher reads the same counters inside the machine, a little earlier or later, and
//! compares as in a real lease. It ends the lease at the fifth disagreement in a row.

use zennet_lease::agreement::{Agreement, Comparison};
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
const READING: f64 = 500.0;

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

/// True counters at the last tick and at the one before, and what each side adds by sampling.
struct Machine {
    before: [f64; BUSY.len()],
    now: [f64; BUSY.len()],
    own_noise: f64,
    their_noise: f64,
}

impl Machine {
    fn tick(&mut self, chance: &mut Chance) {
        self.before = self.now;
        let load = chance.within(0.6, 1.2);
        for (total, (counter, speed)) in self.now.iter_mut().zip(BUSY) {
            let used = speed * load * TICK as f64 / 1000.0;
            if counter == Counter::MemoryByteSecs {
                self.own_noise += chance.normal(SAMPLING) * used;
                self.their_noise += chance.normal(SAMPLING) * used;
            }
            *total += used;
        }
    }

    /// The counters as they stood some time before the last tick, milliseconds.
    fn read(&self, ago: f64, memory_noise: f64) -> Usage {
        let part = (1.0 - ago / TICK as f64).clamp(0.0, 1.0);
        let mut usage = Usage::default();
        for (j, (counter, _)) in BUSY.iter().enumerate() {
            let mut figure = self.before[j] + part * (self.now[j] - self.before[j]);
            if *counter == Counter::MemoryByteSecs {
                figure += memory_noise;
            }
            usage.set(*counter, figure.max(0.0) as u64);
        }
        usage
    }
}

/// A lease of an hour whose provider bills `by` more than it reads: 0.05 is 5 %.
pub(super) fn lease(inflated: Inflated, by: f64, chance: &mut Chance) -> Course {
    let rates = BUSY.iter().fold(Rates::default(), |rates, (counter, _)| rates.with(*counter, 1));
    let mut machine = Machine {
        before: Default::default(),
        now: Default::default(),
        own_noise: 0.0,
        their_noise: 0.0,
    };
    let mut agreement = Agreement::new(0);
    let mut last = Usage::default();
    for tick in 1..=HOUR * 1000 / TICK {
        machine.tick(chance);
        let now = tick * TICK;
        let age = chance.within(0.0, READING);
        let read_ago = age + chance.within(10.0, TRANSIT);
        let own = machine.read(read_ago, machine.own_noise);
        // A counter never falls; the noise of samples is no exception.
        last = BUSY.iter().fold(last, |last, (counter, _)| {
            last.with(*counter, own.get(*counter).max(last.get(*counter)).unwrap_or(0))
        });
        agreement.read(last, now - age as u64);
        let theirs = machine.read(chance.within(10.0, TRANSIT), machine.their_noise);
        let billed = inflate(&theirs, inflated, by);
        let comparison = agreement.compare(&billed, &rates, &RESOURCES, now);
        debug_assert_ne!(comparison, Comparison::Overdue);
        if agreement.disagreements() >= PATIENCE {
            return Course { ended: Some(now / 1000), excess: excess(&billed, &theirs, inflated) };
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
