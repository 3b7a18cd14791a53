//! Programs that use hidden resources, and the counters that show it.

use crate::chance::Chance;

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

/// What one program used and what was negotiated for it.
pub(crate) struct Program {
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
        let mut hidden = [0.0; HIDDEN];
        hidden.iter_mut().for_each(|used| *used = chance.factor(VARIETY));
        let sum = |weights: &[f64; HIDDEN]| weights.iter().zip(&hidden).map(|(w, f)| w * f).sum();
        let mut read = |weights| {
            let true_figure: f64 = sum(weights);
            let runs = (0..runs).map(|_| true_figure * chance.factor(noise)).collect::<Vec<_>>();
            crate::mean(&runs)
        };
        let figures = self.mixing.iter().map(&mut read).collect();
        let worth: f64 = sum(&self.prices);
        Program { figures, price: worth * chance.factor(PRICE_NOISE), worth }
    }
}
