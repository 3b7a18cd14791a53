//! The scaled system of numbers behind rows, of any shape.

use nalgebra::{DMatrix, DVector};
use thiserror::Error;
use zennet_primitives::usage::Counter;

use super::{
    solve::{nonnegative, pseudo_inverse, singular},
    Mode,
};

/// Most rows that are looked at.
pub const MAX_ROWS: usize = 256;

/// Part of all programs whose price the half width is to cover.
pub const COVERAGE: f64 = 0.95;

/// Columns are collinear when the least singular value of the scaled system is at most this part
/// of the greatest. Counters are whole numbers, so what is the same in truth differs a little.
pub const COLLINEAR: f64 = 1e-6;

/// Part of a singular vector's length from which a column takes part in it.
const TAKES_PART: f64 = 0.1;

/// Figures and prices are zero or within this factor of one, so that their squares are numbers.
const GREATEST: f64 = 1e60;

/// Why a table has no solution.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum TableError {
    /// It has no rows or columns, or too many, or rows of different lengths.
    #[error("the table is empty, too large or has rows of different lengths")]
    Shape,
    /// A figure or a price is below zero, out of all proportion, or no number.
    #[error("row {0} has a figure or a price that is not in range")]
    Range(usize),
    /// A column has nothing but zeros.
    #[error("column {0} is zero in every row")]
    Unused(usize),
    /// The iteration did not end.
    #[error("the rates did not converge")]
    NoConvergence,
}

/// Figures of benchmarks (rows) by counters (columns), with prices: `A x ≈ 1`.
///
/// This is the bare solver: it takes fewer rows than columns and columns that are the same. Rates
/// for contracts come from [`Rows`](super::Rows), which refuse both.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// `W V D`: relative to the prices, each column with a root mean square of one.
    scaled: DMatrix<f64>,
    /// The diagonal of `D`.
    scales: Vec<f64>,
}

impl Table {
    /// Takes figures and prices; each figure is at least zero and each price above.
    pub fn new(figures: &[Vec<f64>], prices: &[f64]) -> Result<Self, TableError> {
        let (rows, columns) = (figures.len(), figures.first().map_or(0, Vec::len));
        let sized = (1..=MAX_ROWS).contains(&rows) && (1..=Counter::COUNT).contains(&columns);
        if !sized || prices.len() != rows || figures.iter().any(|row| row.len() != columns) {
            return Err(TableError::Shape);
        }
        let tame = |number: f64| (1.0 / GREATEST..=GREATEST).contains(&number);
        for (k, (row, price)) in figures.iter().zip(prices).enumerate() {
            if !tame(*price) || row.iter().any(|figure| *figure != 0.0 && !tame(*figure)) {
                return Err(TableError::Range(k));
            }
        }
        let mut scaled = DMatrix::from_fn(rows, columns, |k, j| figures[k][j] / prices[k]);
        let mut scales = Vec::with_capacity(columns);
        for (j, mut column) in scaled.column_iter_mut().enumerate() {
            let size = column.norm() / (rows as f64).sqrt();
            if size == 0.0 {
                return Err(TableError::Unused(j));
            }
            column /= size;
            scales.push(1.0 / size);
        }
        Ok(Self { scaled, scales })
    }

    /// The price of one unit of each column.
    pub fn solve(&self, mode: Mode) -> Result<Vec<f64>, TableError> {
        let solution = solve(&self.scaled, mode)?;
        Ok(solution.iter().zip(&self.scales).map(|(x, scale)| x * scale).collect())
    }

    /// By which part of its price each row is missed by what the other rows say.
    pub fn errors(&self, mode: Mode) -> Result<Vec<f64>, TableError> {
        if self.scaled.nrows() < 2 {
            return Err(TableError::Shape);
        }
        let without = |k| {
            let solution = solve(&self.scaled.clone().remove_row(k), mode)?;
            Ok(((self.scaled.row(k) * solution)[0] - 1.0).abs())
        };
        (0..self.scaled.nrows()).map(without).collect()
    }

    /// The greatest singular value of the scaled system by the least.
    pub fn condition(&self) -> Result<f64, TableError> {
        let values = singular(&self.scaled)?.singular_values;
        Ok(values.max() / values.min())
    }

    /// The columns that are in a fixed proportion, where there are any.
    pub fn collinear(&self) -> Result<Option<Vec<usize>>, TableError> {
        let columns = self.scaled.ncols();
        if self.scaled.nrows() < columns {
            return Ok(Some((0..columns).collect()));
        }
        let svd = singular(&self.scaled)?;
        let (place, least) = svd.singular_values.argmin();
        if least > COLLINEAR * svd.singular_values.max() {
            return Ok(None);
        }
        let directions = svd.v_t.ok_or(TableError::NoConvergence)?;
        Ok(Some((0..columns).filter(|j| directions[(place, *j)].abs() > TAKES_PART).collect()))
    }

    /// `Aᵀ(1 − A x)/N` for the price of one unit of each column: in which direction each price
    /// would have to go.
    pub(super) fn gradient(&self, prices: &[f64]) -> Vec<f64> {
        let x = prices.iter().zip(&self.scales).map(|(price, scale)| price / scale);
        let x = DVector::from_iterator(self.scales.len(), x);
        let rows = self.scaled.nrows();
        let rest = DVector::repeat(rows, 1.0) - &self.scaled * x;
        (self.scaled.tr_mul(&rest) / rows as f64).iter().copied().collect()
    }
}

fn solve(scaled: &DMatrix<f64>, mode: Mode) -> Result<DVector<f64>, TableError> {
    let ones = DVector::repeat(scaled.nrows(), 1.0);
    match mode {
        Mode::NonNegative => nonnegative(scaled, &ones),
        Mode::Pinv => pseudo_inverse(scaled, &ones),
    }
}

/// Half width of the interval that holds [`COVERAGE`] of the prices of further programs, from
/// leave-one-out errors: the `⌈0.95(N+1)⌉`-th smallest of N, and the largest where N is below 19.
///
/// The rank is that of conformal prediction (Vovk, Gammerman, Shafer, *Algorithmic Learning in a
/// Random World*, 2005): a new error is as likely to take each of the N + 1 places among the
/// others. Where N is below 19, N/(N+1) is all the coverage that the rows can give.
pub fn half_width(errors: &[f64]) -> f64 {
    let mut sorted = errors.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (COVERAGE * (sorted.len() as f64 + 1.0)).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).or(sorted.last()).copied().unwrap_or(f64::INFINITY)
}
