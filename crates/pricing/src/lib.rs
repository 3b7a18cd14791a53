//! Money as people write it, and rates per counter from a provider's configuration.
//!
//! No amount here is a floating-point number: decimals are read digit by digit. What is fitted to
//! benchmarks is computed in floating point, and its rates are whole numbers again.
//!
//! - [`amount`]: `parse_xen("1.5")` and back
//! - [`answers`]: the same work done by several providers, compared
//! - [`decimal`]: exact decimals
//! - [`mod@fit`]: rates from benchmarks, and the check of rates that another claims
//! - [`report`]: what rates come from, between provider and publisher
//! - [`outliers`]: hosts of a fleet that are dearer than the others explain
//! - [`rates`]: XEN per core-hour, GiB-hour and GiB, to the rates of a contract and back
//! - [`recheck`]: whether a machine still does what its rates promise
//! - [`report`]: what rates come from, between provider and publisher

pub mod amount;
pub mod answers;
pub mod decimal;
pub mod fit;
pub mod outliers;
pub mod rates;
pub mod recheck;
pub mod report;

pub use amount::{format_xen, parse_xen};
pub use decimal::{Decimal, DecimalError};
pub use fit::{fit, verify, Fit, FitError, Mode, Row, Rows, RowsError, VerifyError};
pub use rates::{describe, RateConfig, RateError};
pub use report::{fit_report, verify_basis, BasisError, BasisMismatch};
