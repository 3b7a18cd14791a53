//! Money as people write it, and rates per counter from a provider's configuration.
//!
//! Nothing here is a floating-point number: decimals are read digit by digit. Rates that are
//! derived from benchmarks have their place here as well.
//!
//! - [`amount`]: `parse_xen("1.5")` and back
//! - [`decimal`]: exact decimals
//! - [`rates`]: XEN per core-hour, GiB-hour and GiB, to the rates of a contract and back

pub mod amount;
pub mod decimal;
pub mod rates;

pub use amount::{format_xen, parse_xen};
pub use decimal::{Decimal, DecimalError};
pub use rates::{describe, RateConfig, RateError};
