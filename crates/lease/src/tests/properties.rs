//! What holds for every lease, whatever goes wrong on the way.

use proptest::prelude::*;
use zennet_primitives::usage::{Counter, Usage};

use super::{pair::*, setups::*};
use crate::*;

fn sometimes<S: Strategy<Value = Millis> + 'static>(
    moment: S,
) -> impl Strategy<Value = Option<Millis>> {
    prop_oneof![3 => Just(None), 1 => moment.prop_map(Some)]
}

fn faults() -> impl Strategy<Value = Faults> {
    let moment = || 1_000u64..75_000;
    let times = (
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(moment()),
        sometimes(50u64..20_000),
    );
    let rest = (
        prop::collection::vec(prop_oneof![9 => 1u64..300, 1 => 300u64..6_000], 1..30),
        prop_oneof![3 => Just(100u64), 1 => 20u64..400],
        0u64..=100,
        prop::bool::weighted(0.8),
        0u32..4,
        any::<bool>(),
        (0u32..3, 500u64..20_000, sometimes(5_000u64..50_000), any::<bool>(), 0u32..4),
    );
    (times, rest).prop_map(|(times, rest)| Faults {
        delays: rest.0,
        cut_at: times.0,
        publisher_stops_at: times.1,
        provider_stops_at: times.2,
        stops_paying_at: times.3,
        provider_dies_at: times.4,
        publisher_dies_at: times.5,
        provider_restarts_at: times.6,
        machine_fails_at: times.7,
        publisher_restarts_at: times.8,
        mended_after: times.9,
        lie_percent: rest.1,
        load_percent: rest.2,
        own_readings: rest.3,
        settle_failures: rest.4,
        prepaid: rest.5,
        fund_failures: rest.6 .0,
        finality_ms: rest.6 .1,
        extend_at: rest.6 .2,
        low_deposit: rest.6 .3,
        claim_failures: rest.6 .4,
        volume_is_taken: false,
    })
}

fn check(faults: &Faults) -> Result<(), TestCaseError> {
    let mut own = publisher_setup(faults.prepaid);
    own.policy.deposit_secs = faults.low_deposit.then_some(20);
    let mut theirs = provider_setup(faults.prepaid);
    let resources = theirs.quote.resources;
    theirs.limits.claim_threshold = price_of_full_use(&rates(), &resources, 5_000).unwrap();
    let mut pair = Pair::with(faults.clone(), theirs, own);
    let ended = pair.run();
    prop_assert!(ended, "provider {}, publisher {}", pair.provider.phase(), pair.publisher.phase());

    let vouchers = pair.signed_vouchers();
    let amounts: Vec<_> = vouchers.iter().map(|(_, voucher, _)| voucher.cumulative).collect();
    prop_assert!(amounts.windows(2).all(|pair| pair[0] <= pair[1]), "{amounts:?}");
    prop_assert_eq!(amounts.last().copied().unwrap_or(0), pair.publisher.paid());
    prop_assert!(pair.provider.paid() <= pair.publisher.paid());

    if let Some(terms) = pair.publisher.terms() {
        let quote = &terms.quote;
        let scope = pair.publisher.scope().unwrap();
        prop_assert!(terms.deposit <= scope.deposit && pair.publisher.paid() <= scope.deposit);
        prop_assert!(pair.provider.paid() <= pair.provider.scope().unwrap().deposit);
        let shown = pair.publisher.usage().unwrap_or_default();
        let zero = Usage::default().with(Counter::CpuMicros, 0).with(Counter::MemoryByteSecs, 0);
        let price = quote.rates.price(&shown, &zero).unwrap_or(0);
        prop_assert!(pair.publisher.paid() <= price + quote.prepay);

        let tick = price_of_full_use(&quote.rates, &quote.resources, TICK_MS.into()).unwrap();
        let tick = tick * u128::from(faults.lie_percent.max(100)) / 100;
        for exposure in &pair.exposures {
            prop_assert!(*exposure <= quote.max_exposure + tick + quote.prepay);
        }
    }

    let best = Some(pair.provider.paid()).filter(|paid| *paid > 0);
    for settled in pair.settlements() {
        prop_assert_eq!(settled.map(|voucher| voucher.payload.cumulative), best);
    }
    if let (Some(paid), None) = (pair.provider.settled(), faults.publisher_dies_at) {
        prop_assert_eq!(Some(paid), pair.publisher.settled());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_lease_ends_closed_and_pays_no_more_than_was_shown(faults in faults()) {
        check(&faults)?;
    }
}
