//! Proofs, quotes and contracts.

use zennet_pricing::{fit_report, Fit};
use zennet_primitives::{
    amount::Rates,
    auth::AuthClaim,
    close::CloseReason,
    contract::CounterOffer,
    frame::{Frame, Hello, PROTOCOL_VERSION},
    pow::Role,
    report::{Report, ReportRow},
    usage::{Counter, Usage},
};

use super::{pair::*, setups::*};
use crate::*;

pub(super) fn meet(theirs: ProviderSetup, own: PublisherSetup) -> Pair {
    let mut pair = Pair::with(Faults::default(), theirs, own);
    pair.run_until(60_000, |pair| {
        let phases = (pair.provider.phase(), pair.publisher.phase());
        phases == (Phase::Closed, Phase::Closed) || pair.publisher.phase() == Phase::Opening
    });
    pair
}

fn ended(pair: &Pair, reason: CloseReason) {
    assert_eq!(pair.provider.close_reason(), Some(reason));
    assert_eq!(pair.publisher.close_reason(), Some(reason));
    assert!(!pair.provider.must_persist() && !pair.publisher.must_persist());
}

fn cheaper(percent: u128) -> Rates {
    rates().priced().fold(Rates::default(), |r, (c, rate)| r.with(c, rate * percent / 100))
}

#[test]
fn strangers_that_mean_the_same_sign_a_contract() {
    let pair = meet(provider_setup(false), publisher_setup(false));
    let terms = pair.publisher.terms().expect("a contract");
    assert_eq!(Some(terms), pair.provider.terms());
    assert_eq!(terms.quote, provider_setup(false).quote);
    assert!(pair.provider.must_persist());
}

#[test]
fn another_chain_is_incompatible() {
    let mut theirs = provider_setup(false);
    theirs.genesis = zennet_primitives::Hash::zero();
    ended(&meet(theirs, publisher_setup(false)), CloseReason::Incompatible);
}

#[test]
fn another_announcement_is_not_authentic() {
    let mut theirs = provider_setup(false);
    theirs.announcement = zennet_primitives::Hash::zero();
    ended(&meet(theirs, publisher_setup(false)), CloseReason::NotAuthentic);
}

#[test]
fn an_unexpected_publisher_is_not_authentic() {
    let mut theirs = provider_setup(false);
    theirs.publisher = account(77);
    ended(&meet(theirs, publisher_setup(false)), CloseReason::NotAuthentic);
}

#[test]
fn a_provider_with_a_key_of_somebody_else_is_not_authentic() {
    let mut theirs = provider_setup(false);
    theirs.account = account(77);
    ended(&meet(theirs, publisher_setup(false)), CloseReason::NotAuthentic);
}

#[test]
fn an_acceptance_without_work_is_not_authentic() {
    let mut own = publisher_setup(false);
    own.body.asks = 1 << 60;
    ended(&meet(provider_setup(false), own), CloseReason::NotAuthentic);
}

#[test]
fn a_provider_without_mined_identity_is_refused() {
    let mut pair = Pair::new(Faults::default());
    let asked = |pair: &Pair| {
        pair.publisher_did
            .iter()
            .any(|(_, a)| *a == PublisherAction::CheckIdentity(account(PROVIDER)))
    };
    assert!(pair.run_until(60_000, asked));
    pair.tell_publisher(PublisherEvent::IdentityChecked { mined: false });
    assert!(pair.run());
    ended(&pair, CloseReason::NotAuthentic);
}

