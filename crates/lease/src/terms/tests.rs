use super::*;
use zennet_primitives::{
    announcement::{LeaseRange, Needs},
    contract::BenchmarkResult,
};

fn body() -> Announcement {
    Announcement {
        task: 1,
        machines: 1,
        images: Default::default(),
        needs: Needs { cpu_millis: Some(500), ..Default::default() },
        lease: LeaseRange { min_secs: 60, max_secs: 3600 },
        interval_ms: 2000,
        max_rates: None,
        proposal_secs: 30,
        asks: 0,
        info_url: Default::default(),
        endpoint: b"/ip4/127.0.0.1".to_vec().try_into().unwrap(),
    }
}

fn rates() -> Rates {
    Rates::default()
        .with(Counter::CpuMicros, 10u128.pow(18))
        .with(Counter::NetTxBytes, 10u128.pow(18))
}

fn listing() -> Listing {
    Listing {
        rates: rates(),
        basis: None,
        grace_ms: 1000,
        available: Resources { cpu_millis: 2000, memory_mib: 1024, disk_mib: 100, volume_mib: 0 },
        default: Resources { cpu_millis: 1000, memory_mib: 512, disk_mib: 200, volume_mib: 0 },
        max_lease_secs: 600,
        notice_secs: 0,
        max_keep_secs: 0,
        keep_unpaid_secs: 0,
        image: b"os".to_vec().try_into().unwrap(),
        image_digest: [1; 32],
        host_key: [2; 32],
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        cores: 2,
        clock_mhz: Some(2000),
        memory_mib: 1024,
        disk_mib: 100,
        bandwidth_kbit_per_sec: None,
        benchmarks: Default::default(),
        wall: zennet_primitives::contract::Wall::Namespaces,
    }
}

#[test]
fn a_quote_gives_what_is_needed_and_else_the_default_within_what_there_is() {
    let quote = quote_for(&body(), &listing()).unwrap();
    assert_eq!(
        quote.resources,
        Resources { cpu_millis: 500, memory_mib: 512, disk_mib: 100, volume_mib: 0 }
    );
    assert_eq!(quote.lease_secs, 600);
    assert_eq!((quote.tick_ms, quote.prepay), (2000, 0));
    // Three seconds of half a core and of the traffic allowance.
    assert_eq!(quote.max_exposure, 1_500_000 + 3 * u128::from(TRAFFIC_ALLOWANCE));
}

#[test]
fn what_cannot_be_given_is_refused_by_name() {
    let with = |change: fn(&mut Announcement)| {
        let mut body = body();
        change(&mut body);
        quote_for(&body, &listing()).unwrap_err()
    };
    assert!(matches!(
        with(|b| b.needs.memory_mib = Some(1025)),
        QuoteError::TooBig { needed: 1025, available: 1024, .. }
    ));
    assert!(matches!(with(|b| b.lease.min_secs = 601), QuoteError::TooLong { .. }));
    let other = |b: &mut Announcement| {
        b.images.try_push(b"other".to_vec().try_into().unwrap()).unwrap();
    };
    assert!(matches!(with(other), QuoteError::OtherImage));
}

#[test]
fn a_prepaid_announcement_is_quoted_one_tick_ahead() {
    let mut body = body();
    body.interval_ms = -2000;
    let quote = quote_for(&body, &listing()).unwrap();
    assert_eq!(quote.prepay, 1_000_000 + 2 * u128::from(TRAFFIC_ALLOWANCE));
    let verdict = judge(&quote, &capabilities(), &body, &PublisherPolicy::default());
    assert!(matches!(verdict, Verdict::Accept { .. }));
    let policy = PublisherPolicy { max_tick_exposure: 1, ..Default::default() };
    assert_eq!(judge(&quote, &capabilities(), &body, &policy), Verdict::Unaffordable);
}

#[test]
fn the_deposit_covers_full_use_of_the_lease_up_to_the_limit() {
    let quote = quote_for(&body(), &listing()).unwrap();
    let second = 500_000 + u128::from(TRAFFIC_ALLOWANCE);
    let policy = PublisherPolicy { lease_secs: 300, ..Default::default() };
    assert_eq!(deposit_for(&quote, &policy), Ok(300 * second));
    let policy = PublisherPolicy { max_price: Some(100 * second), ..policy };
    assert_eq!(deposit_for(&quote, &policy), Ok(100 * second));
    let policy = PublisherPolicy { max_price: Some(second), ..policy };
    let refused = Err(DepositError::BelowOneTick { tick: 2 * second, limit: second });
    assert_eq!(deposit_for(&quote, &policy), refused);
}

#[test]
fn a_price_beyond_all_bounds_is_an_error_unless_a_limit_makes_it_harmless() {
    let mut quote = quote_for(&body(), &listing()).unwrap();
    quote.rates = Rates::default().with(Counter::CpuMicros, u128::MAX / 1_000_000 / 2);
    let refused = deposit_for(&quote, &PublisherPolicy::default());
    assert!(matches!(refused, Err(DepositError::Price(PriceError::Overflow(_)))));
    let resources = Resources { cpu_millis: 1, memory_mib: u32::MAX, disk_mib: 0, volume_mib: 0 };
    assert!(matches!(full_use(&resources, u64::MAX), Err(DepositError::Usage(_))));
}

#[test]
fn a_free_lease_still_has_a_deposit() {
    let mut quote = quote_for(&body(), &listing()).unwrap();
    quote.rates = Rates::default();
    assert_eq!(deposit_for(&quote, &PublisherPolicy::default()), Ok(1));
}

#[test]
fn measured_speeds_count_as_requirements() {
    let quote = quote_for(&body(), &listing()).unwrap();
    let mut body = body();
    body.needs.disk_mib_per_sec = Some(10);
    let mut has = capabilities();
    let verdict = |has: &Capabilities| judge(&quote, has, &body, &PublisherPolicy::default());
    assert_eq!(verdict(&has), Verdict::Unfit);
    let measured = |value| BenchmarkResult { benchmark: Benchmark::DiskWriteKibPerSec, value };
    has.benchmarks.try_push(measured(10 * 1024 - 1)).unwrap();
    assert_eq!(verdict(&has), Verdict::Unfit);
    has.benchmarks[0] = measured(10 * 1024);
    assert!(matches!(verdict(&has), Verdict::Accept { .. }));
}

#[test]
fn a_machine_larger_than_its_host_is_unfit() {
    let mut quote = quote_for(&body(), &listing()).unwrap();
    quote.resources.cpu_millis = 2001;
    let verdict = judge(&quote, &capabilities(), &body(), &PublisherPolicy::default());
    assert_eq!(verdict, Verdict::Unfit);
}

#[test]
fn a_new_quote_meets_the_counter_offer_but_not_below_the_floor_nor_above_the_last() {
    let quote = quote_for(&body(), &listing()).unwrap();
    let floor = Rates::default().with(Counter::CpuMicros, 600).with(Counter::NetTxBytes, 1);
    let asked = CounterOffer {
        rates: Rates::default().with(Counter::CpuMicros, 500).with(Counter::NetTxBytes, u128::MAX),
        lease_secs: 100,
    };
    let next = requote(&quote, &asked, &floor).unwrap();
    assert_eq!(next.rates.get(Counter::CpuMicros), 600);
    assert_eq!(next.rates.get(Counter::NetTxBytes), quote.rates.get(Counter::NetTxBytes));
    assert_eq!(next.lease_secs, 100);
    assert_eq!(requote(&next, &asked, &floor), None);
}
