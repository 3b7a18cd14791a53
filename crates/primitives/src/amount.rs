//! The coin, rates, and the price of usage.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::U256;
use thiserror::Error;

use crate::usage::{Counter, Usage};

/// Amount in the smallest unit of the coin.
pub type Balance = u128;

/// Decimals of the coin.
pub const DECIMALS: u32 = 12;

/// One XEN in its smallest unit.
pub const XEN: Balance = 10u128.pow(DECIMALS);

/// Everything that there is: ten billion XEN, all of it made at genesis.
pub const TOTAL_SUPPLY: Balance = 10_000_000_000 * XEN;

/// Rates are integers in units of 1e-18 of the smallest coin unit.
pub const RATE_SCALE: u128 = 10u128.pow(18);

/// Price of one unit of one counter, in 1e-18 of the smallest coin unit.
pub type Rate = u128;

/// Why a price could not be computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PriceError {
    /// The price does not fit in 128 bits.
    #[error("the price overflows 128 bits at counter {}", .0.name())]
    Overflow(Counter),
    /// A counter that has a rate is absent from the usage or from the baseline.
    #[error("counter {} has a rate but no figure", .0.name())]
    Absent(Counter),
    /// A cumulative counter is below its baseline.
    #[error("counter {} is below its baseline", .0.name())]
    BelowBaseline(Counter),
}

/// Rates per unit of each counter; zero means that the counter is free.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Rates([Compact; Counter::COUNT]);

/// A rate in its compact encoding, which keeps announcements small.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
struct Compact(#[codec(compact)] Rate);

impl Rates {
    /// The rate of one counter, in 1e-18 of the smallest coin unit per unit of the counter.
    pub fn get(&self, counter: Counter) -> Rate {
        self.0[counter as usize].0
    }

    /// Sets the rate of one counter.
    #[must_use]
    pub fn with(mut self, counter: Counter, rate: Rate) -> Self {
        self.0[counter as usize] = Compact(rate);
        self
    }

    /// The counters that cost something, with their rates.
    pub fn priced(&self) -> impl Iterator<Item = (Counter, Rate)> + '_ {
        Counter::ALL.into_iter().map(|c| (c, self.get(c))).filter(|(_, r)| *r > 0)
    }

    /// Whether no rate is above its twin in `limit`.
    pub fn within(&self, limit: &Rates) -> bool {
        Counter::ALL.into_iter().all(|c| self.get(c) <= limit.get(c))
    }

    /// All rates lowered to the same part of them, `floor(rate · part / whole)`; as they are where
    /// the part is not below the whole.
    #[must_use]
    pub fn lowered(&self, part: Balance, whole: Balance) -> Self {
        Self(self.0.map(|rate| Compact(part_of(rate.0, part, whole))))
    }

    /// Price of what was used between two readings: `floor(Σ rate_j · (v_j − v0_j) / 1e18)`.
    ///
    /// It is computed from cumulative counters, so rounding never adds up over ticks.
    pub fn price(&self, usage: &Usage, baseline: &Usage) -> Result<Balance, PriceError> {
        let mut sum: u128 = 0;
        for (counter, rate) in self.priced() {
            let now = usage.get(counter).ok_or(PriceError::Absent(counter))?;
            let start = baseline.get(counter).ok_or(PriceError::Absent(counter))?;
            let used = now.checked_sub(start).ok_or(PriceError::BelowBaseline(counter))?;
            let cost = rate.checked_mul(used.into()).ok_or(PriceError::Overflow(counter))?;
            sum = sum.checked_add(cost).ok_or(PriceError::Overflow(counter))?;
        }
        Ok(sum / RATE_SCALE)
    }
}

/// `floor(amount · part / whole)`, exactly; the amount where the part is not below the whole.
pub fn part_of(amount: u128, part: u128, whole: u128) -> u128 {
    if part >= whole {
        return amount;
    }
    let exact = U256::from(amount) * U256::from(part) / U256::from(whole);
    // Not above the amount, so nothing is cut off.
    exact.low_u128()
}

