//! Whole leases, with one thing going wrong at a time.

use codec::{Decode, Encode};
use zennet_primitives::{
    close::CloseReason,
    frame::Frame,
    usage::{Counter, Usage},
};

use super::{pair::*, setups::*};
use crate::*;

fn run(faults: Faults) -> Pair {
    let mut pair = Pair::new(faults);
    let ended = pair.run();
    assert!(ended, "publisher {}, provider {}", pair.publisher.phase(), pair.provider.phase());
    pair
}

fn reasons(pair: &Pair) -> (Option<CloseReason>, Option<CloseReason>) {
    (pair.provider.close_reason(), pair.publisher.close_reason())
}

fn both(reason: CloseReason) -> (Option<CloseReason>, Option<CloseReason>) {
    (Some(reason), Some(reason))
}

#[test]
fn a_lease_runs_to_its_time_and_pays_what_was_used() {
    let pair = run(Faults::default());
    assert_eq!(reasons(&pair), both(CloseReason::LeaseTimeOver));
    let terms = pair.provider.terms().unwrap();
    let zero = Usage::default()
        .with(zennet_primitives::usage::Counter::CpuMicros, 0)
        .with(zennet_primitives::usage::Counter::MemoryByteSecs, 0);
    let price = terms.quote.rates.price(&pair.provider.usage().unwrap(), &zero).unwrap();
    assert!(price > 0);
    assert_eq!(pair.provider.settled(), Some(price));
    assert_eq!(pair.publisher.settled(), Some(price));
    assert_eq!(pair.provider.paid(), pair.publisher.paid());
    assert_eq!(pair.provider.usage(), pair.publisher.usage());
    assert!(pair.publisher.agreed());
    assert_eq!(pair.when_provider(&ProviderAction::Freeze), None);
    assert_eq!(pair.settlements().len(), 1);
}

#[test]
fn the_publisher_ends_a_lease_in_order() {
    let pair = run(Faults { publisher_stops_at: Some(21_000), ..Faults::default() });
    assert_eq!(reasons(&pair), both(CloseReason::Finished));
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
    assert!(!pair
        .publisher_did
        .iter()
        .any(|(_, action)| matches!(action, PublisherAction::RequestClose(_))));
}

#[test]
fn both_record_one_reason_when_both_end_at_once() {
    let at = Some(21_000);
    let faults = Faults { publisher_stops_at: at, provider_stops_at: at, ..Faults::default() };
    let pair = run(faults);
    assert_eq!(reasons(&pair), both(CloseReason::ProviderLeaves));
}

#[test]
fn the_machine_starts_only_after_the_channel_is_final() {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Starting);
    assert_eq!(pair.provider.phase(), Phase::Opening);
    assert_eq!(pair.when_provider(&ProviderAction::StartMachine), None);
    pair.run_to(Phase::Serving { frozen: false });
    assert!(pair.when_provider(&ProviderAction::StartMachine).is_some());
}

#[test]
fn a_publisher_that_stops_paying_has_its_machine_frozen_within_tick_and_grace() {
    let stops = 21_000;
    let pair = run(Faults { stops_paying_at: Some(stops), ..Faults::default() });
    assert_eq!(reasons(&pair), both(CloseReason::NotPaid));
    let frozen = pair.when_provider(&ProviderAction::Freeze).unwrap();
    assert!(frozen <= stops + u64::from(TICK_MS + GRACE_MS), "{frozen}");
    assert_eq!(pair.provider.settled(), Some(pair.provider.paid()));
    assert!(pair.provider.paid() > 0);
    assert!(pair
        .publisher_did
        .iter()
        .any(|(_, action)| matches!(action, PublisherAction::MachineStateChanged(_))));
}

#[test]
fn a_machine_thaws_when_what_is_due_is_paid() {
    // One voucher takes longer than the grace.
    let mut delays = vec![20; 40];
    delays[24] = 3_000;
    let pair = run(Faults { delays, ..Faults::default() });
    assert!(pair.when_provider(&ProviderAction::Freeze).is_some());
    assert!(pair.when_provider(&ProviderAction::Thaw).is_some());
    assert_eq!(reasons(&pair), both(CloseReason::LeaseTimeOver));
}

#[test]
fn a_publisher_that_dies_pays_its_last_voucher() {
    let dies = 21_000;
    let pair = run(Faults { publisher_dies_at: Some(dies), ..Faults::default() });
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::ConnectionLost));
    let frozen = pair.when_provider(&ProviderAction::Freeze).unwrap();
    assert!(frozen <= dies + u64::from(TICK_MS + GRACE_MS), "{frozen}");
    assert!(pair.provider.paid() > 0);
    assert_eq!(pair.provider.settled(), Some(pair.provider.paid()));
}

