//! Amounts of the coin as people write them.

use thiserror::Error;
use zennet_primitives::amount::{Balance, DECIMALS};

use crate::decimal::{Decimal, DecimalError};

/// Why a text is no amount.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AmountError {
    /// It is no decimal number.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// It is finer than the coin.
    #[error("{0} XEN has more than {DECIMALS} digits after the point")]
    TooFine(Decimal),
    /// It does not fit.
    #[error("{0} XEN is more than an account can hold")]
    TooLarge(Decimal),
}

/// Reads an amount in XEN, such as `1.5`.
pub fn parse_xen(text: &str) -> Result<Balance, AmountError> {
    let decimal: Decimal = text.parse()?;
    if decimal.scale() > DECIMALS {
        return Err(AmountError::TooFine(decimal));
    }
    decimal.shifted(DECIMALS).ok_or(AmountError::TooLarge(decimal))
}

/// Writes an amount in XEN, exactly and without a unit.
pub fn format_xen(balance: Balance) -> String {
    Decimal::new(balance, DECIMALS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zennet_primitives::amount::XEN;

    #[test]
    fn amounts_are_read_in_xen() {
        assert_eq!(parse_xen("1.5"), Ok(XEN + XEN / 2));
        assert_eq!(parse_xen("0.000000000001"), Ok(1));
        assert_eq!(format_xen(XEN / 20), "0.05");
        assert_eq!(format_xen(0), "0");
    }

    #[test]
    fn amounts_that_the_coin_cannot_express_are_refused() {
        assert!(matches!(parse_xen("0.0000000000001"), Err(AmountError::TooFine(_))));
        assert!(matches!(parse_xen(&"9".repeat(30)), Err(AmountError::TooLarge(_))));
        assert_eq!(parse_xen("-1"), Err(AmountError::Decimal(DecimalError::Negative)));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(balance in 0..10u128.pow(30)) {
            prop_assert_eq!(parse_xen(&format_xen(balance)), Ok(balance));
        }

        #[test]
        fn every_balance_can_be_written(balance: u128) {
            prop_assert!(!format_xen(balance).is_empty());
        }
    }
}
