use std::path::Path;

use zennet_primitives::{
    amount::{RATE_SCALE, XEN},
    announcement::{LeaseRange, Needs},
    contract::BenchmarkResult,
    pow::mine,
    Hash,
};

use super::*;
use crate::config::{Xen, DEFAULT};

const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

fn policy() -> Policy {
    let config = Config::parse(DEFAULT, Path::new("/x/provider.toml")).unwrap();
    let benchmark = Benchmark::MemoryCopyMibPerSec;
    let capabilities = Capabilities {
        cores: 2,
        clock_mhz: None,
        memory_mib: 2048,
        disk_mib: 8192,
        bandwidth_kbit_per_sec: Some(1000),
        benchmarks: vec![BenchmarkResult { benchmark, value: 5000 }].try_into().unwrap(),
        wall: zennet_primitives::contract::Wall::Namespaces,
    };
    let rates = Rates::default().with(Counter::CpuMicros, 1_000_000);
    let parse = |_: &str| Err("no address");
    Policy::new(&config, AccountId::new([1; 32]), rates.into(), capabilities, parse).unwrap()
}

fn record() -> AnnouncementRecord<u32> {
    AnnouncementRecord {
        publisher: AccountId::new([2; 32]),
        body: Announcement {
            task: 1,
            machines: 3,
            images: Default::default(),
            needs: Needs { memory_mib: Some(256), ..Default::default() },
            lease: LeaseRange { min_secs: 60, max_secs: 3600 },
            interval_ms: 2000,
            max_rates: None,
            proposal_secs: 30,
            asks: 1,
            info_url: Default::default(),
            endpoint: format!("/ip4/8.8.8.8/tcp/1/p2p/{PEER}").into_bytes().try_into().unwrap(),
        },
        stamp: 0,
        expires_at: 100,
        deposit: 0,
    }
}

fn admit(
    policy: impl FnOnce(&mut Policy),
    record_change: impl FnOnce(&mut AnnouncementRecord<u32>),
) -> Result<Admitted, Refusal> {
    let (mut p, mut r) = (self::policy(), record());
    policy(&mut p);
    record_change(&mut r);
    p.admit(Hash::repeat_byte(9), &r, 10)
}

#[test]
fn a_plain_announcement_gets_what_it_needs_and_defaults_for_the_rest() {
    let quote = admit(|_| (), |_| ()).unwrap().quote;
    assert_eq!(
        quote.resources,
        Resources { cpu_millis: 1000, memory_mib: 256, disk_mib: 1024, volume_mib: 0 }
    );
    assert_eq!((quote.lease_secs, quote.tick_ms, quote.grace_ms), (3600, 2000, 2000));
    assert_eq!(&quote.image[..], b"zennet-os:latest");
}

#[test]
fn each_refusal_is_named() {
    let with_policy = |change: fn(&mut Policy)| admit(change, |_| ()).unwrap_err();
    let with = |change: fn(&mut AnnouncementRecord<u32>)| admit(|_| (), change).unwrap_err();
    assert_eq!(with(|r| r.publisher = AccountId::new([1; 32])), Refusal::Own);
    assert_eq!(with(|r| r.expires_at = 10), Refusal::Expired(10));
    assert!(matches!(with(|r| r.body.machines = 0), Refusal::Malformed(_)));
    assert_eq!(with_policy(|p| p.deny.push(AccountId::new([2; 32]))), Refusal::Publisher);
    assert_eq!(with_policy(|p| p.allow.push(AccountId::new([3; 32]))), Refusal::Publisher);
    assert!(matches!(
        with_policy(|p| p.filter.min_stamp = u64::MAX),
        Refusal::StampTooSmall { .. }
    ));
    assert!(matches!(with(|r| r.body.asks = u64::MAX), Refusal::TooMuchWork { .. }));
    assert!(matches!(
        with(|r| r.body.endpoint = b"/ip4/127.0.0.1/tcp/1".to_vec().try_into().unwrap()),
        Refusal::Endpoint(_)
    ));
    assert_eq!(
        with(|r| r.body.images = vec![b"evil".to_vec().try_into().unwrap()].try_into().unwrap()),
        Refusal::Image
    );
    assert!(matches!(
        with(|r| r.body.lease = LeaseRange { min_secs: 1, max_secs: 9 }),
        Refusal::LeaseTime { .. }
    ));
    assert!(matches!(
        with(|r| r.body.needs.memory_mib = Some(4096)),
        Refusal::Quote(QuoteError::TooBig { needed: 4096, available: 2048, .. })
    ));
    assert_eq!(with(|r| r.body.max_rates = Some(Rates::default())), Refusal::PaysTooLittle);
}

#[test]
fn a_speed_that_was_not_measured_counts_as_none() {
    let needs = |change: fn(&mut Needs)| admit(|_| (), |r| change(&mut r.body.needs));
    assert!(needs(|n| n.memory_mib_per_sec = Some(5000)).is_ok());
    assert!(matches!(needs(|n| n.memory_mib_per_sec = Some(5001)), Err(Refusal::TooSlow { .. })));
    assert!(matches!(
        needs(|n| n.clock_mhz = Some(1)),
        Err(Refusal::TooSlow { what: "MHz", needed: 1, found: 0 })
    ));
    assert!(matches!(needs(|n| n.disk_mib_per_sec = Some(1)), Err(Refusal::TooSlow { .. })));
    assert!(needs(|n| n.bandwidth_kbit_per_sec = Some(1000)).is_ok());
}

