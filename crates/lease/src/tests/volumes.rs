//! What a volume counts, who pays for keeping it, and the notice of a provider that leaves.

use zennet_primitives::{
    amendment::Objection,
    close::CloseReason,
    contract::{Volume, VolumeName},
    frame::{Frame, Notice},
    usage::Counter,
};

use super::{pair::*, setups::*};
use crate::*;

const KEEP_SECS: u32 = 600;
/// Price of one byte-second, so that what a volume costs stands out.
const RATE: u128 = 10u128.pow(10);

fn setups(notice_secs: u32) -> (ProviderSetup, PublisherSetup) {
    let (mut theirs, mut own) = (provider_setup(false), publisher_setup(false));
    own.body.needs.volume_mib = Some(64);
    // Any stamp will do: this is another announcement than that of the setups.
    own.body.asks = 0;
    own.announcement = own.body.id(genesis(), &account(PUBLISHER));
    let name = VolumeName::truncate_from(b"data".to_vec());
    own.policy.volume = Some(Volume { name, keep_secs: KEEP_SECS });
    let mut listing = listing();
    listing.available.volume_mib = 64;
    listing.rates = listing.rates.with(Counter::VolumeByteSecs, RATE);
    (listing.notice_secs, listing.max_keep_secs, listing.keep_unpaid_secs) =
        (notice_secs, 3600, 60);
    theirs.quote = quote_for(&own.body, &listing).unwrap();
    theirs.floor = listing.rates;
    theirs.announcement = own.announcement;
    (theirs, own)
}

fn run(faults: Faults, (theirs, own): (ProviderSetup, PublisherSetup)) -> Pair {
    let mut pair = Pair::with(faults, theirs, own);
    assert!(pair.run(), "publisher {}, provider {}", pair.publisher.phase(), pair.provider.phase());
    pair
}

fn counted(pair: &Pair) -> u64 {
    pair.provider.usage().unwrap().get(Counter::VolumeByteSecs).unwrap()
}

fn kept(pair: &Pair) -> (u32, u32) {
    (pair.publisher.kept_secs(), pair.provider.kept_secs())
}

#[test]
fn the_last_voucher_pays_for_the_volume_and_for_keeping_it() {
    let stops = Faults { publisher_stops_at: Some(30_000), ..Faults::default() };
    let pair = run(stops, setups(0));
    let started = pair.publisher.started().unwrap();
    let lasted_secs = (30_000 - started).div_ceil(1000);
    let mib_secs = counted(&pair) >> 20;
    let expected = 64 * (u64::from(KEEP_SECS) + lasted_secs);
    assert!(mib_secs.abs_diff(expected) <= 64, "{mib_secs} {expected}");
    assert_eq!(kept(&pair), (KEEP_SECS, KEEP_SECS));
    let own = pair.publisher.own_usage().unwrap();
    assert_eq!(own.get(Counter::VolumeByteSecs), Some(counted(&pair)), "it can be priced");
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
    assert!(pair.publisher.paid() > u128::from(counted(&pair)) * RATE / 10u128.pow(18));
}

#[test]
fn a_contract_is_countersigned_only_when_its_volume_is_reserved() {
    let (theirs, own) = setups(0);
    let mut pair = Pair::with(Faults::default(), theirs, own);
    assert!(pair.run_until(60_000, |pair| pair.provider.phase() == Phase::Opening));
    let at = |wanted: fn(&ProviderAction) -> bool| {
        pair.provider_did.iter().position(|(_, action)| wanted(action)).unwrap()
    };
    let reserved = at(|action| matches!(action, ProviderAction::ReserveVolume(_)));
    assert!(reserved < at(|action| matches!(action, ProviderAction::Countersign(_))));
}

#[test]
fn a_volume_that_cannot_be_had_ends_the_meeting_before_anything_is_signed() {
    let taken = Faults { volume_is_taken: true, ..Faults::default() };
    let pair = run(taken, setups(0));
    for reason in [pair.provider.close_reason(), pair.publisher.close_reason()] {
        assert_eq!(reason, Some(CloseReason::VolumeUnavailable));
    }
    assert!(pair.provider.terms().is_none() && pair.settlements().is_empty());
    let signs = |action: &ProviderAction| matches!(action, ProviderAction::Countersign(_));
    assert!(!pair.provider_did.iter().any(|(_, action)| signs(action)));
}

