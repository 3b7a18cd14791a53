//! Amounts of XEN as an operator writes them.

use serde::{de::Error, Deserialize, Deserializer};
use zennet_pricing::Decimal;
use zennet_primitives::amount::{Balance, DECIMALS};

/// An amount in the smallest coin unit, written in XEN: `1`, `0.25` or `"0.25"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xen(pub(crate) Balance);

impl<'de> Deserialize<'de> for Xen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let decimal = Decimal::deserialize(deserializer)?;
        if decimal.scale() > DECIMALS {
            let message = format!("{decimal} XEN has more than {DECIMALS} digits after the point");
            return Err(Error::custom(message));
        }
        let amount = decimal.shifted(DECIMALS);
        amount.map(Xen).ok_or_else(|| Error::custom(format!("{decimal} XEN is too large")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::amount::XEN;

    #[derive(Deserialize)]
    struct Written {
        amount: Xen,
    }

    fn read(text: &str) -> Option<Xen> {
        toml::from_str::<Written>(&format!("amount = {text}")).ok().map(|w| w.amount)
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(read("1"), Some(Xen(XEN)));
        assert_eq!(read("\"0.25\""), Some(Xen(XEN / 4)));
        assert_eq!(read("\"0.000000000001\""), Some(Xen(1)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["\"\"", "\"-1\"", "-1", "\"0.0000000000001\"", "\"1 XEN\"", "true"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
