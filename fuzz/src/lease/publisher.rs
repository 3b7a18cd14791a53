//! A publisher among arbitrary events.

use codec::{DecodeAll, Encode};
use zennet_lease::{Millis, Phase, Publisher, PublisherAction, PublisherEvent};
use zennet_primitives::{
    amendment::Objection,
    frame::{Frame, Notice},
    usage::{Counter, Usage},
    Signature,
};

use super::{check_sent, counters, course, later, moment, raw_frame, reading, reason, Course};
use crate::{input::Input, sample::peer};

/// Events of one input at most.
const EVENTS: usize = 64;

/// From any moment of an honest lease on: what is signed never falls, is never above the deposit,
/// never above the price of what the provider showed and the prepayment, and always for the
/// channel of the lease; the store keeps everything; an ended lease stays ended.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let course = course(input.u8() % 2 == 1);
    let (now, publisher) = moment(&mut input, &course.publisher).clone();
    let mut client = Client { course, now, publisher, tick: 0, told: reading(now) };
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        client.happen(&mut input);
    }
}

struct Client {
    course: &'static Course,
    now: Millis,
    publisher: Publisher,
    /// The tick that the provider reported last.
    tick: u32,
    told: Usage,
}

impl Client {
    fn happen(&mut self, input: &mut Input) {
        let kind = input.u8() % 8;
        self.now = later(input, self.now, self.publisher.deadline());
        let event = match kind {
            0 => PublisherEvent::Timer,
            1 => PublisherEvent::Received(self.usage(input)),
            2 => raw_frame(input).map_or(PublisherEvent::Malformed, PublisherEvent::Received),
            3 => PublisherEvent::Received(self.frame(input)),
            4 => self.own_event(input),
            5 => self.chain_event(input),
            6 => moment(input, &self.course.publisher_events).clone(),
            _ => return self.restart(input),
        };
        self.tell(event);
    }

    fn usage(&mut self, input: &mut Input) -> Frame {
        let tick = match input.u8() % 4 {
            0 => input.u32(),
            1 => self.tick,
            _ => self.tick.saturating_add(1),
        };
        self.tick = tick;
        let last = input.u8().is_multiple_of(4);
        Frame::Usage { tick, usage: counters(input, &mut self.told), last }
    }

    fn frame(&mut self, input: &mut Input) -> Frame {
        match input.u8() % 11 {
            0 => Frame::Close(reason(input)),
            1 => Frame::Ready { baseline: counters(input, &mut self.told) },
            2 => Frame::Notice(Notice::Frozen { due: input.u128() }),
            3 => Frame::Notice(Notice::Thawed),
            4 => Frame::Settled { paid: input.u128() },
            5 => Frame::Countersign(Signature::from_raw([input.u8(); 64])),
            6 => {
                // The provider's own quote, changed.
                let mut quote = self.course.terms.quote.clone();
                match input.u8() % 4 {
                    0 => quote.rates = quote.rates.with(Counter::CpuMicros, input.u128()),
                    1 => quote.prepay = input.u128(),
                    2 => quote.lease_secs = input.u32(),
                    _ => quote.resources.memory_mib = input.u32(),
                }
                Frame::Quote(quote)
            }
            7 => Frame::Amended { number: input.u16() },
            8 => Frame::NotAmended { number: input.u16(), objection: Objection::TooLong },
            9 => {
                let signature = Signature::from_raw([input.u8(); 64]);
                Frame::Granted { number: input.u16(), signature }
            }
            _ => moment(input, &self.course.frames).clone(),
        }
    }

    fn own_event(&mut self, input: &mut Input) -> PublisherEvent {
        match input.u8() % 6 {
            0 => PublisherEvent::Disconnected,
            1 => PublisherEvent::Reconnected,
            2 => PublisherEvent::Stop(reason(input)),
            3 => PublisherEvent::GiveUp,
            4 => PublisherEvent::OwnUsage {
                usage: counters(input, &mut self.told),
                at_ms: input.u32().into(),
            },
            _ => PublisherEvent::Connected {
                own_peer: peer(1),
                other_peer: peer(2),
                challenge: [11; 32],
            },
        }
    }

    fn chain_event(&mut self, input: &mut Input) -> PublisherEvent {
        match input.u8() % 8 {
            0 => PublisherEvent::ChannelClosing,
            1 => PublisherEvent::Settled { paid: input.u128() },
            2 => PublisherEvent::OpenFailed,
            3 => PublisherEvent::ChannelOpened { nonce: input.u8().into() },
            4 => PublisherEvent::Funded,
            5 => PublisherEvent::FundFailed,
            6 => PublisherEvent::Extend { secs: input.u32() },
            _ => PublisherEvent::IdentityChecked { mined: input.u8().is_multiple_of(2) },
        }
    }

