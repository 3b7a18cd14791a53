//! Least squares: without negative numbers, and by the pseudo-inverse.

use nalgebra::{DMatrix, DVector, Dyn, SVD};

use super::table::TableError;

/// Steps for each column after which the iteration is given up. It is finite in exact arithmetic
/// and takes about one step a column.
const STEPS: usize = 30;

/// Most sweeps of the singular value decomposition.
const SWEEPS: usize = 1_000;

/// The `x ≥ 0` with the least `|A x − b|`, by the active sets of Lawson and Hanson (*Solving Least
/// Squares Problems*, 1974, chapter 23).
///
/// A column is taken in where the error falls as its number grows, the fastest first; the columns
/// that are in are solved for without a bound. Where that drives a number below zero, the way there
/// is walked up to the first zero, whose column leaves.
pub(super) fn nonnegative(a: &DMatrix<f64>, b: &DVector<f64>) -> Result<DVector<f64>, TableError> {
    let columns = a.ncols();
    // Below this a gradient is the rounding of its own sum.
    let least = 10.0 * f64::EPSILON * a.nrows().max(columns) as f64 * b.norm();
    let mut x = DVector::zeros(columns);
    let mut taken = vec![false; columns];
    let mut barred = vec![false; columns];
    for _ in 0..STEPS * columns {
        let gradient = a.tr_mul(&(b - a * &x));
        let falls = |j: &usize| gradient[*j] > least * a.column(*j).norm();
        let open = (0..columns).filter(|j| !taken[*j] && !barred[*j]).filter(falls);
        let Some(next) = open.max_by(|i, j| gradient[*i].total_cmp(&gradient[*j])) else {
            return Ok(x);
        };
        taken[next] = true;
        match free(a, b, &taken).filter(|z| z[next] > 0.0) {
            Some(z) => x = feasible(a, b, x, z, &mut taken)?,
            // The column is one of those taken but for rounding: it cannot lower the error.
            None => {
                taken[next] = false;
                barred[next] = true;
                continue;
            }
        }
        barred.fill(false);
    }
    Err(TableError::NoConvergence)
}

/// Walks from `x` towards the unbounded solution `z`, leaving columns behind at zero.
fn feasible(
    a: &DMatrix<f64>,
    b: &DVector<f64>,
    mut x: DVector<f64>,
    mut z: DVector<f64>,
    taken: &mut [bool],
) -> Result<DVector<f64>, TableError> {
    for _ in 0..=taken.len() {
        let blocking = (0..taken.len()).filter(|j| taken[*j] && z[*j] <= 0.0);
        let ways = blocking.map(|j| (j, x[j] / (x[j] - z[j])));
        let Some((first, way)) = ways.min_by(|(_, a), (_, b)| a.total_cmp(b)) else {
            return Ok(z);
        };
        x += (&z - &x) * way;
        for j in 0..taken.len() {
            if taken[j] && (j == first || x[j] <= 0.0) {
                taken[j] = false;
                x[j] = 0.0;
            }
        }
        z = free(a, b, taken).ok_or(TableError::NoConvergence)?;
    }
    Err(TableError::NoConvergence)
}

/// The `z` with the least `|A z − b|` that is zero outside the columns taken; nothing where these
/// are linearly dependent.
fn free(a: &DMatrix<f64>, b: &DVector<f64>, taken: &[bool]) -> Option<DVector<f64>> {
    let places: Vec<usize> = (0..taken.len()).filter(|j| taken[*j]).collect();
    let mut solution = DVector::zeros(taken.len());
    if places.len() > a.nrows() {
        return None;
    }
    let qr = a.select_columns(&places).qr();
    let mut image = b.clone();
    qr.q_tr_mul(&mut image);
    let part = qr.r().solve_upper_triangular(&image.rows(0, places.len()).into_owned())?;
    for (place, value) in places.into_iter().zip(part.iter()) {
        solution[place] = *value;
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

/// The shortest `x` with the least `|A x − b|`: `A⁺ b`. Singular values of at most
/// `max(N, m) · ε · σ₁` count as zero.
pub(super) fn pseudo_inverse(
    a: &DMatrix<f64>,
    b: &DVector<f64>,
) -> Result<DVector<f64>, TableError> {
    let svd = singular(a)?;
    let size = a.nrows().max(a.ncols()) as f64;
    let least = size * f64::EPSILON * svd.singular_values.max();
    svd.solve(b, least).map_err(|_| TableError::NoConvergence)
}

/// The singular value decomposition with both bases.
pub(super) fn singular(a: &DMatrix<f64>) -> Result<SVD<f64, Dyn, Dyn>, TableError> {
    a.clone().try_svd(true, true, 5.0 * f64::EPSILON, SWEEPS).ok_or(TableError::NoConvergence)
}
