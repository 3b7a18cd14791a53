//! `[price]`: what an hour of full load costs, instead of a table of rates.

use serde::Deserialize;
use zennet_primitives::usage::Counter;

use super::Xen;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) full_load_hour: Xen,
    #[serde(default = "counters")]
    pub(crate) counters: Vec<Counter>,
}

#[cfg(test)]
impl Default for Price {
    fn default() -> Self {
        Price { full_load_hour: Xen(0), counters: counters() }
    }
}

/// All that are counted, but for the two parts of processor time: their sum is among them.
pub(crate) fn counters() -> Vec<Counter> {
    let parts = [Counter::CpuUserMicros, Counter::CpuSystemMicros, Counter::VolumeByteSecs];
    Counter::ALL.into_iter().filter(|counter| !parts.contains(counter)).collect()
}

impl Price {
    /// Checks each value with what refuses those out of range.
    pub(super) fn check<E>(
        &self,
        ensure: impl Fn(bool, &'static str, &dyn ToString, &'static str) -> Result<(), E>,
    ) -> Result<(), E> {
        let hour = self.full_load_hour.0;
        ensure(hour > 0, "price.full_load_hour", &hour, "above 0")?;
        let found = format!("{:?}", self.counters);
        let some = !self.counters.is_empty() && !self.counters.contains(&Counter::VolumeByteSecs);
        ensure(some, "price.counters", &found, "some of those that machines have")
    }
}