#[test]
fn whoever_loses_its_connection_while_the_lease_ends_still_pays_for_keeping_the_volume() {
    for cut_at in (30_000..31_500).step_by(50) {
        let faults = Faults {
            publisher_stops_at: Some(30_000),
            cut_at: Some(cut_at),
            mended_after: Some(300),
            ..Faults::default()
        };
        let pair = run(faults, setups(0));
        assert_eq!(pair.publisher.close_reason(), Some(CloseReason::Finished), "{cut_at}");
        assert_eq!(kept(&pair), (KEEP_SECS, KEEP_SECS), "cut at {cut_at}");
        assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()), "cut at {cut_at}");
    }
}

#[test]
fn a_publisher_that_does_not_come_back_while_the_lease_ends_is_not_waited_for_long() {
    let (stops, cut) = (Some(30_000), Some(30_100));
    let faults = Faults { publisher_stops_at: stops, cut_at: cut, ..Faults::default() };
    let pair = run(faults, setups(0));
    let settled = pair
        .provider_did
        .iter()
        .find_map(|(at, action)| matches!(action, ProviderAction::Settle(_)).then_some(*at));
    let stopped = pair.when_provider(&ProviderAction::StopMachine).unwrap();
    let waits = u64::from(ProviderLimits::default().final_voucher_ms);
    assert!(settled.unwrap() <= stopped + 400 + waits, "{settled:?} {stopped}");
    assert_eq!(kept(&pair), (60, 60));
}

#[test]
fn a_lease_that_lasts_its_time_has_deposited_for_keeping_the_volume() {
    let busy = Faults { load_percent: 90, ..Faults::default() };
    let pair = run(busy, setups(0));
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::LeaseTimeOver));
    assert_eq!(kept(&pair), (KEEP_SECS, KEEP_SECS));
}

#[test]
fn a_volume_that_is_dropped_is_not_paid_for_beyond_the_lease() {
    let stops = Faults { publisher_stops_at: Some(30_000), ..Faults::default() };
    let whole = run(stops.clone(), setups(0));
    let (theirs, own) = setups(0);
    let mut pair = Pair::with(stops, theirs, own);
    pair.run_to(Phase::Serving { frozen: false });
    pair.tell_publisher(PublisherEvent::DropVolume);
    assert!(pair.run());
    assert_eq!(kept(&pair), (60, 60), "as long as was promised in any case");
    let retention = (u128::from(KEEP_SECS) * (64 << 20)) * RATE / 10u128.pow(18);
    let saved = whole.publisher.paid() - pair.publisher.paid();
    assert!(saved.abs_diff(retention) <= 1, "{saved} {retention}");
}

#[test]
fn a_lease_that_is_cut_off_keeps_its_volume_as_promised_in_any_case() {
    let cut = Faults { cut_at: Some(20_000), ..Faults::default() };
    let pair = run(cut, setups(0));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ConnectionLost));
    assert_eq!(kept(&pair), (60, 60));
}

#[test]
fn a_provider_that_counts_more_for_a_volume_than_time_has_passed_is_left() {
    let (theirs, own) = setups(0);
    let mut pair = Pair::with(Faults::default(), theirs, own);
    pair.run_to(Phase::Serving { frozen: false });
    let much = 64 << 30;
    let usage = pair.reading_now().with(Counter::VolumeByteSecs, much);
    pair.tell_publisher(PublisherEvent::Received(Frame::Usage { tick: 1, usage, last: false }));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ProtocolViolation));
}

#[test]
fn a_provider_without_room_for_the_volume_does_not_quote() {
    let (_, own) = setups(0);
    let none = quote_for(&own.body, &listing());
    assert!(matches!(none, Err(QuoteError::TooBig { what: "MiB of volumes", .. })), "{none:?}");
}

