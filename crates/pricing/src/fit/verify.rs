//! Whether claimed rates are those of their rows, without solving for them.

use thiserror::Error;
use zennet_primitives::{
    amount::{Rates, RATE_SCALE},
    usage::Counter,
};

use super::Rows;

/// How far from zero the conditions of an optimum may be, for the scaled system divided by its
/// number of rows.
///
/// Claimed rates that pass predict the rows' prices as the true optimum does, but for a root mean
/// square of `√(2 m ε)` of the price: 0.05 % with ten counters. (With gradients `g`, `g*` of the
/// claim `x` and the optimum `x*`, the mean square of `A (x − x*)` is `Σ (x*−x) g + (x−x*) g*`, of
/// which the second part is not above zero and the first at most `ε Σ (x + x*)`; no scaled rate of
/// an optimum is above one.) Rounding of a solution and of its rates stays far below.
pub const TOLERANCE: f64 = 1e-8;

/// Why claimed rates are not those of their rows.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum VerifyError {
    /// A rate has no benchmark behind it.
    #[error("{} has a rate, but no benchmark uses it", .0.name())]
    Unused(Counter),
    /// Other rates explain the rows better.
    #[error("the rate of {} is not that of the benchmarks: it should be {}", .counter.name(),
            if *.gradient > 0.0 { "higher" } else { "lower" })]
    NotOptimal {
        /// The counter that is furthest off.
        counter: Counter,
        /// In which direction, for the scaled system.
        gradient: f64,
    },
}

/// Checks by the conditions of Karush, Kuhn and Tucker that the rates are those of
/// [`Mode::NonNegative`](super::Mode::NonNegative) for these rows: with `g = Aᵀ(1 − A x)/N`,
/// `g ≤ ε` where a rate is zero and `|g| ≤ ε` elsewhere, for ε = [`TOLERANCE`].
pub fn verify(rows: &Rows, rates: &Rates) -> Result<(), VerifyError> {
    if let Some((counter, _)) = rates.priced().find(|(c, _)| !rows.counters().contains(c)) {
        return Err(VerifyError::Unused(counter));
    }
    let claimed: Vec<f64> =
        rows.counters().iter().map(|c| rates.get(*c) as f64 / RATE_SCALE as f64).collect();
    let gradients = rows.table().gradient(&claimed);
    let wrong = rows.counters().iter().zip(gradients).filter(|(counter, gradient)| {
        // A number that is none would compare as neither.
        let upward = *gradient > TOLERANCE || gradient.is_nan();
        upward || (*gradient < -TOLERANCE && rates.get(**counter) > 0)
    });
    match wrong.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs())) {
        Some((counter, gradient)) => Err(VerifyError::NotOptimal { counter: *counter, gradient }),
        None => Ok(()),
    }
}
