//! Benchmarks with their counters and prices, checked.

use thiserror::Error;
use zennet_primitives::{
    amount::{Balance, RATE_SCALE},
    usage::{Counter, Usage},
};

use super::{
    table::{half_width, Table, TableError, MAX_ROWS},
    Mode,
};

/// Rows that are needed for each counter that is priced.
pub const ROWS_PER_COUNTER: usize = 3;

/// Least spread of a counter's figures per second, as standard deviation by mean. A counter that
/// spreads less is a clock, and a price on it alone would explain every row of form A.
pub const CLOCK_SPREAD: f64 = 0.001;

/// What one run of a benchmark used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The counters' growth over the run.
    pub usage: Usage,
    /// How long it ran, milliseconds.
    pub millis: u64,
}

impl Row {
    /// Several runs of the same benchmark as one. Nothing where there is none, where a sum is too
    /// large or where a figure is in some of them only.
    pub fn total(runs: &[Row]) -> Option<Row> {
        let (first, others) = runs.split_first()?;
        others.iter().try_fold(*first, |sum, run| {
            let mut usage = Usage::default();
            for counter in Counter::ALL {
                match (sum.usage.get(counter), run.usage.get(counter)) {
                    (Some(before), Some(more)) => usage.set(counter, before.checked_add(more)?),
                    (None, None) => {}
                    _ => return None,
                }
            }
            Some(Row { usage, millis: sum.millis.checked_add(run.millis)? })
        })
    }
}

/// Why rows cannot set rates.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum RowsError {
    /// Too few for so many counters.
    #[error("{rows} rows are too few for {counters} counters: at least {needed} are needed")]
    TooFew {
        /// How many there are.
        rows: usize,
        /// Counters that any of them uses.
        counters: usize,
        /// How many there must be.
        needed: usize,
    },
    /// Too many to be looked at.
    #[error("{0} rows are too many: at most {MAX_ROWS} are looked at")]
    TooMany(usize),
    /// No row uses anything.
    #[error("the rows use nothing that could be priced")]
    Nothing,
    /// A run without length has no usage per second.
    #[error("row {0} has no duration")]
    Instant(usize),
    /// A price of zero gives no rates.
    #[error("row {0} has no price")]
    Free(usize),
    /// The price is beyond what rates can express.
    #[error("the price of row {0} is too large")]
    TooDear(usize),
    /// A figure that only some hosts or runs give cannot be priced.
    #[error("{} has a figure in some rows and none in others", .0.name())]
    Partial(Counter),
    /// The same time would be billed twice.
    #[error("cpu_micros already covers user and kernel time: keep either the sum or its parts")]
    CpuTwice,
    /// It says how much time has passed, and nothing else.
    #[error("{} grows at the same speed in every row: vary the benchmarks, or leave it out",
            .0.name())]
    Clock(Counter),
    /// The figures are out of all proportion.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Rows from which rates can be set: enough of them, with the same counters in all.
#[derive(Clone, PartialEq, Debug)]
pub struct Rows {
    rows: Vec<Row>,
    prices: Vec<Balance>,
    counters: Vec<Counter>,
    table: Table,
}

impl Rows {
    /// Form A: runs at full load, each of which is to earn `price_per_sec` a second, in the
    /// smallest unit of the coin.
    ///
    /// Counters that no row uses are left out, and so is that of volumes, which is a clock by
    /// its nature. At least [`ROWS_PER_COUNTER`] rows for each other counter are needed. Each
    /// counter should be much used in some rows and little in others: of one that hardly varies,
    /// its price alone explains nearly every row, and all others come out free.
    pub fn new(rows: Vec<Row>, price_per_sec: Balance) -> Result<Self, RowsError> {
        let of_row = |row: &Row| price_per_sec.checked_mul(row.millis.into());
        let prices = rows.iter().map(of_row).collect();
        Self::checked(rows, prices)
    }

    /// Form B: whole runs, each with the price that was negotiated for it, in the smallest unit of
    /// the coin. What [`Rows::new`] says of counters and their number holds here too.
    pub fn negotiated(rows: Vec<(Row, Balance)>) -> Result<Self, RowsError> {
        let in_thousandths = |(row, price): (Row, Balance)| (row, price.checked_mul(1000));
        let (rows, prices) = rows.into_iter().map(in_thousandths).unzip();
        Self::checked(rows, prices)
    }

