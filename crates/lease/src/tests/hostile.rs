//! What one machine does with whatever the other side may send.

use proptest::prelude::*;
use sp_core::Pair as _;
use zennet_primitives::{
    amendment::{Amendment, Objection},
    channel::{ChannelContext, Voucher},
    close::CloseReason,
    frame::{Frame, Hello, Notice, PROTOCOL_VERSION},
    signed::Unverified,
    usage::{Counter, Usage},
    Hash, Signature,
};

use super::{pair::*, setups::*};
use crate::*;

fn serving(prepaid: bool) -> Pair {
    let mut pair = Pair::new(Faults { prepaid, ..Faults::default() });
    let paid = pair.run_until(120_000, |pair| pair.provider.vouchers() >= 3);
    assert!(paid);
    pair
}

fn voucher(pair: &Pair, cumulative: u128) -> Unverified<Voucher> {
    let context = pair.provider.channel().unwrap();
    sign(SESSION, Voucher { cumulative, usage_hash: Hash::zero() }, &context)
}

fn pay(pair: &Pair, tick: u32, voucher: Unverified<Voucher>) -> Step<Provider, ProviderAction> {
    let event = ProviderEvent::Received(Frame::Voucher { tick, voucher });
    pair.provider.step(event, pair.now).unwrap()
}

/// The provider keeps what it has, settles with it and hangs up.
fn broke_off(pair: &Pair, step: &Step<Provider, ProviderAction>) {
    assert_eq!(step.next.close_reason(), Some(CloseReason::ProtocolViolation));
    assert_eq!(step.next.paid(), pair.provider.paid());
    assert!(step.actions.contains(&ProviderAction::Disconnect));
    assert!(step.actions.contains(&ProviderAction::StopMachine));
    let settled = step.actions.iter().find_map(|action| match action {
        ProviderAction::Settle(voucher) => Some(voucher.as_ref().map(|v| v.payload.cumulative)),
        _ => None,
    });
    assert_eq!(settled, Some(Some(pair.provider.paid())));
}

fn last_tick(pair: &Pair) -> u32 {
    pair.signed_vouchers().last().unwrap().0
}

#[test]
fn vouchers_that_do_not_hold_end_the_lease_and_lose_nothing() {
    let mut pair = serving(false);
    assert!(pair.run_until(120_000, |pair| pair.provider.due() > pair.provider.paid()));
    let (paid, tick) = (pair.provider.paid(), last_tick(&pair));
    let next = tick + 1;
    let deposit = pair.provider.terms().unwrap().deposit;
    assert!(pay(&pair, next, voucher(&pair, paid + 1)).next.paid() == paid + 1);

    broke_off(&pair, &pay(&pair, next, voucher(&pair, paid - 1)));
    broke_off(&pair, &pay(&pair, next, voucher(&pair, deposit + 1)));
    broke_off(&pair, &pay(&pair, next + 1, voucher(&pair, paid + 1)));
    broke_off(&pair, &pay(&pair, tick, voucher(&pair, paid)));
    broke_off(&pair, &pay(&pair, tick - 1, voucher(&pair, paid + 1)));
    broke_off(&pair, &pay(&pair, 0, voucher(&pair, paid + 1)));

    let mut forged = voucher(&pair, paid + 1);
    forged.payload.cumulative += 1;
    broke_off(&pair, &pay(&pair, next, forged));
    let context = pair.provider.channel().unwrap();
    let payload = Voucher { cumulative: paid + 1, usage_hash: Hash::zero() };
    let other_chain = ChannelContext { genesis: Hash::zero(), ..context };
    broke_off(&pair, &pay(&pair, next, sign(SESSION, payload, &other_chain)));
    let other_channel = ChannelContext { channel: Hash::zero(), ..context };
    broke_off(&pair, &pay(&pair, next, sign(SESSION, payload, &other_channel)));
    broke_off(&pair, &pay(&pair, next, sign(PUBLISHER, payload, &context)));
}

#[test]
fn a_replayed_voucher_ends_the_lease() {
    let pair = serving(false);
    let (tick, payload, context) = pair.signed_vouchers()[0];
    broke_off(&pair, &pay(&pair, tick, sign(SESSION, payload, &context)));
}

#[test]
fn paying_more_for_the_same_tick_is_welcome() {
    let pair = serving(false);
    let (paid, tick) = (pair.provider.paid(), last_tick(&pair));
    let step = pay(&pair, tick, voucher(&pair, paid + 5));
    assert_eq!(step.next.paid(), paid + 5);
    assert_eq!(step.next.phase(), Phase::Serving { frozen: false });
}