#[cfg(feature = "std")]
impl serde::Serialize for Rates {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.priced().map(|(c, r)| (c.name(), r)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cpu(v: u64) -> Usage {
        Usage::default().with(Counter::CpuMicros, v)
    }

    #[test]
    fn the_price_is_rounded_down_once() {
        let rates = Rates::default().with(Counter::CpuMicros, RATE_SCALE / 3);
        assert_eq!(rates.price(&cpu(3), &cpu(0)), Ok(0));
        assert_eq!(rates.price(&cpu(4), &cpu(0)), Ok(1));
    }

    #[test]
    fn an_overflow_is_an_error_and_never_a_low_price() {
        let rates = Rates::default().with(Counter::CpuMicros, u128::MAX);
        assert_eq!(rates.price(&cpu(2), &cpu(0)), Err(PriceError::Overflow(Counter::CpuMicros)));
    }

    #[test]
    fn a_priced_counter_must_have_a_figure() {
        let rates = Rates::default().with(Counter::NetRxBytes, 1);
        assert_eq!(rates.price(&cpu(1), &cpu(0)), Err(PriceError::Absent(Counter::NetRxBytes)));
    }

    #[test]
    fn a_counter_below_its_baseline_is_refused() {
        let rates = Rates::default().with(Counter::CpuMicros, 1);
        assert_eq!(
            rates.price(&cpu(1), &cpu(2)),
            Err(PriceError::BelowBaseline(Counter::CpuMicros))
        );
    }

    #[test]
    fn rates_are_lowered_to_a_part_that_is_rounded_down_and_never_raised() {
        let rates = Rates::default().with(Counter::CpuMicros, 10).with(Counter::NetTxBytes, 1);
        let cpu_and_net =
            |rates: Rates| (rates.get(Counter::CpuMicros), rates.get(Counter::NetTxBytes));
        assert_eq!(cpu_and_net(rates.lowered(2, 3)), (6, 0));
        assert_eq!(cpu_and_net(rates.lowered(0, 3)), (0, 0));
        for (part, whole) in [(3, 3), (4, 3), (0, 0), (1, 0)] {
            assert_eq!(rates.lowered(part, whole), rates);
        }
        assert_eq!(part_of(u128::MAX, u128::MAX - 1, u128::MAX), u128::MAX - 1);
    }

    proptest! {
        #[test]
        fn the_price_at_lowered_rates_is_that_part_of_the_price_at_most(
            rate in 0u128..1 << 64, used in 0u64.., part in 0u128..1 << 70, whole in 1u128..1 << 70
        ) {
            let rates = Rates::default().with(Counter::CpuMicros, rate);
            let lowered = rates.lowered(part, whole);
            let price = |rates: Rates| rates.price(&cpu(used), &cpu(0)).unwrap();
            prop_assert!(lowered.within(&rates));
            if part < whole {
                // One more, since the price of before was rounded down.
                prop_assert!(price(lowered) <= part_of(price(rates) + 1, part, whole));
            }
        }

        #[test]
        fn the_price_never_falls_while_usage_grows(
            rate in 0u128..1 << 64, a in 0u64..1 << 40, more in 0u64..1 << 20
        ) {
            let rates = Rates::default().with(Counter::CpuMicros, rate);
            let before = rates.price(&cpu(a), &cpu(0)).unwrap();
            let after = rates.price(&cpu(a + more), &cpu(0)).unwrap();
            prop_assert!(before <= after);
        }

        #[test]
        fn ticks_never_drift_from_the_whole(
            rate in 0u128..1 << 64, steps in prop::collection::vec(0u64..1 << 20, 1..50)
        ) {
            let rates = Rates::default().with(Counter::CpuMicros, rate);
            let mut total = 0u64;
            let mut last = 0u128;
            let mut paid = 0u128;
            for step in steps {
                total += step;
                let cumulative = rates.price(&cpu(total), &cpu(0)).unwrap();
                paid += cumulative - last;
                last = cumulative;
            }
            prop_assert_eq!(paid, rate * u128::from(total) / RATE_SCALE);
        }
    }
}