#[test]
fn a_private_endpoint_passes_only_on_development_chains() {
    let local = |r: &mut AnnouncementRecord<u32>| {
        let text = format!("/ip4/127.0.0.1/tcp/1/p2p/{PEER}");
        r.body.endpoint = text.into_bytes().try_into().unwrap();
    };
    assert!(matches!(admit(|_| (), local), Err(Refusal::Endpoint(EndpointError::Private(_)))));
    assert!(admit(|p| p.filter.allow_private_endpoints = true, local).is_ok());
}

#[test]
fn a_relayed_endpoint_passes_unless_it_is_not_wanted() {
    let relayed = |host: &'static str| {
        move |r: &mut AnnouncementRecord<u32>| {
            let relay = "12D3KooWRNJihXnhpSgMzTYGDoccoHWRnGKUDrV1SDVd9sn4yuMH";
            let text = format!("/ip4/{host}/tcp/1/p2p/{relay}/p2p-circuit/p2p/{PEER}");
            r.body.endpoint = text.into_bytes().try_into().unwrap();
        }
    };
    assert!(admit(|_| (), relayed("8.8.8.8")).is_ok());
    let refused = admit(|p| p.filter.allow_relayed = false, relayed("8.8.8.8"));
    assert_eq!(refused.unwrap_err(), Refusal::Relayed);
    let private = admit(|_| (), relayed("10.0.0.1"));
    assert!(matches!(private, Err(Refusal::Endpoint(EndpointError::Private(_)))));
}

#[test]
fn a_stamp_is_worth_its_work() {
    let id = Hash::repeat_byte(9);
    let nonce = mine(|n| stamp_work(id, n), 1 << 10, 0, 1 << 20).unwrap();
    assert!(admit(|p| p.filter.min_stamp = 1 << 10, |r| r.stamp = nonce).is_ok());
}

#[test]
fn a_tick_above_the_exposure_is_refused_before_any_meeting() {
    let dear = |p: &mut Policy| {
        p.prices.rates = Rates::default().with(Counter::CpuMicros, XEN * 1_000_000_000_000);
        p.lease.max_exposure_xen = Xen(1);
    };
    assert!(matches!(admit(dear, |_| ()), Err(Refusal::TickTooDear { most: 1, .. })));
}

#[test]
fn rates_are_lowered_to_what_is_paid_but_not_below_the_floor() {
    let limit = Rates::default().with(Counter::CpuMicros, 900_000);
    let paying = |r: &mut AnnouncementRecord<u32>| r.body.max_rates = Some(limit);
    assert_eq!(admit(|_| (), paying), Err(Refusal::PaysTooLittle));
    let admitted = admit(|p| p.floor = floor_of(&p.prices.rates, 80), paying).unwrap();
    assert_eq!(admitted.quote.rates, limit);
}

#[test]
fn the_floor_is_rounded_up() {
    let rates = Rates::default().with(Counter::CpuMicros, 3);
    assert_eq!(floor_of(&rates, 50).get(Counter::CpuMicros), 2);
    assert_eq!(floor_of(&rates, 100), rates);
}

#[test]
fn only_a_prepaid_announcement_is_quoted_a_prepayment() {
    let dear =
        |p: &mut Policy| p.prices.rates = Rates::default().with(Counter::CpuMicros, RATE_SCALE);
    let prepaid = |r: &mut AnnouncementRecord<u32>| r.body.interval_ms = -2000;
    assert_eq!(admit(dear, |_| ()).unwrap().quote.prepay, 0);
    assert_eq!(admit(dear, prepaid).unwrap().quote.prepay, 2_000_000);
}

#[test]
fn a_machine_is_never_too_small_for_the_guest() {
    let tiny = |r: &mut AnnouncementRecord<u32>| {
        r.body.needs = Needs { cpu_millis: Some(1), memory_mib: Some(1), ..Default::default() };
    };
    let resources = admit(|_| (), tiny).unwrap().quote.resources;
    assert_eq!((resources.cpu_millis, resources.memory_mib), (10, 16));
}

#[test]
fn the_quote_carries_digest_and_host_key() {
    let quote = admit(|_| (), |_| ()).unwrap().quote([1; 32], [2; 32]);
    assert_eq!((quote.image_digest, quote.host_key), ([1; 32], [2; 32]));
}

#[test]
fn an_account_that_cannot_pay_the_fees_of_one_more_lease_answers_nothing() {
    let policy = policy();
    let least = XEN / 10;
    assert_eq!(policy.check_coin(least, 0), Ok(()));
    assert_eq!(policy.check_coin(0, 0), Err(Refusal::NoCoin { found: 0, least }));
    let found = 3 * least - 1;
    let refusal = policy.check_coin(found, 2).unwrap_err();
    assert_eq!(refusal, Refusal::NoCoin { found, least: 3 * least });
    assert!(refusal.to_string().contains("0.3 are kept"), "{refusal}");
    assert_eq!(policy.check_coin(3 * least, 2), Ok(()));
}
