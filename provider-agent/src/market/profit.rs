//! What one machine of an offer is expected to earn.
//!
//! ```text
//! profit = price of full use for the expected time · use_percent · trust − own costs of that time
//! ```
//!
//! Every figure is an expectation of the operator's, set in `[market]`; none of it is part of a
//! contract. The rates are those of the opening quote: the own ones, lowered to the publisher's
//! highest where it states such and the floor allows it.

use zennet_chain_client::Record;
use zennet_lease::{price_of_full_use, DepositError};
use zennet_primitives::{
    amount::{Balance, Rates},
    contract::Quote,
};

use crate::config;

/// Expected profit in the smallest coin unit; below zero is a loss.
pub(crate) type Profit = i128;

/// A share that is expected to be paid, in thousandths.
pub(crate) type PerMille = u32;

/// Leases that the expectation of a newcomer counts as: what is known of a publisher outweighs it
/// from its fifth lease on.
const NEWCOMER_LEASES: u64 = 4;

/// What an offer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    /// Price of full use for an hour.
    pub(crate) hour: Balance,
    /// Expected profit of one machine.
    pub(crate) profit: Profit,
}

/// What the operator expects of leases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlook {
    lease_percent: u32,
    use_percent: u32,
    horizon_secs: u32,
    newcomer_percent: u32,
    cost: Rates,
}

impl Outlook {
    /// Takes it from a configuration that was checked.
    pub(crate) fn new(market: &config::Market) -> Self {
        Outlook {
            lease_percent: market.lease_percent,
            use_percent: market.use_percent,
            horizon_secs: market.horizon_secs,
            newcomer_percent: market.newcomer_percent,
            cost: market.cost.rates().unwrap_or_default(),
        }
    }

    /// Seconds that a lease is expected to take of a range: the shortest time, and `lease_percent`
    /// of what lies between it and the longest. Longer ones count as `horizon_secs`: what is after
    /// that, other offers will pay for as well, and whoever only names a long time gains nothing.
    pub(crate) fn expected_secs(&self, shortest: u32, longest: u32) -> u32 {
        let between = u64::from(longest.saturating_sub(shortest));
        let likely = u64::from(shortest) + between * u64::from(self.lease_percent) / 100;
        u32::try_from(likely).unwrap_or(u32::MAX).min(self.horizon_secs)
    }

    /// Share of the price that a publisher is expected to pay: the share of its leases that did not
    /// end by its fault, as if there had been [`NEWCOMER_LEASES`] more that went as
    /// `newcomer_percent` says. Faults that are too old to count count as good leases.
    pub(crate) fn trust(&self, record: &Record) -> PerMille {
        let bad = record.faults.unwrap_or(0).min(record.leases);
        let good = u128::from(record.leases - bad) * 1000;
        let usual = u128::from(NEWCOMER_LEASES) * u128::from(self.newcomer_percent) * 10;
        let share = (good + usual) / u128::from(record.leases.saturating_add(NEWCOMER_LEASES));
        share.min(1000) as PerMille
    }

    /// What one machine is worth whose lease takes `shortest` seconds at least.
    pub(crate) fn worth(
        &self,
        quote: &Quote,
        shortest: u32,
        trust: PerMille,
    ) -> Result<Worth, DepositError> {
        let price = |rates: &Rates, secs: u32| {
            price_of_full_use(rates, &quote.resources, u64::from(secs) * 1000)
        };
        let secs = self.expected_secs(shortest, quote.lease_secs);
        // A price is at most 2^128 / 10^18, so neither product comes near 2^127.
        let percent = i128::from(self.use_percent) * i128::from(trust);
        let paid = signed(price(&quote.rates, secs)?).saturating_mul(percent) / 100_000;
        let profit = paid.saturating_sub(signed(price(&self.cost, secs)?));
        Ok(Worth { hour: price(&quote.rates, 3600)?, profit })
    }
}

