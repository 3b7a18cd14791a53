//! Rates in units that people know.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zennet_primitives::{
    amount::{Rate, Rates, DECIMALS},
    usage::Counter,
};

use crate::decimal::Decimal;

/// Digits of a rate unit after the point of a XEN: 12 of the coin and 18 of the rate.
const RATE_DECIMALS: u32 = DECIMALS + 18;

/// Why a configuration gives no rates.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RateError {
    /// The price does not fit into a rate.
    #[error("{name} = {value} XEN is too large to be a rate")]
    TooLarge {
        /// Key of the configuration.
        name: &'static str,
        /// What stands there.
        value: Decimal,
    },
    /// The price is not zero, but so small that the rate would be.
    #[error("{name} = {value} XEN is too small to be a rate: write 0 for free")]
    TooSmall {
        /// Key of the configuration.
        name: &'static str,
        /// What stands there.
        value: Decimal,
    },
    /// The same time would be billed twice.
    #[error("cpu_hour already covers user and kernel time: price either the sum or its parts")]
    CpuTwice,
}

/// Prices of a provider, in XEN per unit of use. What is absent is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// One core for an hour, user and kernel time together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_hour: Option<Decimal>,
    /// One core for an hour in user mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_user_hour: Option<Decimal>,
    /// One core for an hour in kernel mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_system_hour: Option<Decimal>,
    /// One GiB of memory in use for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib_hour: Option<Decimal>,
    /// One GiB read from disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_read_gib: Option<Decimal>,
    /// One GiB written to disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_write_gib: Option<Decimal>,
    /// One GiB received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_rx_gib: Option<Decimal>,
    /// One GiB sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_tx_gib: Option<Decimal>,
    /// A million page faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_faults_million: Option<Decimal>,
    /// One GiB of a volume kept for one hour, whether a machine uses it or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_gib_hour: Option<Decimal>,
}

/// How a counter is priced: the key, and how many units of the counter make one unit of use.
const fn unit(counter: Counter) -> (&'static str, u128) {
    const HOUR_MICROS: u128 = 3_600_000_000;
    const GIB: u128 = 1 << 30;
    match counter {
        Counter::CpuMicros => ("cpu_hour", HOUR_MICROS),
        Counter::CpuUserMicros => ("cpu_user_hour", HOUR_MICROS),
        Counter::CpuSystemMicros => ("cpu_system_hour", HOUR_MICROS),
        Counter::MemoryByteSecs => ("memory_gib_hour", GIB * 3600),
        Counter::DiskReadBytes => ("disk_read_gib", GIB),
        Counter::DiskWriteBytes => ("disk_write_gib", GIB),
        Counter::NetRxBytes => ("net_rx_gib", GIB),
        Counter::NetTxBytes => ("net_tx_gib", GIB),
        Counter::PageFaults => ("page_faults_million", 1_000_000),
        Counter::VolumeByteSecs => ("volume_gib_hour", GIB * 3600),
    }
}

impl RateConfig {
    /// The price of one counter, in XEN per unit of use.
    pub fn price(&self, counter: Counter) -> Option<Decimal> {
        match counter {
            Counter::CpuMicros => self.cpu_hour,
            Counter::CpuUserMicros => self.cpu_user_hour,
            Counter::CpuSystemMicros => self.cpu_system_hour,
            Counter::MemoryByteSecs => self.memory_gib_hour,
            Counter::DiskReadBytes => self.disk_read_gib,
            Counter::DiskWriteBytes => self.disk_write_gib,
            Counter::NetRxBytes => self.net_rx_gib,
            Counter::NetTxBytes => self.net_tx_gib,
            Counter::PageFaults => self.page_faults_million,
            Counter::VolumeByteSecs => self.volume_gib_hour,
        }
    }

    fn slot(&mut self, counter: Counter) -> &mut Option<Decimal> {
        match counter {
            Counter::CpuMicros => &mut self.cpu_hour,
            Counter::CpuUserMicros => &mut self.cpu_user_hour,
            Counter::CpuSystemMicros => &mut self.cpu_system_hour,
            Counter::MemoryByteSecs => &mut self.memory_gib_hour,
            Counter::DiskReadBytes => &mut self.disk_read_gib,
            Counter::DiskWriteBytes => &mut self.disk_write_gib,
            Counter::NetRxBytes => &mut self.net_rx_gib,
            Counter::NetTxBytes => &mut self.net_tx_gib,
            Counter::PageFaults => &mut self.page_faults_million,
            Counter::VolumeByteSecs => &mut self.volume_gib_hour,
        }
    }

    /// What stands in the configuration: key and price in XEN, in the order of the counters.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, Decimal)> + '_ {
        Counter::ALL.into_iter().filter_map(|c| self.price(c).map(|price| (unit(c).0, price)))
    }

    /// The rates of these prices, each rounded to the nearest 1e-18 of the smallest coin unit.
    pub fn rates(&self) -> Result<Rates, RateError> {
        if self.cpu_hour.is_some()
            && (self.cpu_user_hour.is_some() || self.cpu_system_hour.is_some())
        {
            return Err(RateError::CpuTwice);
        }
        let mut rates = Rates::default();
        for counter in Counter::ALL {
            if let Some(value) = self.price(counter) {
                let (name, units) = unit(counter);
                let rate = rate_of(value, units).ok_or(RateError::TooLarge { name, value })?;
                if rate == 0 && value != Decimal::default() {
                    return Err(RateError::TooSmall { name, value });
                }
                rates = rates.with(counter, rate);
            }
        }
        Ok(rates)
    }
}