    /// Takes prices in thousandths of the smallest unit, or nothing where they do not fit.
    fn checked(rows: Vec<Row>, thousandths: Vec<Option<u128>>) -> Result<Self, RowsError> {
        if rows.len() > MAX_ROWS {
            return Err(RowsError::TooMany(rows.len()));
        }
        let mut prices = Vec::with_capacity(rows.len());
        let mut in_floats = Vec::with_capacity(rows.len());
        for (k, (row, thousandths)) in rows.iter().zip(thousandths).enumerate() {
            if row.millis == 0 {
                return Err(RowsError::Instant(k));
            }
            let thousandths = thousandths.ok_or(RowsError::TooDear(k))?;
            let price = thousandths / 1000;
            if price == 0 {
                return Err(RowsError::Free(k));
            }
            if price.checked_mul(RATE_SCALE).is_none() {
                return Err(RowsError::TooDear(k));
            }
            prices.push(price);
            in_floats.push(thousandths as f64 / 1000.0);
        }
        let counters = columns(&rows)?;
        let needed = counters.len() * ROWS_PER_COUNTER;
        if rows.len() < needed {
            return Err(RowsError::TooFew { rows: rows.len(), counters: counters.len(), needed });
        }
        if let Some(clock) = counters.iter().find(|c| counters.len() > 1 && is_clock(&rows, **c)) {
            return Err(RowsError::Clock(*clock));
        }
        let figures: Vec<Vec<f64>> =
            rows.iter().map(|row| counters.iter().map(|c| figure(row, *c)).collect()).collect();
        let table = Table::new(&figures, &in_floats)?;
        Ok(Self { rows, prices, counters, table })
    }

    /// What was measured.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Price of each row, in the smallest unit of the coin.
    pub fn prices(&self) -> &[Balance] {
        &self.prices
    }

    /// The counters that get a rate.
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// By which part of its price a program may cost more or less than rates from these rows say.
    pub fn half_width(&self, mode: Mode) -> Result<f64, TableError> {
        Ok(half_width(&self.table.errors(mode)?))
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}

/// The usage with some of its counters only: those that are to be priced.
pub fn select(usage: &Usage, counters: &[Counter]) -> Usage {
    let kept = usage.iter().filter(|(counter, _)| counters.contains(counter));
    kept.fold(Usage::default(), |usage, (counter, figure)| usage.with(counter, figure))
}

/// The counters that any row uses; they have a figure in each row.
fn columns(rows: &[Row]) -> Result<Vec<Counter>, RowsError> {
    let mut columns = Vec::new();
    for counter in Counter::ALL.into_iter().filter(|c| *c != Counter::VolumeByteSecs) {
        if rows.iter().any(|row| row.usage.get(counter).is_some_and(|figure| figure > 0)) {
            if rows.iter().any(|row| row.usage.get(counter).is_none()) {
                return Err(RowsError::Partial(counter));
            }
            columns.push(counter);
        }
    }
    let parts = [Counter::CpuUserMicros, Counter::CpuSystemMicros];
    if columns.contains(&Counter::CpuMicros) && parts.iter().any(|part| columns.contains(part)) {
        return Err(RowsError::CpuTwice);
    }
    if columns.is_empty() {
        return Err(RowsError::Nothing);
    }
    Ok(columns)
}

fn figure(row: &Row, counter: Counter) -> f64 {
    row.usage.get(counter).unwrap_or(0) as f64
}

/// Whether a counter's figures per second are all the same, but for [`CLOCK_SPREAD`].
fn is_clock(rows: &[Row], counter: Counter) -> bool {
    let speeds = || rows.iter().map(|row| figure(row, counter) / row.millis as f64);
    let count = rows.len() as f64;
    let mean = speeds().sum::<f64>() / count;
    let variance = speeds().map(|speed| (speed - mean).powi(2)).sum::<f64>() / count;
    variance.sqrt() <= CLOCK_SPREAD * mean
}