#[test]
fn a_proof_made_for_another_connection_is_refused() {
    // The publisher's transport sees the peer id of a man in the middle, not the provider's.
    let setup = publisher_setup(false);
    let connected =
        PublisherEvent::Connected { own_peer: peer(1), other_peer: peer(66), challenge: [11; 32] };
    let publisher = Publisher::new(setup.clone()).step(connected, 0).unwrap().next;
    let hello = Hello {
        version: PROTOCOL_VERSION,
        genesis: genesis(),
        announcement: setup.announcement,
        account: account(PROVIDER),
        challenge: [12; 32],
        lease: None,
    };
    let step = publisher.step(PublisherEvent::Received(Frame::Hello(hello)), 0).unwrap();
    let PublisherAction::SendAuth { context, .. } = &step.actions[1] else { panic!("a proof") };
    let claim = AuthClaim { role: Role::Provider, account: account(PROVIDER) };
    let mut seen_by_provider = context.mirrored(account(PUBLISHER));
    let honest = sign(PROVIDER, claim.clone(), &seen_by_provider).signature;
    seen_by_provider.own_peer = peer(2);
    let relayed = sign(PROVIDER, claim, &seen_by_provider).signature;

    let taken = step.next.step(PublisherEvent::Received(Frame::Auth(honest)), 0).unwrap();
    assert_eq!(taken.actions, vec![PublisherAction::CheckIdentity(account(PROVIDER))]);
    let refused = step.next.step(PublisherEvent::Received(Frame::Auth(relayed)), 0).unwrap();
    assert_eq!(refused.next.close_reason(), Some(CloseReason::NotAuthentic));
}

#[test]
fn a_reflected_proof_is_refused() {
    let mut provider = Provider::new(provider_setup(false));
    let connected =
        ProviderEvent::Connected { own_peer: peer(2), other_peer: peer(1), challenge: [12; 32] };
    let mut step = provider.step(connected, 0).unwrap();
    provider = step.next;
    let hello = Hello {
        version: PROTOCOL_VERSION,
        genesis: genesis(),
        announcement: provider_setup(false).announcement,
        account: account(PUBLISHER),
        challenge: [12; 32],
        lease: None,
    };
    step = provider.step(ProviderEvent::Received(Frame::Hello(hello)), 0).unwrap();
    let ProviderAction::SendAuth { claim, context } = step.actions[0].clone() else {
        panic!("a proof")
    };
    let own = sign(PROVIDER, claim, &context).signature;
    let refused = step.next.step(ProviderEvent::Received(Frame::Auth(own)), 0).unwrap();
    assert_eq!(refused.next.close_reason(), Some(CloseReason::NotAuthentic));
}

#[test]
fn too_high_rates_are_bargained_down_to_the_limit() {
    let mut theirs = provider_setup(false);
    theirs.floor = cheaper(50);
    let mut own = publisher_setup(false);
    own.policy.max_rates = Some(cheaper(80));
    let pair = meet(theirs, own);
    assert_eq!(pair.publisher.terms().expect("a contract").quote.rates, cheaper(80));
}

#[test]
fn no_agreement_is_found_below_the_floor() {
    let mut own = publisher_setup(false);
    own.policy.max_rates = Some(cheaper(80));
    ended(&meet(provider_setup(false), own), CloseReason::NoAgreement);
}

#[test]
fn rates_of_the_announcement_bind_like_those_of_the_policy() {
    let mut own = publisher_setup(false);
    own.body.max_rates = Some(cheaper(80));
    ended(&meet(provider_setup(false), own), CloseReason::NoAgreement);
}

#[test]
fn rounds_are_bounded() {
    let mut theirs = provider_setup(false);
    theirs.floor = Rates::default();
    theirs.limits.max_rounds = 3;
    let mut pair = Pair::with(Faults::default(), theirs, publisher_setup(false));
    assert!(pair.run_until(60_000, |pair| pair.provider.phase() == Phase::Negotiating));
    let mut provider = pair.provider.clone();
    for percent in [90, 80] {
        let asked = CounterOffer { rates: cheaper(percent), lease_secs: 60 };
        let counter = ProviderEvent::Received(Frame::Counter(asked));
        provider = provider.step(counter, pair.now).unwrap().next;
        assert_eq!(provider.phase(), Phase::Negotiating);
    }
    let asked = CounterOffer { rates: cheaper(70), lease_secs: 60 };
    let step = provider.step(ProviderEvent::Received(Frame::Counter(asked)), pair.now).unwrap();
    assert_eq!(step.next.close_reason(), Some(CloseReason::NoAgreement));
}

