//! Exact non-negative decimals.

use std::{fmt, str::FromStr};

use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Most digits that a decimal may have, before and after the point together.
pub const MAX_DIGITS: usize = 30;

/// Most significant digits that a floating-point number of a configuration file keeps.
const FLOAT_DIGITS: usize = 15;

/// Why a text is no decimal.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecimalError {
    /// There is nothing to read.
    #[error("a number is missing")]
    Empty,
    /// It is below zero.
    #[error("a number below zero is not allowed here")]
    Negative,
    /// It is not made of digits with at most one point between them.
    #[error("\"{0}\" is no decimal number: write digits with at most one point, such as 0.05")]
    NotANumber(String),
    /// It is too long.
    #[error("the number has {0} digits, at most {MAX_DIGITS} are allowed")]
    TooManyDigits(usize),
    /// A floating-point number that may already have lost digits.
    #[error("{0} is not exact as a floating-point number: write it in quotes")]
    Inexact(String),
}

/// A number of at most [`MAX_DIGITS`] digits: `mantissa / 10^scale`, in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Decimal {
    mantissa: u128,
    scale: u32,
}

impl Decimal {
    /// The number `mantissa / 10^scale`.
    pub(crate) fn new(mut mantissa: u128, mut scale: u32) -> Self {
        while scale > 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// The number times `10^places`, where that is whole and fits.
    pub fn shifted(&self, places: u32) -> Option<u128> {
        let power = 10u128.checked_pow(places.checked_sub(self.scale)?)?;
        self.mantissa.checked_mul(power)
    }

    /// Digits after the point.
    pub fn scale(&self) -> u32 {
        self.scale
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(DecimalError::Empty);
        }
        if text.starts_with('-') {
            return Err(DecimalError::Negative);
        }
        let not_a_number = || DecimalError::NotANumber(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(not_a_number());
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let count = whole.len() + fraction.len();
        if count > MAX_DIGITS {
            return Err(DecimalError::TooManyDigits(count));
        }
        let mantissa = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0u128, |number, digit| number * 10 + u128::from(digit - b'0'));
        Ok(Self::new(mantissa, fraction.len() as u32))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>1$}", self.mantissa, self.scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.scale as usize);
        f.write_str(whole)?;
        if !fraction.is_empty() {
            write!(f, ".{fraction}")?;
        }
        Ok(())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number that is not negative, such as \"0.05\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(Decimal::new(number.into(), 0))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        let number = u64::try_from(number).map_err(|_| E::custom(DecimalError::Negative))?;
        self.visit_u64(number)
    }

    /// The shortest text that reads back as this number is what was written, as long as it has
    /// no more digits than a floating-point number keeps.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        let text = number.to_string();
        let digits = text.trim_start_matches(['0', '.', '-']).bytes();
        if digits.filter(u8::is_ascii_digit).count() > FLOAT_DIGITS {
            return Err(E::custom(DecimalError::Inexact(text)));
        }
        self.visit_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (text, mantissa, scale) in
            [("0.05", 5, 2), ("1.50", 15, 1), ("007", 7, 0), ("10", 10, 0), ("0.000", 0, 0)]
        {
            assert_eq!(text.parse(), Ok(Decimal { mantissa, scale }), "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused_by_name() {
        assert_eq!("".parse::<Decimal>(), Err(DecimalError::Empty));
        assert_eq!("-1".parse::<Decimal>(), Err(DecimalError::Negative));
        for text in ["NaN", "inf", "1e3", "1.2.3", ".5", "5.", "1,5", "0x1", "+1", "1 2", "१"] {
            let refused = text.parse::<Decimal>();
            assert_eq!(refused, Err(DecimalError::NotANumber(text.into())), "{text}");
        }
        let long = format!("1.{}", "3".repeat(30));
        assert_eq!(long.parse::<Decimal>(), Err(DecimalError::TooManyDigits(31)));
    }

    #[test]
    fn numbers_and_texts_of_a_file_mean_the_same() {
        let read = |text: &str| {
            let table = toml::from_str::<BTreeMap<String, Decimal>>(&format!("x = {text}"));
            table.map(|table| table["x"])
        };
        assert_eq!(read("0.05").unwrap(), read("\"0.05\"").unwrap());
        assert_eq!(read("3").unwrap(), read("\"3\"").unwrap());
        assert!(read("-3").is_err());
        assert!(read("-0.5").is_err());
        let error = read("0.12345678901234567").unwrap_err().to_string();
        assert!(error.contains("write it in quotes"), "{error}");
    }

    #[test]
    fn floats_that_are_no_numbers_are_refused() {
        for text in ["nan", "inf", "-inf", "-0.1"] {
            let table = toml::from_str::<BTreeMap<String, Decimal>>(&format!("x = {text}"));
            assert!(table.is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(mantissa in 0u128..10u128.pow(30), scale in 0u32..=30) {
            let decimal = Decimal::new(mantissa, scale);
            prop_assert_eq!(decimal.to_string().parse(), Ok(decimal));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = text.parse::<Decimal>();
        }
    }
}