#[test]
fn a_provider_that_dies_costs_no_more_than_the_usage_it_showed() {
    let pair = run(Faults { provider_dies_at: Some(21_000), ..Faults::default() });
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ConnectionLost));
    assert_eq!(pair.publisher.settled(), Some(0));
    let price = pair.publisher.usage().unwrap();
    assert!(price.get(zennet_primitives::usage::Counter::CpuMicros).unwrap() > 0);
}

#[test]
fn a_restarted_provider_that_is_not_reached_again_claims_what_it_is_owed() {
    let pair = run(Faults { provider_restarts_at: Some(21_000), ..Faults::default() });
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ConnectionLost));
    assert!(pair.provider.paid() > 0);
    assert_eq!(pair.provider.settled(), Some(pair.provider.paid()));
}

/// A lease that broke and went on: it lasted its time and paid all that was used.
fn went_on(pair: &Pair) {
    assert_eq!(reasons(pair), both(CloseReason::LeaseTimeOver));
    let terms = pair.provider.terms().unwrap();
    let zero = Usage::default()
        .with(zennet_primitives::usage::Counter::CpuMicros, 0)
        .with(zennet_primitives::usage::Counter::MemoryByteSecs, 0);
    let price = terms.quote.rates.price(&pair.provider.usage().unwrap(), &zero).unwrap();
    assert_eq!(pair.provider.settled(), Some(price));
    assert_eq!(pair.publisher.settled(), Some(price));
}

#[test]
fn a_connection_that_is_built_again_goes_on_and_loses_no_payment() {
    for mended_after in [200, 1_500, 9_000] {
        let mended_after = Some(mended_after);
        let pair = run(Faults { cut_at: Some(21_000), mended_after, ..Faults::default() });
        went_on(&pair);
    }
}

#[test]
fn a_machine_without_connection_is_frozen_until_it_is_paid_again() {
    let faults = Faults { cut_at: Some(21_000), mended_after: Some(9_000), ..Faults::default() };
    let pair = run(faults);
    let frozen = pair.when_provider(&ProviderAction::Freeze).unwrap();
    let thawed = pair.when_provider(&ProviderAction::Thaw).unwrap();
    assert!((21_000..=21_000 + u64::from(TICK_MS + GRACE_MS)).contains(&frozen), "{frozen}");
    assert!((30_000..32_000).contains(&thawed), "{thawed}");
}

#[test]
fn a_restarted_side_finds_its_lease_and_goes_on() {
    let mended_after = Some(700);
    let at = Some(21_000);
    went_on(&run(Faults { provider_restarts_at: at, mended_after, ..Faults::default() }));
    went_on(&run(Faults { publisher_restarts_at: at, mended_after, ..Faults::default() }));
    went_on(&run(Faults {
        provider_restarts_at: at,
        publisher_restarts_at: Some(21_100),
        mended_after,
        ..Faults::default()
    }));
}

#[test]
fn a_connection_that_breaks_while_the_channel_opens_is_built_again() {
    for cut_at in (1_100..5_000).step_by(100) {
        let faults = Faults { cut_at: Some(cut_at), mended_after: Some(500), ..Faults::default() };
        let mut pair = Pair::new(faults);
        assert!(pair.run(), "cut at {cut_at}");
        if pair.publisher.terms().is_some() {
            went_on(&pair);
        }
    }
}

#[test]
fn an_end_that_is_asked_for_without_a_connection_is_heard_on_the_next_one() {
    let faults = Faults {
        cut_at: Some(21_000),
        mended_after: Some(4_000),
        publisher_stops_at: Some(22_000),
        ..Faults::default()
    };
    let pair = run(faults);
    assert_eq!(reasons(&pair), both(CloseReason::Finished));
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
    let asked = |a: &PublisherAction| matches!(a, PublisherAction::RequestClose(_));
    assert!(!pair.publisher_did.iter().any(|(_, action)| asked(action)));
}

#[test]
fn a_lost_connection_ends_on_both_sides_and_settles() {
    let pair = run(Faults { cut_at: Some(21_000), ..Faults::default() });
    let (provider, publisher) = reasons(&pair);
    assert_eq!(publisher, Some(CloseReason::ConnectionLost));
    assert!(matches!(provider, Some(CloseReason::ConnectionLost | CloseReason::ChannelClosing)));
    assert_eq!(pair.publisher.settled(), Some(pair.provider.paid()));
}