#[test]
fn requirements_that_are_not_met_are_named() {
    let mut own = publisher_setup(false);
    own.body.needs.memory_mib = Some(8192);
    ended(&meet(provider_setup(false), own), CloseReason::RequirementsNotMet);
    let mut own = publisher_setup(false);
    own.policy.images = vec![b"other".to_vec().try_into().unwrap()];
    ended(&meet(provider_setup(false), own), CloseReason::RequirementsNotMet);
    let mut own = publisher_setup(false);
    own.body.needs.clock_mhz = Some(1);
    ended(&meet(provider_setup(false), own), CloseReason::RequirementsNotMet);
}

#[test]
fn a_quote_that_asks_for_money_ahead_unasked_is_refused() {
    let mut theirs = provider_setup(false);
    theirs.quote.prepay = 1;
    ended(&meet(theirs, publisher_setup(false)), CloseReason::NoAgreement);
}

#[test]
fn silence_ends_a_meeting_in_every_stage() {
    let provider = Provider::new(provider_setup(false));
    let connected =
        ProviderEvent::Connected { own_peer: peer(2), other_peer: peer(1), challenge: [12; 32] };
    let provider = provider.step(connected, 5).unwrap().next;
    let until = provider.deadline().unwrap();
    let step = provider.step(ProviderEvent::Timer, until).unwrap();
    assert_eq!(step.next.close_reason(), Some(CloseReason::TimedOut));

    for phase in [Phase::Greeting, Phase::Authenticating, Phase::Negotiating, Phase::Opening] {
        let mut pair = Pair::new(Faults::default());
        let there =
            |pair: &Pair| pair.publisher.phase() == phase && pair.publisher.deadline().is_some();
        assert!(pair.run_until(60_000, there), "{phase}");
        let until = pair.publisher.deadline().unwrap();
        let step = pair.publisher.step(PublisherEvent::Timer, until).unwrap();
        assert!(step.next.close_reason().is_some(), "{phase}");
    }
}

#[test]
fn a_contract_with_other_terms_is_refused() {
    let mut pair = Pair::new(Faults::default());
    let sent = |pair: &Pair| {
        pair.publisher_did.iter().any(|(_, a)| matches!(a, PublisherAction::SendContract(_)))
    };
    assert!(pair.run_until(60_000, sent));
    let terms = pair
        .publisher_did
        .iter()
        .find_map(|(_, action)| match action {
            PublisherAction::SendContract(terms) => Some(terms.clone()),
            _ => None,
        })
        .unwrap();
    let answer = |seed: u8, change: &dyn Fn(&mut zennet_primitives::contract::Terms)| {
        let mut terms = terms.clone();
        change(&mut terms);
        let contract = Frame::Contract(sign(seed, terms, &()));
        let step = pair.provider.step(ProviderEvent::Received(contract), pair.now).unwrap();
        step.next.close_reason()
    };
    assert_eq!(answer(PUBLISHER, &|_| {}), None);
    assert_eq!(answer(SESSION, &|_| {}), Some(CloseReason::NotAuthentic));
    let broken = Some(CloseReason::ProtocolViolation);
    assert_eq!(answer(PUBLISHER, &|t| t.genesis = Default::default()), broken);
    assert_eq!(answer(PUBLISHER, &|t| t.announcement = Default::default()), broken);
    assert_eq!(answer(PUBLISHER, &|t| t.provider = account(77)), broken);
    assert_eq!(answer(PUBLISHER, &|t| t.publisher = account(77)), broken);
    let cheap = cheaper(10);
    assert_eq!(answer(PUBLISHER, &|t| t.quote.rates = cheap), broken);
    let declined = Some(CloseReason::NoAgreement);
    let hurried = Some(CloseReason::ChallengeTooShort);
    assert_eq!(answer(PUBLISHER, &|t| t.challenge_blocks = 1), hurried);
    assert_eq!(answer(PUBLISHER, &|t| t.deposit = 1), declined);
    assert_eq!(answer(PUBLISHER, &|t| t.deposit = u128::MAX), declined);
}

