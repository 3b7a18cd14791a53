//! Whether a machine still does what its rates promise: benchmarks run again, as a surprise.
//!
//! Under honest rates one program in twenty costs more or less than its price by more than the
//! half width. So one dear task shows nothing, but several of a few do: of n tasks the number that
//! are dear by chance is at most that of a binomial distribution with p = 0.05. A machine fails
//! where so many are dear that chance does it in less than one case of a hundred.
//!
//! A task can be held against two prices. Held against the price that was negotiated for it, it
//! shows whether the rates are worth their money; the half width is that of the fit, and a task is
//! the total of as many runs as a row is. Held against what the same benchmark's runs behind the
//! rates are billed, it shows whether the machine is still the one that was benchmarked, or ever
//! was; the half width is that of [`half_width_of_runs`], which is much smaller, as it has no noise
//! of prices in it.
//!
//! Either half width comes from the rows of whoever made the rates, and noisy rows widen it. Who
//! accepts a contract bounds it.

use thiserror::Error;
use zennet_primitives::amount::Balance;

use crate::fit::{half_width, COVERAGE};

/// Most cases in which an honest machine fails.
pub const FALSE_ALARMS: f64 = 0.01;

/// Most tasks that are judged together.
pub const MOST_TASKS: usize = 1_000;

/// A task of known price that was run again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Task {
    /// What it is worth, in the smallest unit of the coin.
    pub price: Balance,
    /// What it was billed by the rates.
    pub cost: Balance,
}

/// What the tasks show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recheck {
    /// Tasks that cost more than their price and the half width.
    pub dear: usize,
    /// How many may by chance.
    pub allowed: usize,
}

impl Recheck {
    /// Whether the machine does what its rates promise, as far as these tasks show.
    pub fn passed(&self) -> bool {
        self.dear <= self.allowed
    }
}

/// Why tasks could not be judged.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
pub enum RecheckError {
    /// Too few or too many.
    #[error("{0} tasks cannot be judged: it takes 1 to {MOST_TASKS}")]
    Count(usize),
    /// A task that is worth nothing.
    #[error("task {0} has no price")]
    Free(usize),
    /// The half width is no number, or below zero.
    #[error("the half width must be a number that is at least zero")]
    HalfWidth,
}

/// Judges tasks by the half width of the rates, a part of the price: 0.1 is 10 %.
pub fn recheck(half_width: f64, tasks: &[Task]) -> Result<Recheck, RecheckError> {
    if !(1..=MOST_TASKS).contains(&tasks.len()) {
        return Err(RecheckError::Count(tasks.len()));
    }
    if !half_width.is_finite() || half_width < 0.0 {
        return Err(RecheckError::HalfWidth);
    }
    if let Some(place) = tasks.iter().position(|task| task.price == 0) {
        return Err(RecheckError::Free(place));
    }
    let dear = |task: &&Task| task.cost as f64 > task.price as f64 * (1.0 + half_width);
    Ok(Recheck { dear: tasks.iter().filter(dear).count(), allowed: allowed(tasks.len()) })
}

/// By which part of its usual cost another run of a benchmark may miss it, from what runs of the
/// same benchmarks cost: each is held against the mean of the others of its kind. Benchmarks that
/// were run once, and runs that cost nothing, say nothing.
pub fn half_width_of_runs(benchmarks: &[Vec<Balance>]) -> f64 {
    let mut errors = Vec::new();
    for runs in benchmarks.iter().filter(|runs| runs.len() > 1) {
        let costs: Vec<f64> = runs.iter().map(|cost| *cost as f64).collect();
        let sum: f64 = costs.iter().sum();
        let usual = |cost: f64| (sum - cost) / (costs.len() - 1) as f64;
        let comparable = costs.iter().filter(|cost| usual(**cost) > 0.0);
        errors.extend(comparable.map(|cost| (cost / usual(*cost) - 1.0).abs()));
    }
    half_width(&errors)
}

/// The least number that a binomial count of `tasks`, each with the part of programs outside the
/// interval, exceeds in at most [`FALSE_ALARMS`] of all cases.
fn allowed(tasks: usize) -> usize {
    let outside = 1.0 - COVERAGE;
    let mut chance = COVERAGE.powi(tasks as i32);
    let mut exceeded = 1.0 - chance;
    let mut count = 0;
    while exceeded > FALSE_ALARMS {
        chance *= (tasks - count) as f64 / (count + 1) as f64 * outside / COVERAGE;
        exceeded -= chance;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tasks(costs: &[Balance]) -> Vec<Task> {
        costs.iter().map(|cost| Task { price: 100, cost: *cost }).collect()
    }

    #[test]
    fn a_few_dear_tasks_are_chance_and_more_are_not() {
        // Tables of the binomial distribution with p = 0.05.
        for (count, most) in [(1, 1), (2, 1), (5, 2), (9, 2), (10, 3), (20, 4), (100, 11)] {
            assert_eq!(allowed(count), most, "{count}");
        }
        let mut costs = [100; 20];
        costs[..4].fill(112);
        let seen = recheck(0.1, &tasks(&costs)).unwrap();
        assert_eq!(seen, Recheck { dear: 4, allowed: 4 });
        assert!(seen.passed());
        costs[4] = 111;
        assert!(!recheck(0.1, &tasks(&costs)).unwrap().passed());
    }

    #[test]
    fn a_task_at_the_edge_of_the_interval_and_a_cheap_one_are_not_dear() {
        assert_eq!(recheck(0.5, &tasks(&[150, 1, 0])).unwrap().dear, 0);
        assert_eq!(recheck(0.0, &tasks(&[101])).unwrap().dear, 1);
    }

    #[test]
    fn runs_are_held_against_the_others_of_their_benchmark() {
        let width = half_width_of_runs(&[vec![100, 110, 100], vec![7], vec![0, 0]]);
        assert!((width - 0.1).abs() < 1e-12, "{width}");
        assert_eq!(half_width_of_runs(&[vec![5, 5], vec![8_000, 8_000]]), 0.0);
        assert_eq!(half_width_of_runs(&[vec![7], vec![]]), f64::INFINITY);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        assert_eq!(recheck(0.1, &[]), Err(RecheckError::Count(0)));
        assert_eq!(recheck(0.1, &tasks(&[1; 1001])), Err(RecheckError::Count(1001)));
        assert_eq!(recheck(0.1, &[Task { price: 0, cost: 1 }]), Err(RecheckError::Free(0)));
        for bad in [f64::NAN, f64::INFINITY, -0.1] {
            assert_eq!(recheck(bad, &tasks(&[1])), Err(RecheckError::HalfWidth));
        }
    }

    proptest! {
        #[test]
        fn more_tasks_never_allow_a_greater_part(count in 1usize..MOST_TASKS) {
            prop_assert!(allowed(count) <= count);
            prop_assert!(allowed(count + 1) >= allowed(count));
            prop_assert!(allowed(count + 1) <= allowed(count) + 1);
        }
    }
}