fn signed(amount: Balance) -> Profit {
    Profit::try_from(amount).unwrap_or(Profit::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use zennet_primitives::{
        amount::XEN,
        contract::{Quote, Resources},
        usage::Counter,
    };

    use super::*;
    use crate::config::{Config, DEFAULT};

    fn outlook(change: impl FnOnce(&mut config::Market)) -> Outlook {
        let mut market = Config::parse(DEFAULT, Path::new("/x/provider.toml")).unwrap().market;
        (market.lease_percent, market.use_percent, market.newcomer_percent) = (50, 100, 50);
        market.horizon_secs = 3600;
        change(&mut market);
        Outlook::new(&market)
    }

    /// A core costs a XEN an hour.
    fn quote(lease_secs: u32) -> Quote {
        let rate = XEN * 10u128.pow(18) / 3_600_000_000;
        Quote {
            rates: Rates::default().with(Counter::CpuMicros, rate),
            basis: None,
            tick_ms: 2000,
            grace_ms: 2000,
            max_exposure: 1,
            prepay: 0,
            lease_secs,
            notice_secs: 0,
            max_keep_secs: 0,
            keep_unpaid_secs: 0,
            resources: Resources { cpu_millis: 1000, memory_mib: 1024, disk_mib: 0, volume_mib: 0 },
            image: Default::default(),
            image_digest: [0; 32],
            host_key: [0; 32],
        }
    }

    fn known(leases: u64, faults: u64) -> Record {
        Record { leases, faults: Some(faults), ..Record::default() }
    }

    /// In thousandths of a XEN.
    fn milli(profit: Profit) -> Profit {
        let milli = XEN as Profit / 1000;
        (profit + profit.signum() * milli / 2) / milli
    }

    #[test]
    fn the_expected_time_lies_between_the_shortest_and_the_longest_and_within_the_horizon() {
        let half = outlook(|_| ());
        assert_eq!(half.expected_secs(60, 160), 110);
        assert_eq!(half.expected_secs(0, u32::MAX), 3600);
        assert_eq!(half.expected_secs(60, 10), 60, "a range that is upside down");
        let always = outlook(|m| (m.lease_percent, m.horizon_secs) = (100, u32::MAX));
        assert_eq!(always.expected_secs(7, u32::MAX), u32::MAX);
    }

    #[test]
    fn a_newcomer_is_trusted_as_configured_and_a_known_publisher_as_it_paid() {
        let outlook = outlook(|_| ());
        assert_eq!(outlook.trust(&known(0, 0)), 500);
        assert_eq!(outlook.trust(&known(4, 0)), 750);
        assert_eq!(outlook.trust(&known(4, 4)), 250);
        assert!(outlook.trust(&known(10_000, 0)) > 990);
        assert_eq!(outlook.trust(&known(1, 9)), 400, "no more faults than leases");
        assert_eq!(outlook.trust(&Record { leases: u64::MAX, ..known(0, 0) }), 1000);
    }

    #[test]
    fn the_profit_is_the_trusted_part_of_the_price_less_what_the_host_costs() {
        let free = outlook(|_| ());
        let worth = free.worth(&quote(3600), 1800, 1000).unwrap();
        assert_eq!((milli(worth.hour as Profit), milli(worth.profit)), (1000, 750));
        assert_eq!(milli(free.worth(&quote(3600), 1800, 500).unwrap().profit), 375);
        let costly = outlook(|m| {
            m.use_percent = 50;
            m.cost = toml::from_str("cpu_hour = \"0.2\"\nmemory_gib_hour = \"0.4\"").unwrap();
        });
        assert_eq!(milli(costly.worth(&quote(3600), 3600, 1000).unwrap().profit), -100);
    }

    #[test]
    fn what_a_publisher_limits_rates_to_lowers_the_profit() {
        let dear = quote(3600);
        let mut cheap = quote(3600);
        let half = dear.rates.get(Counter::CpuMicros) / 2;
        cheap.rates = cheap.rates.with(Counter::CpuMicros, half);
        let worth = |quote| outlook(|_| ()).worth(quote, 60, 900).unwrap().profit;
        assert!((worth(&dear) - 2 * worth(&cheap)).abs() < 10, "but for rounding");
    }

    #[test]
    fn a_price_that_cannot_be_expressed_is_an_error() {
        let mut quote = quote(3600);
        quote.rates = quote.rates.with(Counter::CpuMicros, u128::MAX);
        assert!(outlook(|_| ()).worth(&quote, 60, 1000).is_err());
    }
}
