//! A machine that does less for its price than was promised.
//!
//! The contract's rates come from 24 benchmarks by the real fit, and the provider's half width with
//! them. The publisher runs canonical tasks of known price as a surprise and looks at what they
//! cost by the rates; and it compares what its hosts cost for the same work.

use zennet_pricing::{
    fit::{fit, verify, Mode, Row, Rows},
    outliers::{outliers, Limits},
    recheck::{recheck, Task},
};
use zennet_primitives::{
    amount::{Balance, Rates, XEN},
    usage::{Counter, Usage},
};

use crate::{
    chance::Chance,
    programs::{Machine, Program, COUNTERS},
};

/// Benchmarks behind the rates of a contract.
const BENCHMARKS: usize = 3 * COUNTERS;

/// Canonical tasks that are run as a surprise.
pub(super) const TASKS: usize = 20;

/// Hosts that do the same work for one publisher.
pub(super) const FLEET: usize = 30;

/// Natural spread of honest hosts: standard deviation of the logarithm of a unit's cost.
pub(super) const SPREAD: f64 = 0.10;

/// Part of the time in which a thief of cycles steals; of the tasks, as many meet it.
const STEALING: f64 = 0.5;

const PRICED: [Counter; COUNTERS] = [
    Counter::CpuUserMicros,
    Counter::CpuSystemMicros,
    Counter::MemoryByteSecs,
    Counter::DiskReadBytes,
    Counter::DiskWriteBytes,
    Counter::NetRxBytes,
    Counter::NetTxBytes,
    Counter::PageFaults,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fraud {
    /// The processor is this part slower than when it was benchmarked.
    Slowed,
    /// This part of its time is given to others, in bursts of twice as much.
    Stolen,
    /// The benchmarks' counters are this part lower in the rows than they were.
    FalseRows,
}

impl Fraud {
    /// How many times as much a task costs that is done by the processor alone, on average.
    fn dearer(self, by: f64) -> f64 {
        1.0 / (1.0 - by)
    }

    /// The same for one task.
    fn of_task(self, by: f64, chance: &mut Chance) -> f64 {
        match self {
            Fraud::Slowed => self.dearer(by),
            Fraud::Stolen if chance.happens(STEALING) => 1.0 / (1.0 - by / STEALING),
            // The rates are what is false.
            Fraud::Stolen | Fraud::FalseRows => 1.0,
        }
    }
}

/// A contract of a provider, and the machine as it is.
struct Contract {
    machine: Machine,
    rates: Rates,
    half_width: f64,
}

impl Contract {
    /// Rates by the real fit from rows whose counters are `hidden` too low, which pass the check.
    fn new(noise: f64, hidden: f64, chance: &mut Chance) -> Self {
        let machine = Machine::new(chance);
        let mut row = || {
            let program = machine.program(noise, 1, chance);
            (Row { usage: usage(&program, 1.0 - hidden), millis: 30_000 }, price(&program))
        };
        let rows = Rows::negotiated((0..BENCHMARKS).map(|_| row()).collect())
            .expect("benchmarks are valid rows");
        let found = fit(&rows, Mode::NonNegative).expect("benchmarks give rates");
        verify(&rows, &found.rates).expect("false rows have rates that are right for them");
        Self { machine, rates: found.rates, half_width: found.half_width }
    }

    /// Whether surprise tasks show that the machine does not do what was promised.
    fn is_caught(&self, fraud: Fraud, by: f64, noise: f64, chance: &mut Chance) -> bool {
        let mut task = || {
            let program = self.machine.program(noise, 1, chance);
            let used = usage(&program, fraud.of_task(by, chance));
            let zero = PRICED.iter().fold(Usage::default(), |zero, c| zero.with(*c, 0));
            let cost = self.rates.price(&used, &zero).expect("prices are far from the greatest");
            Task { price: price(&program), cost }
        };
        let tasks: Vec<Task> = (0..TASKS).map(|_| task()).collect();
        !recheck(self.half_width, &tasks).expect("tasks have prices").passed()
    }
}

/// Figures as whole numbers, all of them times a factor.
fn usage(program: &Program, factor: f64) -> Usage {
    let figures = PRICED.iter().zip(&program.figures);
    figures.fold(Usage::default(), |usage, (counter, figure)| {
        usage.with(*counter, (figure * factor * 1e7) as u64)
    })
}

fn price(program: &Program) -> Balance {
    (program.price * XEN as f64 / 100.0) as Balance
}

/// Part of the frauds of this size that surprise tasks find.
pub(super) fn by_tasks(fraud: Fraud, by: f64, noise: f64, cases: usize, seed: u64) -> f64 {
    let mut chance = Chance::new(seed);
    let hidden = if fraud == Fraud::FalseRows { by } else { 0.0 };
    let mut is_caught = |_: &usize| {
        Contract::new(noise, hidden, &mut chance).is_caught(fraud, by, noise, &mut chance)
    };
    (0..cases).filter(&mut is_caught).count() as f64 / cases as f64
}

/// Part of the frauds of this size that stand out of their fleet, and part of the honest hosts in
/// these fleets that do.
pub(super) fn by_fleet(fraud: Fraud, by: f64, hosts: usize, cases: usize, seed: u64) -> (f64, f64) {
    let mut chance = Chance::new(seed);
    let (mut caught, mut accused) = (0, 0);
    for _ in 0..cases {
        let mut costs: Vec<f64> = (0..hosts).map(|_| chance.factor(SPREAD)).collect();
        costs[0] *= fraud.dearer(by);
        let found = outliers(&costs, &Limits::default()).expect("the fleet is large enough");
        let cheat = usize::from(found.contains(&0));
        caught += cheat;
        accused += found.len() - cheat;
    }
    (caught as f64 / cases as f64, accused as f64 / (cases * (hosts - 1)) as f64)
}