#[test]
fn a_silent_provider_is_hung_up_on_and_then_given_up() {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Serving { frozen: false });
    let silent = pair.publisher.clone();
    let until = silent.deadline().unwrap();
    let step = silent.step(PublisherEvent::Timer, until).unwrap();
    assert_eq!(step.actions, vec![PublisherAction::Disconnect]);
    assert!(step.next.is_lost() && step.next.close_reason().is_none());
    let until = step.next.deadline().unwrap();
    let step = step.next.step(PublisherEvent::Timer, until).unwrap();
    assert_eq!(step.next.close_reason(), Some(CloseReason::ConnectionLost));
    let channel = silent.channel().unwrap();
    assert_eq!(step.actions, vec![PublisherAction::RequestClose(channel)]);
}

#[test]
fn a_failed_machine_ends_the_lease_and_pays_what_was_used() {
    let pair = run(Faults { machine_fails_at: Some(21_000), ..Faults::default() });
    assert_eq!(reasons(&pair), both(CloseReason::MachineFailed));
    assert!(pair.provider.settled().unwrap() > 0);
}

#[test]
fn a_machine_that_cannot_be_prepared_costs_nothing() {
    let mut pair = Pair::new(Faults::default());
    assert!(pair.run_until(60_000, |pair| pair.provider.phase() == Phase::Opening));
    pair.tell_provider(ProviderEvent::MachineFailed);
    assert!(pair.run());
    assert_eq!(reasons(&pair), both(CloseReason::MachineFailed));
    assert_eq!(pair.publisher.paid(), 0);
    assert_eq!(pair.settlements(), vec![]);
}

#[test]
fn a_failing_settlement_is_sent_again_with_growing_pauses() {
    let faults =
        Faults { settle_failures: 12, publisher_stops_at: Some(21_000), ..Faults::default() };
    let pair = run(faults);
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::Finished));
    let times: Vec<_> = pair
        .provider_did
        .iter()
        .filter(|(_, action)| matches!(action, ProviderAction::Settle(_)))
        .map(|(at, _)| *at)
        .collect();
    assert!(times.len() >= 5, "{times:?}");
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 62_000), "{pauses:?}");
}

#[test]
fn a_prepaying_publisher_is_always_ahead() {
    let pair = run(Faults { prepaid: true, ..Faults::default() });
    assert_eq!(reasons(&pair), both(CloseReason::LeaseTimeOver));
    let vouchers = pair.signed_vouchers();
    let prepay = pair.provider.terms().unwrap().quote.prepay;
    assert!(prepay > 0);
    assert_eq!((vouchers[0].0, vouchers[0].1.cumulative), (0, prepay));
    assert_eq!(pair.when_provider(&ProviderAction::Freeze), None);
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
}

#[test]
fn a_spent_deposit_ends_the_lease() {
    let mut own = publisher_setup(false);
    own.policy.max_price =
        Some(price_of_full_use(&rates(), &provider_setup(false).quote.resources, 8_000).unwrap());
    let mut pair =
        Pair::with(Faults { load_percent: 100, ..Faults::default() }, provider_setup(false), own);
    assert!(pair.run());
    assert_eq!(reasons(&pair), both(CloseReason::DepositSpent));
    let deposit = pair.provider.terms().unwrap().deposit;
    assert_eq!(pair.provider.settled(), Some(deposit));
}

#[test]
fn a_provider_that_reports_too_much_is_not_paid_for_it_and_left() {
    let pair = run(Faults { lie_percent: 130, load_percent: 60, ..Faults::default() });
    assert_eq!(reasons(&pair), both(CloseReason::UsageDisagreement));
    assert!(!pair.publisher.agreed());
    let vouchers = pair.signed_vouchers();
    let claimed = pair.provider.due();
    assert!(vouchers.last().unwrap().1.cumulative < claimed);
}

#[test]
fn a_provider_that_reports_five_percent_too_much_loses_the_lease_within_ten_ticks() {
    let pair = run(Faults { lie_percent: 105, load_percent: 100, ..Faults::default() });
    assert_eq!(reasons(&pair), both(CloseReason::UsageDisagreement));
    let off = pair.publisher.deviation().unwrap();
    assert_eq!(off.counter, Counter::CpuMicros);
    let vouchers = pair.signed_vouchers();
    // The last one answers the usage that the machine was stopped with.
    let (tick, last, _) = vouchers.last().unwrap();
    assert!(*tick <= 11, "{tick}");
    let second =
        price_of_full_use(&rates(), &pair.provider.terms().unwrap().quote.resources, 1_000);
    let truth = pair.provider.due() * 100 / 105;
    // One percent, and what is used between two own readings.
    assert!(last.cumulative <= truth + truth / 100 + second.unwrap(), "{truth}");
}

