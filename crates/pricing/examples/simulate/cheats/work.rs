//! A machine that does less for its price than was promised.
//!
//! The contract's rates come from 24 benchmarks, each run three times, by the real fit. The
//! publisher runs canonical tasks as a surprise and looks at what they cost by the rates; and it
//! compares what its hosts cost for the same work. The tasks are the processor's work: all that
//! they cost grows as they take longer.

use zennet_pricing::{
    fit::{fit, verify, Mode, Row, Rows},
    outliers::{outliers, Limits},
    recheck::{half_width_of_runs, recheck, Task},
};
use zennet_primitives::{
    amount::{Balance, Rates, XEN},
    usage::{Counter, Usage},
};

use crate::{
    chance::Chance,
    programs::{Hidden, Machine, Program, COUNTERS},
};

/// Benchmarks behind the rates of a contract.
const BENCHMARKS: usize = 3 * COUNTERS;

/// Runs of each benchmark.
const RUNS: usize = 3;

/// Canonical tasks that are run as a surprise.
pub(super) const TASKS: usize = 20;

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
    /// How many times as much one task costs.
    fn of_task(self, by: f64, chance: &mut Chance) -> f64 {
        match self {
            Fraud::Slowed => dearer(by),
            Fraud::Stolen if chance.happens(STEALING) => dearer(by / STEALING),
            // The rates are what is false.
            Fraud::Stolen | Fraud::FalseRows => 1.0,
        }
    }
}

/// How many times as much work costs when this part of what it takes is missing.
fn dearer(by: f64) -> f64 {
    1.0 / (1.0 - by)
}

/// What a surprise task is held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Against {
    /// The price that was negotiated for it.
    Price,
    /// What the same benchmark's runs behind the rates cost by the rates.
    Runs,
}

/// A contract of a provider, and the machine as it is.
struct Contract {
    machine: Machine,
    benchmarks: Vec<Hidden>,
    /// What each run of each benchmark costs by the rates.
    costs: Vec<Vec<Balance>>,
    rates: Rates,
    half_width: f64,
}

impl Contract {
    /// Rates by the real fit from rows whose counters are `hidden` too low, which pass the check.
    fn new(noise: f64, hidden: f64, chance: &mut Chance) -> Self {
        let machine = Machine::new(chance);
        let (mut benchmarks, mut rows, mut runs) = (vec![], vec![], vec![]);
        for _ in 0..BENCHMARKS {
            let program = machine.program(noise, 1, chance);
            let mut run = || {
                let figures = machine.run(&program.hidden, noise, chance);
                Row { usage: usage(&figures, 1.0 - hidden), millis: 30_000 }
            };
            let of_benchmark: Vec<Row> = (0..RUNS).map(|_| run()).collect();
            let row = Row::total(&of_benchmark).expect("the runs have the same counters");
            rows.push((row, price(&program) * RUNS as Balance));
            runs.push(of_benchmark);
            benchmarks.push(program.hidden);
        }
        let rows = Rows::negotiated(rows).expect("benchmarks are valid rows");
        let found = fit(&rows, Mode::NonNegative).expect("benchmarks give rates");
        verify(&rows, &found.rates).expect("false rows have rates that are right for them");
        let cost = |row: &Row| cost(&found.rates, &row.usage);
        let costs = runs.iter().map(|runs| runs.iter().map(cost).collect()).collect();
        Self { machine, benchmarks, costs, rates: found.rates, half_width: found.half_width }
    }

    /// Whether surprise tasks show that the machine does not do what was promised.
    fn is_caught(
        &self,
        fraud: Fraud,
        by: f64,
        noise: f64,
        against: Against,
        chance: &mut Chance,
    ) -> bool {
        let mut task = || {
            let dearer = fraud.of_task(by, chance);
            let (figures, price) = match against {
                Against::Price => {
                    // Noise as in the rows, which are totals of as many runs.
                    let program = self.machine.program(noise, RUNS, chance);
                    let price = price(&program);
                    (program.figures, price)
                }
                Against::Runs => {
                    let place = chance.place(self.benchmarks.len());
                    let usual = self.costs[place].iter().sum::<Balance>() / RUNS as Balance;
                    (self.machine.run(&self.benchmarks[place], noise, chance), usual)
                }
            };
            Task { price, cost: cost(&self.rates, &usage(&figures, dearer)) }
        };
        let tasks: Vec<Task> = (0..TASKS).map(|_| task()).collect();
        let half_width = match against {
            Against::Price => self.half_width,
            Against::Runs => half_width_of_runs(&self.costs),
        };
        !recheck(half_width, &tasks).expect("tasks have prices").passed()
    }
}

/// Figures as whole numbers, all of them times a factor.
fn usage(figures: &[f64], factor: f64) -> Usage {
    PRICED.iter().zip(figures).fold(Usage::default(), |usage, (counter, figure)| {
        usage.with(*counter, (figure * factor * 1e7) as u64)
    })
}

fn cost(rates: &Rates, usage: &Usage) -> Balance {
    let zero = PRICED.iter().fold(Usage::default(), |zero, counter| zero.with(*counter, 0));
    rates.price(usage, &zero).expect("prices are far from the greatest")
}

fn price(program: &Program) -> Balance {
    (program.price * XEN as f64 / 100.0) as Balance
}

/// Part of the frauds of this size that surprise tasks find.
pub(super) fn by_tasks(
    fraud: Fraud,
    by: f64,
    noise: f64,
    against: Against,
    cases: usize,
    seed: u64,
) -> f64 {
    let mut chance = Chance::new(seed);
    let hidden = if fraud == Fraud::FalseRows { by } else { 0.0 };
    let is_caught = |_: &usize| {
        let contract = Contract::new(noise, hidden, &mut chance);
        contract.is_caught(fraud, by, noise, against, &mut chance)
    };
    (0..cases).filter(is_caught).count() as f64 / cases as f64
}

/// Part of the frauds of this size that stand out of their fleet, and part of the honest hosts in
/// these fleets that do.
pub(super) fn by_fleet(
    by: f64,
    hosts: usize,
    limits: &Limits,
    cases: usize,
    seed: u64,
) -> (f64, f64) {
    let mut chance = Chance::new(seed);
    let (mut caught, mut accused) = (0, 0);
    for _ in 0..cases {
        let mut costs: Vec<f64> = (0..hosts).map(|_| chance.factor(SPREAD)).collect();
        costs[0] *= dearer(by);
        let found = outliers(&costs, limits).expect("the fleet is large enough");
        let cheat = usize::from(found.contains(&0));
        caught += cheat;
        accused += found.len() - cheat;
    }
    (caught as f64 / cases as f64, accused as f64 / (cases * (hosts - 1)) as f64)
}