#[test]
fn malformed_input_ends_the_lease_on_either_side() {
    let pair = serving(false);
    broke_off(&pair, &pair.provider.step(ProviderEvent::Malformed, pair.now).unwrap());
    let step = pair.publisher.step(PublisherEvent::Malformed, pair.now).unwrap();
    assert_eq!(step.next.close_reason(), Some(CloseReason::ProtocolViolation));
    let channel = pair.publisher.channel().unwrap();
    assert!(step.actions.contains(&PublisherAction::RequestClose(channel)));
}

/// The publisher's machine just before it hears of the next tick, and that tick.
fn before_a_tick() -> (Pair, u32, Usage) {
    let mut pair = serving(false);
    let ticks = |pair: &Pair| {
        let is_usage = |a: &ProviderAction| matches!(a, ProviderAction::Send(Frame::Usage { .. }));
        pair.provider_did.iter().filter(|(_, action)| is_usage(action)).count()
    };
    let seen = ticks(&pair);
    assert!(pair.run_until(120_000, |pair| ticks(pair) > seen));
    let found = pair.provider_did.iter().rev().find_map(|(_, action)| match action {
        ProviderAction::Send(Frame::Usage { tick, usage, .. }) => Some((*tick, *usage)),
        _ => None,
    });
    let (tick, usage) = found.unwrap();
    (pair, tick, usage)
}

fn report(pair: &Pair, tick: u32, usage: Usage, last: bool) -> Step<Publisher, PublisherAction> {
    let frame = Frame::Usage { tick, usage, last };
    pair.publisher.step(PublisherEvent::Received(frame), pair.now).unwrap()
}

#[test]
fn usage_that_cannot_be_true_is_not_paid_for() {
    let (pair, tick, usage) = before_a_tick();
    let honest = report(&pair, tick, usage, false);
    assert!(honest.next.paid() > pair.publisher.paid());
    let refused = |step: Step<Publisher, PublisherAction>| {
        assert_eq!(step.next.close_reason(), Some(CloseReason::ProtocolViolation));
        assert_eq!(step.next.paid(), pair.publisher.paid());
        let pays = |action: &PublisherAction| matches!(action, PublisherAction::SendVoucher { .. });
        assert!(!step.actions.iter().any(pays));
    };
    // Replayed ticks, and such as are not over yet.
    refused(report(&pair, tick - 1, usage, false));
    refused(report(&pair, tick + 4, usage, false));
    refused(report(&pair, u32::MAX, usage, false));
    // Counters that fall, vanish or exceed what the machine can do.
    refused(report(&pair, tick, usage.with(Counter::CpuMicros, 0), false));
    refused(report(&pair, tick, Usage::default(), false));
    let absurd = usage.with(Counter::CpuMicros, 60_000_000);
    refused(report(&pair, tick, absurd, false));
    refused(report(&pair, tick, usage.with(Counter::MemoryByteSecs, u64::MAX), false));
    // The end without a word before it.
    refused(report(&pair, tick, usage, true));
}

#[test]
fn a_last_report_of_no_tick_is_refused() {
    let mut pair = serving(false);
    pair.tell_publisher(PublisherEvent::Stop(CloseReason::Finished));
    assert_eq!(pair.publisher.phase(), Phase::Closing);
    let step = report(&pair, 0, pair.reading_now(), true);
    assert_eq!(step.next.phase(), Phase::Settling);
    let channel = pair.publisher.channel().unwrap();
    assert!(step.actions.contains(&PublisherAction::RequestClose(channel)));
}

#[test]
fn ticks_that_come_faster_than_agreed_are_refused() {
    let mut pair = serving(false);
    let usage = pair.reading_now();
    let (mut tick, mut answered) = (last_tick(&pair), 0);
    loop {
        tick += 1;
        let step = report(&pair, tick, usage, false);
        pair.publisher = step.next;
        if pair.publisher.close_reason().is_some() {
            break;
        }
        answered += 1;
        assert!(answered < 10);
    }
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::ProtocolViolation));
}

#[test]
fn a_baseline_without_a_priced_counter_is_refused() {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Starting);
    let ready = Frame::Ready { baseline: Usage::default().with(Counter::CpuMicros, 1) };
    let step = pair.publisher.step(PublisherEvent::Received(ready), pair.now).unwrap();
    assert_eq!(step.next.close_reason(), Some(CloseReason::ProtocolViolation));
    assert_eq!(step.next.paid(), 0);
}

#[test]
fn repeated_notices_are_told_once() {
    let pair = serving(false);
    let frozen = PublisherEvent::Received(Frame::Notice(Notice::Frozen { due: 1 }));
    let step = pair.publisher.step(frozen.clone(), pair.now).unwrap();
    assert_eq!(step.actions.len(), 1);
    assert_eq!(step.next.phase(), Phase::Serving { frozen: true });
    let again = step.next.step(frozen, pair.now).unwrap();
    assert!(again.actions.is_empty());
}

