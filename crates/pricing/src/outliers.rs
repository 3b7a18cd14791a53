//! Hosts of a fleet that are dearer than the others explain.
//!
//! Each host has done work of the same kind, and its cost for a unit of it is known. Honest hosts
//! differ, by their processors and their neighbours, in a way that is about normal in the
//! logarithm of the cost. A cheat among them must not move what it is judged by, so centre and
//! spread are such that up to half of the hosts cannot move them far: the median, and the median
//! absolute deviation from it (MAD). A host is an outlier where its modified z-score
//!
//! ```text
//! z = 0.6745 · (ln cost − median) / max(MAD, 0.6745 · least spread)
//! ```
//!
//! is above the threshold; 0.6745 σ is the MAD of a normal distribution. Iglewicz and Hoaglin (*How
//! to Detect and Handle Outliers*, 1993) recommend 3.5. The MAD of a few hosts is itself uncertain:
//! at 3.5 seven in a thousand honest hosts are accused in a fleet of [`LEAST_HOSTS`], two in a
//! fleet of thirty (`docs/measurements/cheats.md`).

use thiserror::Error;

/// MAD of a normal distribution whose standard deviation is one.
const NORMAL_MAD: f64 = 0.6745;

/// Fewest hosts that are compared.
pub const LEAST_HOSTS: usize = 12;

/// Most hosts that are compared at once.
pub const MOST_HOSTS: usize = 100_000;

/// What makes a host an outlier.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Modified z-score above which a host is one.
    pub threshold: f64,
    /// Standard deviation of the logarithm of the cost that is granted in any case: hosts that are
    /// all alike do not accuse one that is a little dearer.
    pub least_spread: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { threshold: 3.5, least_spread: 0.02 }
    }
}

/// Why hosts could not be compared.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
pub enum OutlierError {
    /// Too few or too many.
    #[error("{0} hosts cannot be compared: it takes {LEAST_HOSTS} to {MOST_HOSTS}")]
    Count(usize),
    /// A cost is zero, below it, or no number.
    #[error("the cost of host {0} is not a number above zero")]
    Cost(usize),
    /// A limit is zero, below it, or no number.
    #[error("threshold and least spread must be numbers above zero")]
    Limits,
}

/// The hosts, by place, whose cost for a unit of work is above what the others explain.
pub fn outliers(costs: &[f64], limits: &Limits) -> Result<Vec<usize>, OutlierError> {
    if !(LEAST_HOSTS..=MOST_HOSTS).contains(&costs.len()) {
        return Err(OutlierError::Count(costs.len()));
    }
    let positive = |number: f64| number.is_finite() && number > 0.0;
    if !positive(limits.threshold) || !positive(limits.least_spread) {
        return Err(OutlierError::Limits);
    }
    if let Some(place) = costs.iter().position(|cost| !positive(*cost)) {
        return Err(OutlierError::Cost(place));
    }
    let logs: Vec<f64> = costs.iter().map(|cost| cost.ln()).collect();
    let centre = median(logs.clone());
    let spread = median(logs.iter().map(|log| (log - centre).abs()).collect()) / NORMAL_MAD;
    let most = limits.threshold * spread.max(limits.least_spread);
    Ok((0..logs.len()).filter(|place| logs[*place] - centre > most).collect())
}

/// The middle of numbers of which there is at least one.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        numbers[middle]
    } else {
        (numbers[middle - 1] + numbers[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALIKE: [f64; 12] = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.08, 0.93, 1.0, 1.04, 0.97];

    fn with(dear: &[(usize, f64)]) -> Vec<usize> {
        let mut costs = ALIKE.to_vec();
        dear.iter().for_each(|(place, cost)| costs[*place] = *cost);
        outliers(&costs, &Limits::default()).unwrap()
    }

    #[test]
    fn a_host_far_above_the_others_is_found_and_its_neighbours_are_not() {
        assert_eq!(with(&[]), [0usize; 0]);
        assert_eq!(with(&[(3, 1.5)]), [3]);
        assert_eq!(with(&[(3, 0.5)]), [0usize; 0]);
    }

    #[test]
    fn cheats_do_not_hide_each_other() {
        assert_eq!(with(&[(0, 3.0), (5, 3.0), (9, 40.0)]), [0, 5, 9]);
    }

    #[test]
    fn hosts_that_are_all_alike_grant_a_little() {
        let mut costs = [1.0; 20];
        costs[7] = 1.05;
        assert_eq!(outliers(&costs, &Limits::default()), Ok(vec![]));
        costs[7] = 1.08;
        assert_eq!(outliers(&costs, &Limits::default()), Ok(vec![7]));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let limits = Limits::default();
        assert_eq!(outliers(&ALIKE[1..], &limits), Err(OutlierError::Count(11)));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut costs = ALIKE;
            costs[4] = bad;
            assert_eq!(outliers(&costs, &limits), Err(OutlierError::Cost(4)));
            let error = Err(OutlierError::Limits);
            assert_eq!(outliers(&ALIKE, &Limits { threshold: bad, ..limits }), error);
            assert_eq!(outliers(&ALIKE, &Limits { least_spread: bad, ..limits }), error);
        }
    }

    proptest! {
        #[test]
        fn neither_the_unit_of_work_nor_the_order_matters(
            mut costs in prop::collection::vec(0.1f64..10.0, LEAST_HOSTS..40),
            unit in 0.01f64..100.0
        ) {
            let limits = Limits { threshold: 2.0, ..Limits::default() };
            let found = |costs: &[f64]| {
                let places = outliers(costs, &limits).unwrap();
                places.into_iter().map(|place| costs[place]).collect::<Vec<_>>()
            };
            let first = found(&costs);
            let scaled: Vec<f64> = costs.iter().map(|cost| cost * unit).collect();
            prop_assert_eq!(found(&scaled).len(), first.len());
            costs.reverse();
            let mut reversed = found(&costs);
            reversed.reverse();
            prop_assert_eq!(reversed, first);
        }
    }
}
