//! Rates and workloads of any kind, within what can be priced.

use proptest::{array::uniform10, prelude::*};
use zennet_primitives::{
    amount::Rates,
    usage::{Counter, Usage},
};

use crate::Workload;

/// Rates of which some are zero.
pub(crate) fn any_rates() -> impl Strategy<Value = Rates> {
    let rate = prop_oneof![1 => Just(0), 3 => 1u128..1 << 20, 3 => 1u128..1 << 78];
    uniform10(rate).prop_map(|rates| {
        let pairs = Counter::ALL.into_iter().zip(rates);
        pairs.fold(Rates::default(), |all, (counter, rate)| all.with(counter, rate))
    })
}

/// Shares of full use, and amounts.
pub(crate) fn any_workload() -> impl Strategy<Value = Workload> {
    let shares = uniform10(0u32..2_000).prop_map(Workload::Shares);
    let amounts = uniform10(0u64..1 << 40).prop_map(|amounts| {
        let pairs = Counter::ALL.into_iter().zip(amounts);
        Workload::Hourly(pairs.fold(Usage::ZERO, |all, (c, amount)| all.with(c, amount)))
    });
    prop_oneof![shares, amounts]
}
