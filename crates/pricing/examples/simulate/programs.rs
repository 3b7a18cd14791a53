//! Programs that use hidden resources, and the counters that show it.

use crate::{chance::Chance, mean};

/// Hidden resources.
pub(crate) const HIDDEN: usize = 4;

/// Counters: all that are priced at once, with processor time in its two parts.
pub(crate) const COUNTERS: usize = 8;

/// Standard deviation of a negotiated price about the true one, relative.
pub(crate) const PRICE_NOISE: f64 = 0.05;

/// Standard deviation of the logarithm of a program's use of one hidden resource.
const VARIETY: f64 = 1.0;

/// A kind of machine: how its counters show the hidden resources, and what these cost.
pub(crate) struct Machine {
    /// How much of each counter a unit of each hidden resource makes.
    mixing: [[f64; HIDDEN]; COUNTERS],
    prices: [f64; HIDDEN],
}

/// What a program uses of each hidden resource.
pub(crate) struct Hidden([f64; HIDDEN]);

/// What one program used and what was negotiated for it.
pub(crate) struct Program {
    pub(crate) hidden: Hidden,
    pub(crate) figures: Vec<f64>,
    /// As negotiated.
    pub(crate) price: f64,
    /// By the hidden resources.
    pub(crate) worth: f64,
}

impl Machine {
    /// Any mixing is as likely as any other, and so are the prices.
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let mut mixing = [[0.0; HIDDEN]; COUNTERS];
        mixing.iter_mut().flatten().for_each(|part| *part = chance.within(0.0, 1.0));
        let mut prices = [0.0; HIDDEN];
        prices.iter_mut().for_each(|price| *price = chance.within(0.5, 1.5));
        Self { mixing, prices }
    }

    /// A program whose use of each hidden resource is independent of the others, with counters that
    /// are averages of `runs` runs of it. Noise is relative.
    pub(crate) fn program(&self, noise: f64, runs: usize, chance: &mut Chance) -> Program {
        let mut hidden = Hidden([0.0; HIDDEN]);
        hidden.0.iter_mut().for_each(|used| *used = chance.factor(VARIETY));
        let read: Vec<_> = (0..runs).map(|_| self.run(&hidden, noise, chance)).collect();
        let average = |j| mean(&read.iter().map(|run: &Vec<f64>| run[j]).collect::<Vec<_>>());
        let figures = (0..COUNTERS).map(average).collect();
        let worth = hidden.times(&self.prices);
        Program { hidden, figures, price: worth * chance.factor(PRICE_NOISE), worth }
    }

    /// The counters of one more run of a program.
    pub(crate) fn run(&self, hidden: &Hidden, noise: f64, chance: &mut Chance) -> Vec<f64> {
        self.mixing.iter().map(|weights| hidden.times(weights) * chance.factor(noise)).collect()
    }
}

impl Hidden {
    fn times(&self, weights: &[f64; HIDDEN]) -> f64 {
        self.0.iter().zip(weights).map(|(used, weight)| used * weight).sum()
    }
}
