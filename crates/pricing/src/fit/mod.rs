//! Rates from benchmarks: the decorrelating formula.
//!
//! Programs use hidden, uncorrelated resources `f` that have prices `p`; running one costs
//! `s = pᵀf`. What can be read are counters `v`, each a linear image of `f`, so that they rise
//! together. N benchmarks with counters `V` (N × m) and negotiated prices `s` give the rates `r`
//! with `V r = s` (Ohad Asor's note on Zennet's pricing, 2014: `r = V⁺ s`).
//!
//! ```text
//! rows, prices ──► Rows ──► fit ──► rates, half width     the provider, or whoever offers
//!                   └──────► verify(rates)                the other side, without solving
//! ```
//!
//! Prices come in two forms. In form A a load generator runs random mixes at full load, and every
//! row is to earn the same a second ([`Rows::new`]); in form B whole benchmarks have prices of
//! their own ([`Rows::negotiated`]). Each benchmark is best run three times or more and the runs
//! taken together as one row ([`Row::total`]): noise averages out, and no row is judged by rates
//! that have seen its own benchmark.
//!
//! The system is solved in relative errors, with columns of the same size: `A = W V D`,
//! `W = diag(1/s)`, `D = diag(1/rms(column of W V))`, `A x ≈ 1`, `r = D x`.

mod rows;
mod solve;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zennet_primitives::{
    amount::{Balance, PriceError, Rates, RATE_SCALE},
    usage::{Counter, Usage},
};

pub use rows::{select, Row, Rows, RowsError, CLOCK_SPREAD, ROWS_PER_COUNTER};
pub use table::{half_width, Table, TableError, COLLINEAR, COVERAGE, MAX_ROWS};
pub use verify::{verify, VerifyError, TOLERANCE};

/// How the rates are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Least squares with no rate below zero. A negative rate could be farmed: a tenant that
    /// inflates the counter lowers its bill.
    #[default]
    NonNegative,
    /// The pseudo-inverse by singular values, as in the note. Rates may come out negative, and are
    /// refused then.
    Pinv,
}

/// Rates from benchmarks, and how well they explain them.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// The rates.
    pub rates: Rates,
    /// By which part of its price a program may cost more or less than these rates say, with
    /// 95 % confidence; 0.1 is 10 %. See [`half_width`].
    pub half_width: f64,
    /// Condition number of the scaled system: by how much noise in the counters may be amplified
    /// in the rates.
    pub condition: f64,
    /// Of each row, its price and what the rates bill for it, in the smallest unit of the coin.
    pub predictions: Vec<(Balance, Balance)>,
    /// Of each row, by which part of its price the rates from all the other rows miss it.
    pub errors: Vec<f64>,
}

/// Why rows give no rates.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum FitError {
    /// Some counters cannot be told apart.
    #[error("the benchmarks use {} in a fixed proportion, so that they cannot be priced apart: \
             leave one out, or vary the benchmarks", names(.0))]
    Collinear(Vec<Counter>),
    /// A rate would be below zero.
    #[error("the rate of {} would be below zero", .0.name())]
    Negative(Counter),
    /// A rate does not fit.
    #[error("the rate of {} does not fit", .0.name())]
    TooLarge(Counter),
    /// Rates have not enough digits for prices this small.
    #[error("the prices are too small to be expressed as rates: {0}")]
    TooSmall(VerifyError),
    /// The rates do not bill the rows.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The system could not be solved.
    #[error(transparent)]
    Table(#[from] TableError),
}

fn names(counters: &[Counter]) -> String {
    counters.iter().map(|counter| counter.name()).collect::<Vec<_>>().join(", ")
}

/// The rates under which the rows come as near as can be to their prices, in relative terms.
///
/// Rates of the default mode pass [`verify`] with the same rows.
pub fn fit(rows: &Rows, mode: Mode) -> Result<Fit, FitError> {
    let table = rows.table();
    if let Some(columns) = table.collinear()? {
        return Err(FitError::Collinear(columns.into_iter().map(|j| rows.counters()[j]).collect()));
    }
    let mut rates = Rates::default();
    for (counter, rate) in rows.counters().iter().zip(table.solve(mode)?) {
        rates = rates.with(*counter, to_rate(*counter, rate)?);
    }
    verify(rows, &rates).map_err(FitError::TooSmall)?;
    let predictions = rows
        .rows()
        .iter()
        .zip(rows.prices())
        .map(|(row, price)| Ok((*price, rates.price(&row.usage, &Usage::ZERO)?)))
        .collect::<Result<_, PriceError>>()?;
    let errors = table.errors(mode)?;
    Ok(Fit {
        rates,
        half_width: half_width(&errors),
        condition: table.condition()?,
        predictions,
        errors,
    })
}

/// A price of one unit of a counter as a rate, rounded to the nearest.
fn to_rate(counter: Counter, price: f64) -> Result<u128, FitError> {
    if price < 0.0 {
        return Err(FitError::Negative(counter));
    }
    let rate = (price * RATE_SCALE as f64).round();
    // Conversion saturates, so what is below the greatest number has been converted exactly.
    if rate < u128::MAX as f64 {
        Ok(rate as u128)
    } else {
        Err(FitError::TooLarge(counter))
    }
}
