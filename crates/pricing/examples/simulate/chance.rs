//! Randomness from a seed.

use std::f64::consts::TAU;

use rand::{rngs::StdRng, Rng, SeedableRng};

pub(crate) struct Chance(StdRng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Uniform between two numbers.
    pub(crate) fn within(&mut self, from: f64, to: f64) -> f64 {
        self.0.gen_range(from..to)
    }

    /// Whether something happens that has this probability.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.0.gen_bool(probability)
    }

    /// One of the first `count` places.
    pub(crate) fn place(&mut self, count: usize) -> usize {
        self.0.gen_range(0..count)
    }

    /// Normal with a mean of zero (Box and Muller, 1958).
    pub(crate) fn normal(&mut self, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.gen::<f64>()).ln()).sqrt();
        deviation * radius * (TAU * self.0.gen::<f64>()).cos()
    }

    /// A factor around one whose logarithm is normal.
    pub(crate) fn factor(&mut self, deviation: f64) -> f64 {
        self.normal(deviation).exp()
    }
}
