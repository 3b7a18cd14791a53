//! Money as people write it, and rates per counter from a provider's configuration.
//!
//! No amount here is a floating-point number: decimals are read digit by digit. What is fitted to
//! benchmarks is computed in floating point, and its rates are whole numbers again.
//!
//! - [`amount`]: `parse_xen("1.5")` and back
//! - [`decimal`]: exact decimals
//! - [`fit`]: rates from benchmarks, and the check of rates that another claims
//! - [`report`]: what rates come from, between provider and publisher
//! - [`rates`]: XEN per core-hour, GiB-hour and GiB, to the rates of a contract and back

pub mod amount;
pub mod decimal;
pub mod fit;
pub mod rates;
pub mod report;

pub use amount::{format_xen, parse_xen};
pub use decimal::{Decimal, DecimalError};
pub use fit::{fit, verify, Fit, FitError, Mode, Row, Rows, RowsError, VerifyError};
pub use rates::{describe, RateConfig, RateError};
pub use report::{rates_of, verify_basis, BasisError, BasisMismatch};