/// Shows rates in the units of a configuration, each with the fewest digits that mean the same
/// rate.
pub fn describe(rates: &Rates) -> RateConfig {
    let mut config = RateConfig::default();
    for (counter, rate) in rates.priced() {
        *config.slot(counter) = Some(shortest(rate, unit(counter).1));
    }
    config
}

/// Price of `units` units of a counter to the rate of one, rounded to the nearest.
fn rate_of(price: Decimal, units: u128) -> Option<Rate> {
    Some(price.shifted(RATE_DECIMALS)?.checked_add(units / 2)? / units)
}

/// The decimal with the fewest digits after the point whose rate is `rate`.
///
/// Prices that are too large for a rate have none that reads back; they are shown exactly enough.
fn shortest(rate: Rate, units: u128) -> Decimal {
    let (whole, fraction) = scaled_product(rate, units);
    let room = 37 - whole.checked_ilog10().unwrap_or(0);
    let candidate = |digits: u32| {
        let cut = 10u128.pow(RATE_DECIMALS - digits);
        let rounded = (fraction + cut / 2) / cut;
        Decimal::new(whole * 10u128.pow(digits) + rounded, digits)
    };
    (0..=room.min(RATE_DECIMALS))
        .map(candidate)
        .find(|decimal| rate_of(*decimal, units) == Some(rate))
        .unwrap_or_else(|| candidate(room.min(RATE_DECIMALS)))
}

/// `rate · units` as a number of XEN and a rest in units of 1e-30 XEN; no step overflows for
/// units below 1e13.
fn scaled_product(rate: Rate, units: u128) -> (u128, u128) {
    const HALF: u128 = 10u128.pow(RATE_DECIMALS / 2);
    let (high, low) = (rate / (HALF * HALF), rate % (HALF * HALF));
    let tail = low % HALF * units;
    let middle = low / HALF * units + tail / HALF;
    (high * units + middle / HALF, middle % HALF * HALF + tail % HALF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zennet_primitives::{amount::XEN, usage::Usage};

    fn config(text: &str) -> Result<RateConfig, toml::de::Error> {
        toml::from_str(text)
    }

    fn counters() -> impl Strategy<Value = Counter> {
        (0..Counter::COUNT).prop_map(|place| Counter::ALL[place])
    }

    #[test]
    fn a_core_hour_costs_what_the_file_says() {
        let rates = config("cpu_hour = \"0.05\"\nnet_tx_gib = 2").unwrap().rates().unwrap();
        let zero = Usage::default().with(Counter::CpuMicros, 0).with(Counter::NetTxBytes, 0);
        let hour = zero.with(Counter::CpuMicros, 3_600_000_000);
        let price = rates.price(&hour, &zero).unwrap();
        assert!(price.abs_diff(XEN / 20) <= 1, "{price}");
        let both = hour.with(Counter::NetTxBytes, 1 << 30);
        let price = rates.price(&both, &zero).unwrap();
        assert!(price.abs_diff(XEN / 20 + 2 * XEN) <= 2, "{price}");
    }

    #[test]
    fn unknown_keys_and_bad_numbers_are_refused() {
        for text in ["cpu_hours = 1", "cpu_hour = \"-1\"", "cpu_hour = nan", "cpu_hour = true"] {
            assert!(config(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_that_do_not_fit_are_refused_by_name() {
        let error = config("disk_read_gib = \"400000000\"").unwrap().rates().unwrap_err();
        assert!(matches!(error, RateError::TooLarge { name: "disk_read_gib", .. }));
        let error = config("net_rx_gib = \"0.000000000000000000000000000001\"").unwrap();
        assert!(matches!(error.rates(), Err(RateError::TooSmall { name: "net_rx_gib", .. })));
    }

    #[test]
    fn cpu_time_is_not_billed_twice() {
        let both = config("cpu_hour = 1\ncpu_user_hour = 1").unwrap();
        assert_eq!(both.rates(), Err(RateError::CpuTwice));
    }

    #[test]
    fn rates_are_shown_as_they_were_written() {
        let written = "cpu_hour = \"0.05\"\nmemory_gib_hour = \"0.007\"\ndisk_write_gib = \"12\"\n";
        let shown = describe(&config(written).unwrap().rates().unwrap());
        assert_eq!(toml::to_string(&shown).unwrap(), written);
    }

    proptest! {
        #[test]
        fn what_is_described_means_the_same_rate(
            counter in counters(), rate in 0..10u128.pow(23)
        ) {
            let rates = Rates::default().with(counter, rate);
            prop_assert_eq!(describe(&rates).rates(), Ok(rates));
        }

        #[test]
        fn prices_of_up_to_twelve_digits_survive_the_way_there_and_back(
            counter in counters(), mantissa in 1u128..10u128.pow(12), scale in 0u32..=12
        ) {
            let price = Decimal::new(mantissa, scale);
            let mut written = RateConfig::default();
            if price.shifted(RATE_DECIMALS).is_some() {
                *written.slot(counter) = Some(price);
                prop_assert_eq!(describe(&written.rates().unwrap()), written);
            }
        }

        #[test]
        fn every_rate_can_be_described(counter in counters(), rate: u128) {
            let shown = describe(&Rates::default().with(counter, rate));
            prop_assert_eq!(shown.entries().count(), usize::from(rate > 0));
        }
    }
}