#[test]
fn a_countersignature_of_somebody_else_is_refused() {
    let mut pair = Pair::new(Faults::default());
    let sent = |pair: &Pair| {
        pair.publisher_did.iter().any(|(_, a)| matches!(a, PublisherAction::SendContract(_)))
    };
    assert!(pair.run_until(60_000, sent));
    let forged = Frame::Countersign(zennet_primitives::Signature::from_raw([3; 64]));
    let step = pair.publisher.step(PublisherEvent::Received(forged), pair.now).unwrap();
    assert_eq!(step.next.close_reason(), Some(CloseReason::NotAuthentic));
}

#[test]
fn absurd_rates_are_refused_without_overflow() {
    let mut theirs = provider_setup(false);
    theirs.quote.rates = Rates::default().with(Counter::CpuMicros, u128::MAX);
    ended(&meet(theirs, publisher_setup(false)), CloseReason::NoAgreement);
}

/// A provider whose rates come from benchmarks.
pub(super) fn benchmarked() -> ProviderSetup {
    let rows = (1..=6u64).map(|k| ReportRow {
        usage: Usage::default()
            .with(Counter::CpuMicros, 160_000 * k + k * k * 101)
            .with(Counter::MemoryByteSecs, (1 << 28) * (7 - k)),
        millis: 1000,
    });
    let rows = rows.collect::<Vec<_>>().try_into().unwrap();
    let report = Report { rows, measured_at: 1 };
    let (Fit { rates, .. }, basis) = fit_report(&report, 20_000_000).unwrap();
    let mut theirs = provider_setup(false);
    let listing = Listing { rates, basis: Some(basis), ..listing() };
    theirs.quote = quote_for(&publisher_setup(false).body, &listing).unwrap();
    theirs.floor = Rates::default();
    theirs.offer.report = Some(report);
    theirs
}

#[test]
fn rates_that_come_from_benchmarks_are_checked_and_agreed_on() {
    let mut own = publisher_setup(false);
    own.policy.report_required = true;
    let mut pair = Pair::with(Faults::default(), benchmarked(), own);
    assert!(pair.run_until(60_000, |pair| pair.publisher.terms().is_some()));
    assert_eq!(pair.publisher.terms().unwrap().quote.basis, benchmarked().quote.basis);
}

#[test]
fn rates_that_are_not_those_of_their_report_are_refused() {
    let mut theirs = benchmarked();
    let dearer = theirs.quote.rates.get(Counter::CpuMicros) * 11 / 10;
    theirs.quote.rates = theirs.quote.rates.with(Counter::CpuMicros, dearer);
    ended(&meet(theirs, publisher_setup(false)), CloseReason::ReportFalse);
    let mut theirs = benchmarked();
    theirs.offer.report = None;
    ended(&meet(theirs, publisher_setup(false)), CloseReason::ReportFalse);
}

#[test]
fn chosen_rates_are_refused_where_a_report_is_required() {
    let mut own = publisher_setup(false);
    own.policy.report_required = true;
    ended(&meet(provider_setup(false), own), CloseReason::RequirementsNotMet);
}

#[test]
fn rates_that_were_haggled_over_come_from_no_report_any_more() {
    let mut own = publisher_setup(false);
    let limit = benchmarked().quote.rates.get(Counter::CpuMicros) / 2;
    own.policy.max_rates = Some(Rates::default().with(Counter::CpuMicros, limit));
    let mut pair = Pair::with(Faults::default(), benchmarked(), own);
    assert!(pair.run_until(60_000, |pair| pair.publisher.terms().is_some()));
    assert_eq!(pair.publisher.terms().unwrap().quote.basis, None);
}