#[test]
fn a_claim_is_made_when_enough_is_unclaimed() {
    let mut theirs = provider_setup(false);
    let resources = theirs.quote.resources;
    theirs.limits.claim_threshold = price_of_full_use(&rates(), &resources, 10_000).unwrap();
    let mut pair = Pair::with(Faults::default(), theirs, publisher_setup(false));
    assert!(pair.run());
    let claims: Vec<_> = pair
        .provider_did
        .iter()
        .filter(|(_, action)| matches!(action, ProviderAction::Claim(_)))
        .collect();
    assert!((2..=6).contains(&claims.len()), "{}", claims.len());
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
}

#[test]
fn a_claim_that_failed_is_made_again_with_growing_pauses_and_the_newest_voucher() {
    let mut theirs = provider_setup(false);
    let resources = theirs.quote.resources;
    theirs.limits.claim_threshold = price_of_full_use(&rates(), &resources, 10_000).unwrap();
    let failing = Faults { claim_failures: 3, ..Faults::default() };
    let mut pair = Pair::with(failing, theirs, publisher_setup(false));
    assert!(pair.run());
    let claims: Vec<_> = pair
        .provider_did
        .iter()
        .filter_map(|(at, action)| match action {
            ProviderAction::Claim(voucher) => Some((*at, voucher.payload.cumulative)),
            _ => None,
        })
        .collect();
    // It takes a block each time to fail.
    let pauses: Vec<_> = claims.windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert_eq!(pauses[..3], [4_000, 6_000, 10_000]);
    assert!(claims.windows(2).all(|two| two[0].1 < two[1].1), "{claims:?}");
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
}

#[test]
fn a_claim_that_was_under_way_when_the_provider_ended_is_made_again() {
    let mut theirs = provider_setup(false);
    let resources = theirs.quote.resources;
    theirs.limits.claim_threshold = price_of_full_use(&rates(), &resources, 10_000).unwrap();
    let mut pair = Pair::with(Faults::default(), theirs, publisher_setup(false));
    let claims = |pair: &Pair| {
        let is_claim = |a: &ProviderAction| matches!(a, ProviderAction::Claim(_));
        pair.provider_did.iter().filter(|(_, action)| is_claim(action)).count()
    };
    assert!(pair.run_until(60_000, |pair| claims(pair) == 1));
    let now = pair.now;
    let step = pair.provider.step(ProviderEvent::Restarted, now).unwrap();
    let resumed = step.next.step(ProviderEvent::MachineResumed, now).unwrap().next;
    let due = resumed.deadline().unwrap();
    let step = resumed.step(ProviderEvent::Timer, due.max(now)).unwrap();
    assert!(step.actions.iter().any(|action| matches!(action, ProviderAction::Claim(_))));
}

#[test]
fn a_stopped_publisher_whose_channel_opens_later_gets_its_deposit_back() {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Opening);
    pair.tell_publisher(PublisherEvent::Stop(CloseReason::Finished));
    assert!(pair.run());
    assert_eq!(reasons(&pair), both(CloseReason::Finished));
    assert_eq!(pair.publisher.settled(), Some(0));
}

#[test]
fn stored_machines_are_the_same_after_loading() {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Serving { frozen: false });
    assert!(pair.provider.must_persist() && pair.publisher.must_persist());
    let bytes = pair.provider.encode();
    assert_eq!(Provider::decode(&mut &bytes[..]).as_ref(), Ok(&pair.provider));
    let bytes = pair.publisher.encode();
    assert_eq!(Publisher::decode(&mut &bytes[..]).as_ref(), Ok(&pair.publisher));
}

#[test]
fn late_events_are_denied_and_change_nothing() {
    let pair = run(Faults { publisher_stops_at: Some(21_000), ..Faults::default() });
    let usage = Usage::default();
    let denied = pair.provider.step(ProviderEvent::Metered { tick: 9, usage }, pair.now);
    assert_eq!(denied.unwrap_err().event, "metered");
    let denied =
        pair.publisher.step(PublisherEvent::Received(Frame::Opened { nonce: 1 }), pair.now);
    assert_eq!(denied.unwrap_err().phase, Phase::Closed);
    assert!(!pair.provider.must_persist());
    assert_eq!(pair.provider.deadline(), None);
}

#[test]
fn a_timer_before_its_time_does_nothing() {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Serving { frozen: false });
    let step = pair.publisher.step(PublisherEvent::Timer, pair.now).unwrap();
    assert_eq!(step.next, pair.publisher);
    assert!(step.actions.is_empty());
}