fn notices(pair: &Pair) -> Vec<Notice> {
    let notice = |(_, action): &(Millis, PublisherAction)| match action {
        PublisherAction::MachineStateChanged(notice) => Some(*notice),
        _ => None,
    };
    pair.publisher_did.iter().filter_map(notice).collect()
}

/// A lease whose provider leaves while it serves.
fn left(notice_secs: u32) -> Pair {
    let (theirs, own) = setups(notice_secs);
    let mut pair = Pair::with(Faults::default(), theirs, own);
    pair.run_to(Phase::Serving { frozen: false });
    pair.tell_provider(ProviderEvent::Leave);
    pair
}

#[test]
fn a_provider_that_leaves_serves_for_as_long_as_it_promised() {
    let mut pair = left(20);
    let said = pair.now;
    pair.tell_provider(ProviderEvent::Leave);
    assert_eq!(pair.provider.leaves_at(), Some(said + 20_000), "the first word counts");
    assert!(pair.run());
    assert_eq!(notices(&pair), [Notice::Leaving { in_secs: 20 }]);
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::ProviderLeaves));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ProviderLeaves));
    let stopped = pair.when_provider(&ProviderAction::StopMachine).unwrap();
    assert!(stopped >= said + 20_000);
    assert_eq!(kept(&pair), (KEEP_SECS, KEEP_SECS));
}

#[test]
fn a_provider_that_leaves_without_notice_has_broken_its_word_on_both_sides() {
    let faults = Faults { provider_stops_at: Some(20_000), ..Faults::default() };
    let pair = run(faults.clone(), setups(20));
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::NoticeBroken));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::NoticeBroken));
    let none_promised = run(faults, setups(0));
    assert_eq!(none_promised.publisher.close_reason(), Some(CloseReason::ProviderLeaves));
}

#[test]
fn a_publisher_is_not_taken_in_by_a_provider_that_calls_a_breach_a_leave() {
    let mut pair = left(20);
    let close = Frame::Close(CloseReason::ProviderLeaves);
    pair.run_until(pair.now + 10_000, |_| false);
    pair.tell_publisher(PublisherEvent::Received(close));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::NoticeBroken));
}

#[test]
fn a_notice_counts_from_when_the_publisher_can_hear_it() {
    let cut = Faults { cut_at: Some(15_000), mended_after: Some(9_000), ..Faults::default() };
    let (theirs, own) = setups(30);
    let mut pair = Pair::with(cut, theirs, own);
    assert!(pair.run_until(16_000, |pair| pair.now >= 15_000 && pair.publisher.is_lost()));
    pair.tell_provider(ProviderEvent::Leave);
    assert!(pair.run());
    assert!(notices(&pair).contains(&Notice::Leaving { in_secs: 30 }));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ProviderLeaves));
}

#[test]
fn a_lease_that_failed_by_the_providers_fault_pays_for_no_retention() {
    let fails = Faults { machine_fails_at: Some(30_000), ..Faults::default() };
    let pair = run(fails, setups(0));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::MachineFailed));
    assert_eq!(kept(&pair), (60, 60));
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
}

#[test]
fn no_other_reason_gets_a_provider_around_its_notice() {
    for reason in [CloseReason::Finished, CloseReason::EnoughMachines, CloseReason::LeaseTimeOver] {
        let (theirs, own) = setups(20);
        let mut pair = Pair::with(Faults::default(), theirs, own);
        pair.run_to(Phase::Serving { frozen: false });
        pair.tell_publisher(PublisherEvent::Received(Frame::Close(reason)));
        assert_eq!(pair.publisher.close_reason(), Some(CloseReason::NoticeBroken), "{reason:?}");
    }
}

#[test]
fn a_provider_that_leaves_grants_no_more_time() {
    let mut pair = left(20);
    pair.tell_publisher(PublisherEvent::Extend { secs: 30 });
    assert!(pair.run());
    let refused = PublisherAction::NotAmended(Objection::Leaving);
    assert!(pair.publisher_did.iter().any(|(_, action)| *action == refused));
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::ProviderLeaves));
}