#[test]
fn a_channel_that_is_not_as_agreed_starts_no_machine() {
    let mut pair = Pair::new(Faults::default());
    assert!(pair.run_until(60_000, |pair| pair.provider.channel().is_some()));
    let terms = pair.provider.terms().unwrap().clone();
    let see = |change: &dyn Fn(&mut zennet_primitives::record::ChannelRecord<u32>)| {
        let mut record = record(&terms);
        change(&mut record);
        pair.provider.step(ProviderEvent::ChannelFinal(record), pair.now).unwrap()
    };
    assert!(see(&|_| {}).actions.contains(&ProviderAction::StartMachine));
    let refused = |step: Step<Provider, ProviderAction>| {
        assert_eq!(step.next.close_reason(), Some(CloseReason::ChannelNotOpened));
        assert!(!step.actions.contains(&ProviderAction::StartMachine));
    };
    refused(see(&|r| r.publisher = account(77)));
    refused(see(&|r| r.provider = account(77)));
    refused(see(&|r| r.contract = Hash::zero()));
    refused(see(&|r| r.session_key = key(77).public()));
    refused(see(&|r| r.deposit -= 1));
    refused(see(&|r| r.paid = 1));
    refused(see(&|r| r.challenge -= 1));
    refused(see(&|r| r.closing_at = Some(1)));
    let developer = account(77);
    let share = sp_runtime::Perbill::from_percent(1);
    let app = zennet_primitives::record::AppShare { developer, share };
    refused(see(&move |r| r.app = Some(app.clone())));
    let missing = pair.provider.step(ProviderEvent::ChannelMissing, pair.now).unwrap();
    refused(missing);
}

#[test]
fn a_channel_that_closes_on_chain_is_settled_at_once() {
    let pair = serving(false);
    let step = pair.provider.step(ProviderEvent::ChannelClosing, pair.now).unwrap();
    let settles = |a: &ProviderAction| matches!(a, ProviderAction::Settle(Some(_)));
    assert!(step.actions.iter().any(settles));
    assert!(step.actions.contains(&ProviderAction::StopMachine));
    assert_eq!(step.next.close_reason(), Some(CloseReason::ChannelClosing));
}

fn frames() -> Vec<Frame> {
    let signature = Signature::from_raw([1; 64]);
    let setup = provider_setup(false);
    let payload = Voucher { cumulative: 1, usage_hash: Hash::zero() };
    let usage = Usage::default().with(Counter::CpuMicros, 1);
    let hello = Hello {
        version: PROTOCOL_VERSION,
        genesis: genesis(),
        announcement: setup.announcement,
        account: account(77),
        challenge: [0; 32],
        lease: None,
    };
    let terms = terms_of_a_contract();
    let amendment =
        Amendment { contract: terms.hash(), number: 1, deposit: terms.deposit + 1, lease_secs: 90 };
    vec![
        Frame::Hello(hello),
        Frame::Auth(signature),
        Frame::Offer(setup.offer),
        Frame::Quote(setup.quote.clone()),
        Frame::Counter(zennet_primitives::contract::CounterOffer { rates: rates(), lease_secs: 1 }),
        Frame::Contract(sign(PUBLISHER, terms, &())),
        Frame::Countersign(signature),
        Frame::Opened { nonce: 3 },
        Frame::Ready { baseline: usage },
        Frame::Usage { tick: 1, usage, last: false },
        Frame::Usage { tick: 1, usage, last: true },
        Frame::Voucher { tick: 1, voucher: Unverified { payload, signature } },
        Frame::Notice(Notice::Thawed),
        Frame::Close(CloseReason::NotPaid),
        Frame::Settled { paid: 1 },
        Frame::Amend(sign(PUBLISHER, amendment, &())),
        Frame::Granted { number: 1, signature },
        Frame::NotAmended { number: 1, objection: Objection::TooLong },
        Frame::Amended { number: 1 },
    ]
}

fn terms_of_a_contract() -> zennet_primitives::contract::Terms {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Opening);
    pair.publisher.terms().unwrap().clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// At any moment of a lease any frame leaves each machine in a state that it leaves again,
    /// with no more money out than in the vouchers.
    #[test]
    fn any_frame_at_any_time_is_answered_or_ends_the_lease(
        at in 1_000u64..80_000, order in prop::collection::vec(any::<prop::sample::Index>(), 1..6)
    ) {
        let mut pair = Pair::new(Faults::default());
        pair.run_until(at, |pair| pair.now >= at);
        let frames = frames();
        for index in order {
            let frame = index.get(&frames).clone();
            pair.tell_provider(ProviderEvent::Received(frame.clone()));
            pair.tell_publisher(PublisherEvent::Received(frame));
        }
        prop_assert!(pair.run(), "{} {}", pair.provider.phase(), pair.publisher.phase());
        prop_assert!(pair.provider.paid() <= pair.publisher.paid());
    }
}
