//! Randomness from a seed.

use rand::{rngs::StdRng, Rng, SeedableRng};

pub(super) struct Chance(StdRng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// One of the first `count` numbers.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0.gen_range(0..count)
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Both bounds are possible.
    pub(super) fn between(&mut self, least: u128, most: u128) -> u128 {
        self.0.gen_range(least..=most.max(least))
    }

    /// Both bounds are possible.
    pub(super) fn blocks(&mut self, least: u32, most: u32) -> u32 {
        self.0.gen_range(least..=most.max(least))
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        self.0.gen()
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.below(from.len()))
    }

    /// Some of them in random order, at least one and at most `most`.
    pub(super) fn some<T: Clone>(&mut self, from: &[T], most: usize) -> Vec<T> {
        let mut left = from.to_vec();
        let count = 1 + self.below(most.min(from.len()));
        (0..count).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}
