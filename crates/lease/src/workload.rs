//! What a machine is expected to do, and what an hour of that may cost.

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::{Balance, Rates},
    contract::Resources,
    usage::{Counter, Usage},
};

use crate::terms::full_use;

/// The time that a workload is told for, seconds.
pub const HOUR_SECS: u32 = 3600;

/// What a share of full use is counted in: thousandths.
pub const WHOLE: u32 = 1000;

/// What a machine is expected to use in an hour.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Workload {
    /// Shares of full use, thousandths, in the order of [`Counter::ALL`].
    Shares([u32; Counter::COUNT]),
    /// Amounts in an hour, whatever the machine has.
    Hourly(Usage),
}

impl Workload {
    /// What it uses in an hour on a machine; nothing where that cannot be expressed.
    pub fn usage(&self, resources: &Resources) -> Option<Usage> {
        let shares = match self {
            Workload::Hourly(usage) => return Some(*usage),
            Workload::Shares(shares) => shares,
        };
        let mut usage = full_use(resources, u64::from(HOUR_SECS) * 1000).ok()?;
        for counter in Counter::ALL {
            let whole = u128::from(usage.get(counter).unwrap_or_default());
            let part = whole * u128::from(shares[counter as usize]) / u128::from(WHOLE);
            usage.set(counter, u64::try_from(part).ok()?);
        }
        Some(usage)
    }

    /// What an hour of it costs on a machine, in the smallest coin unit; nothing where that cannot be
    /// expressed.
    pub fn price(&self, rates: &Rates, resources: &Resources) -> Option<Balance> {
        rates.price(&self.usage(resources)?, &Usage::ZERO).ok()
    }
}

/// The most that an hour of a workload may cost.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct HourLimit {
    /// What is expected.
    pub workload: Workload,
    /// The most, in the smallest coin unit.
    pub most: Balance,
}

impl HourLimit {
    /// The rates at which an hour costs no more than that: these, where it does not, and else all of
    /// them lowered by the same part. Nothing where the price cannot be expressed.
    pub fn lower(&self, rates: &Rates, resources: &Resources) -> Option<Rates> {
        let price = self.workload.price(rates, resources)?;
        if price <= self.most {
            return Some(*rates);
        }
        // The price was rounded down: it is less than one more.
        Some(rates.lowered(self.most, price.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zennet_primitives::amount::RATE_SCALE;

    use super::*;
    use crate::tests::generators::{any_rates, any_workload};

    const MACHINE: Resources =
        Resources { cpu_millis: 500, memory_mib: 256, disk_mib: 100, volume_mib: 0 };

    #[test]
    fn shares_are_those_of_the_machine_and_amounts_are_not() {
        let mut shares = [0; Counter::COUNT];
        shares[Counter::CpuMicros as usize] = 500;
        let cpu = |workload: Workload| workload.usage(&MACHINE).unwrap().get(Counter::CpuMicros);
        assert_eq!(cpu(Workload::Shares(shares)), Some(3600 * 1_000_000 / 4));
        let amounts = Usage::ZERO.with(Counter::CpuMicros, 7);
        assert_eq!(cpu(Workload::Hourly(amounts)), Some(7));
        shares[Counter::CpuMicros as usize] = u32::MAX;
        let whole = Resources { cpu_millis: u32::MAX, ..MACHINE };
        assert_eq!(Workload::Shares(shares).usage(&whole), None);
    }

    #[test]
    fn rates_whose_hour_is_within_the_limit_stay() {
        let workload = Workload::Hourly(Usage::ZERO.with(Counter::CpuMicros, 10));
        let rates = Rates::default().with(Counter::CpuMicros, 3 * RATE_SCALE);
        let lower = |most| HourLimit { workload: workload.clone(), most }.lower(&rates, &MACHINE);
        assert_eq!(lower(30), Some(rates));
        let lowered = lower(29).unwrap();
        assert!(lowered.within(&rates) && lowered != rates);
        assert_eq!(lower(0), Some(Rates::default()));
        let endless = Rates::default().with(Counter::CpuMicros, u128::MAX);
        assert_eq!(HourLimit { workload, most: 1 }.lower(&endless, &MACHINE), None);
    }

    proptest! {
        #[test]
        fn an_hour_at_lowered_rates_never_costs_more_than_the_limit(
            rates in any_rates(), workload in any_workload(), most in 0u128..1 << 90
        ) {
            let limit = HourLimit { workload, most };
            let Some(lowered) = limit.lower(&rates, &MACHINE) else {
                prop_assert_eq!(limit.workload.price(&rates, &MACHINE), None);
                return Ok(());
            };
            prop_assert!(lowered.within(&rates));
            prop_assert!(limit.workload.price(&lowered, &MACHINE).unwrap() <= most);
        }
    }
}
