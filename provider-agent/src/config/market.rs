//! `[market]`: which offers are answered where there is not room for all.

use serde::Deserialize;
use zennet_pricing::RateConfig;

/// Whether offers are answered without anybody's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Accept {
    /// The most profitable ones are, unless the operator refused them.
    Auto,
    /// Only those that the operator accepted.
    Manual,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Market {
    pub(crate) accept: Accept,
    pub(crate) gather_ms: u32,
    pub(crate) max_offers: u32,
    pub(crate) horizon_secs: u32,
    pub(crate) lease_percent: u32,
    pub(crate) use_percent: u32,
    pub(crate) newcomer_percent: u32,
    pub(crate) cost: RateConfig,
}

impl Default for Market {
    fn default() -> Self {
        Market {
            accept: Accept::Auto,
            gather_ms: 1000,
            max_offers: 20_000,
            horizon_secs: 3600,
            lease_percent: 50,
            use_percent: 50,
            newcomer_percent: 90,
            cost: RateConfig::default(),
        }
    }
}

impl Market {
    /// Checks each value with what refuses those out of range.
    pub(super) fn check<E>(
        &self,
        ensure: impl Fn(bool, &'static str, &dyn ToString, &'static str) -> Result<(), E>,
    ) -> Result<(), E> {
        let percent = |key, found: u32| ensure(found <= 100, key, &found, "from 0 to 100");
        let gather = self.gather_ms;
        ensure(gather <= 60_000, "market.gather_ms", &gather, "at most 60000")?;
        let most = self.max_offers;
        let allowed = "from 100 to 1000000";
        ensure((100..=1_000_000).contains(&most), "market.max_offers", &most, allowed)?;
        let horizon = self.horizon_secs;
        ensure(horizon > 0, "market.horizon_secs", &horizon, "above 0")?;
        percent("market.lease_percent", self.lease_percent)?;
        percent("market.use_percent", self.use_percent)?;
        percent("market.newcomer_percent", self.newcomer_percent)?;
        match self.cost.rates() {
            Ok(_) => Ok(()),
            Err(error) => ensure(false, "market.cost", &error, "prices like those of [rates]"),
        }
    }
}
