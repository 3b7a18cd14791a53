//! What is loaded from the store, should its bytes have been damaged.

use codec::{Decode, DecodeAll, Encode};
use zennet_lease::{agreement::Agreement, Provider, ProviderEvent, Publisher, PublisherEvent};
use zennet_metering::Banked;
use zennet_primitives::{close::CloseReason, frame::Frame};

use super::{course, reading};
use crate::input::Input;

/// Machines and meters decode or are refused; what decodes encodes back to the same bytes, tells of
/// itself and goes on without a panic.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, now) = (input.u8() % 4, u64::from(input.u32()));
    let data = input.rest();
    match kind {
        0 => provider(data, now),
        1 => publisher(data, now),
        2 => {
            if let Some(banked) = load::<Banked>(data) {
                let _ = banked.usage();
            }
        }
        _ => {
            if let Some(mut agreement) = load::<Agreement>(data) {
                let (usage, quote) = (reading(now), &course(false).terms.quote);
                agreement.read(usage, now / 2, now);
                agreement.compare(&usage, &quote.rates, &quote.resources, now);
                let _ = (agreement.own_usage(), agreement.agreed(), agreement.disagreements());
            }
        }
    }
}

fn load<T: Decode + Encode>(data: &[u8]) -> Option<T> {
    let value = T::decode_all(&mut &data[..]).ok()?;
    assert_eq!(value.encode(), data);
    Some(value)
}

fn provider(data: &[u8], now: u64) {
    let Some(mut provider) = load::<Provider>(data) else { return };
    let restart = [ProviderEvent::Restarted, ProviderEvent::MachineResumed];
    for event in restart.iter().chain(&course(false).provider_events) {
        let _ = (provider.paid(), provider.due(), provider.usage(), provider.phase());
        let _ = (provider.deadline(), provider.channel(), provider.wants_connection());
        let _ = provider.step(ProviderEvent::Timer, now);
        let _ = provider.step(ProviderEvent::Stop(CloseReason::Finished), now);
        if let Ok(step) = provider.step(event.clone(), now) {
            provider = step.next;
        }
    }
}

fn publisher(data: &[u8], now: u64) {
    let Some(mut publisher) = load::<Publisher>(data) else { return };
    let restart = [PublisherEvent::Restarted, PublisherEvent::Reconnected];
    for event in restart.iter().chain(&course(false).publisher_events) {
        let _ = (publisher.paid(), publisher.usage(), publisher.own_usage(), publisher.phase());
        let _ = (publisher.deadline(), publisher.channel(), publisher.is_lost());
        let _ = publisher.step(PublisherEvent::Timer, now);
        let _ = publisher.step(PublisherEvent::Received(Frame::Close(CloseReason::Finished)), now);
        if let Ok(step) = publisher.step(event.clone(), now) {
            publisher = step.next;
        }
    }
}

/// Each moment of an honest lease, as both sides store it, and the books of a meter.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |kind: u8, now: u64, value: Vec<u8>| {
        [&[kind][..], &(now as u32).to_le_bytes(), &value].concat()
    };
    let mut agreement = Agreement::new(1_000);
    let quote = &course(false).terms.quote;
    let mut seeds = vec![of(2, 0, Banked::default().encode()), of(3, 2_000, agreement.encode())];
    for worked in [1_000, 3_000] {
        agreement.read(reading(worked), worked, worked);
        agreement.compare(&reading(worked), &quote.rates, &quote.resources, worked);
        seeds.push(of(3, worked, agreement.encode()));
    }
    let prepaid = course(true);
    seeds.extend(prepaid.provider.iter().map(|(now, machine)| of(0, *now, machine.encode())));
    seeds.extend(prepaid.publisher.iter().map(|(now, machine)| of(1, *now, machine.encode())));
    seeds
}