    /// The driver ends and begins anew, perhaps with a clock that was set back.
    fn restart(&mut self, input: &mut Input) {
        let stored = self.publisher.encode();
        let loaded = Publisher::decode_all(&mut &stored[..]).expect("what was stored is loaded");
        assert_eq!(loaded, self.publisher);
        self.now = self.now.saturating_sub(input.u32().into());
        self.tell(PublisherEvent::Restarted);
    }

    fn tell(&mut self, event: PublisherEvent) {
        let before = self.publisher.clone();
        let Ok(step) = self.publisher.step(event, self.now) else { return };
        self.publisher = step.next;
        assert_ne!(before.phase(), Phase::Closed, "an ended lease stays ended");
        self.examine(&before);
        let mut vouchers = 0;
        for action in &step.actions {
            match action {
                PublisherAction::Send(frame) => check_sent(frame),
                PublisherAction::SendVoucher { voucher, context, .. } => {
                    vouchers += 1;
                    assert_eq!(voucher.cumulative, self.publisher.paid());
                    assert_eq!(Some(*context), self.publisher.channel());
                }
                PublisherAction::SendContract(terms) => assert_eq!(terms.check(), Ok(())),
                PublisherAction::RequestClose(context) => {
                    assert_eq!(Some(*context), self.publisher.channel());
                }
                PublisherAction::FundChannel { channel, deposit, .. } => {
                    assert_eq!(Some(*channel), self.publisher.channel());
                    let agreed = self.publisher.scope().expect("a channel has terms").deposit;
                    assert!(*deposit >= agreed, "the deposit would fall");
                }
                PublisherAction::SendAuth { .. }
                | PublisherAction::SendAmendment(_)
                | PublisherAction::LeaseAmended(_)
                | PublisherAction::NotAmended(_)
                | PublisherAction::CheckIdentity(_)
                | PublisherAction::OpenChannel(_)
                | PublisherAction::MachineReady
                | PublisherAction::MachineStateChanged(_)
                | PublisherAction::Disconnect => {}
                PublisherAction::Finished(reason) => {
                    assert_eq!(self.publisher.phase(), Phase::Closed);
                    assert_eq!(self.publisher.close_reason(), Some(*reason));
                }
            }
        }
        assert!(vouchers <= 1);
        assert!(vouchers == 1 || self.publisher.paid() == before.paid());
    }

    fn examine(&self, before: &Publisher) {
        let publisher = &self.publisher;
        assert!(publisher.paid() >= before.paid(), "what was signed fell");
        assert!(publisher.vouchers() >= before.vouchers());
        if let Some(terms) = publisher.terms() {
            let scope = publisher.scope().expect("it has terms");
            assert!(publisher.paid() <= scope.deposit, "signed more than there is");
            let shown = publisher.usage().unwrap_or_default();
            let price = match publisher.usage() {
                Some(_) => terms.quote.rates.price(&shown, &Usage::ZERO).unwrap_or(u128::MAX),
                None => 0,
            };
            let most = price.saturating_add(terms.quote.prepay);
            assert!(publisher.paid() <= most, "signed more than was shown");
        }
        assert!(publisher.phase() != Phase::Closed || publisher.deadline().is_none());
        assert!(!publisher.must_persist() || publisher.terms().is_some());
    }
}

/// From each moment on: usage that is paid, usage that is not plausible, an end of each kind, a
/// restart.
pub fn seeds() -> Vec<Vec<u8>> {
    let moments = course(false).publisher.len() as u8;
    let usage = |last: u8, cpu: u32| {
        [&[1, 2, 0xd0, 7, 2, last, 1][..], &cpu.to_le_bytes(), &100u32.to_le_bytes()].concat()
    };
    let mut seeds = Vec::new();
    for moment in 0..moments {
        // The user stops, and the provider calls tick 0 the last.
        seeds.push(vec![0, moment, 4, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        for prepaid in [0, 1] {
            let mut seed = vec![prepaid, moment];
            match moment % 4 {
                0 => {
                    seed.extend(usage(1, 1_000_000));
                    seed.extend([4, 1, 9, 4, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
                    seed.extend(usage(1, u32::MAX));
                }
                1 => seed.extend([4, 0, 0, 0, 3, 4, 0, 1, 0, 3, 4, 0, 3, 0, 3, 0, 3]),
                2 => {
                    seed.extend([7, 0, 1, 0, 0, 0, 4, 0, 1]);
                    seed.extend(usage(1, 1_000));
                    seed.extend([3, 0, 0, 0]);
                    seed.extend(usage(0, 1_000));
                    seed.extend([5, 0, 1]);
                }
                _ => {
                    seed.extend([4, 0, 2, 0]);
                    seed.extend(usage(0, 500_000));
                    seed.extend([0, 3, 5, 0, 0, 5, 0, 1]);
                }
            }
            seeds.push(seed);
        }
    }
    seeds
}
