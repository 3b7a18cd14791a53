//! An honest lease between both machines, step by step, and the machines among arbitrary events.
//!
//! - [`provider`], [`publisher`]: a machine from any moment of the honest lease, driven by the input
//! - [`reunion`]: strangers on a new connection
//! - [`stored`]: machines and meters from arbitrary bytes

pub mod provider;
pub mod publisher;
pub mod reunion;
pub mod stored;

use std::{collections::VecDeque, sync::OnceLock};

use codec::Encode;
use zennet_lease::{
    Millis, Phase, Provider, ProviderAction, ProviderEvent, Publisher, PublisherAction,
    PublisherEvent,
};
use zennet_primitives::{
    close::CloseReason,
    contract::Terms,
    frame::{Frame, MAX_FRAME_BYTES},
    record::ChannelRecord,
    usage::{Counter, Usage},
};

use crate::{
    input::Input,
    sample::{peer, provider_setup, publisher_setup, record, sign, PROVIDER, PUBLISHER, SESSION},
};

/// Vouchers after which the publisher of an honest lease has had enough.
const VOUCHERS: u32 = 3;

/// Everything that happened in an honest lease.
pub struct Course {
    /// The provider's machine after each of its events, and when.
    pub provider: Vec<(Millis, Provider)>,
    /// The publisher's.
    pub publisher: Vec<(Millis, Publisher)>,
    /// What the provider was told.
    pub provider_events: Vec<ProviderEvent>,
    /// What the publisher was told.
    pub publisher_events: Vec<PublisherEvent>,
    /// Frames of both sides, as they were sent.
    pub frames: Vec<Frame>,
    /// What both signed.
    pub terms: Terms,
}

/// The honest lease, postpaid or prepaid, made once.
pub fn course(prepaid: bool) -> &'static Course {
    static COURSES: [OnceLock<Course>; 2] = [const { OnceLock::new() }; 2];
    COURSES[usize::from(prepaid)].get_or_init(|| Rehearsal::new(prepaid).run())
}

/// A moment of a list that is not empty.
fn moment<'a, T>(input: &mut Input, moments: &'a [T]) -> &'a T {
    input.pick(moments)
}

/// The priced counters of a machine that has worked for some milliseconds.
fn reading(worked_ms: u64) -> Usage {
    Usage::default()
        .with(Counter::CpuMicros, 50_000 + worked_ms.saturating_mul(500))
        .with(Counter::MemoryByteSecs, (1 << 20) + worked_ms.saturating_mul(1 << 18))
}

enum Told {
    Provider(ProviderEvent),
    Publisher(PublisherEvent),
}

struct Rehearsal {
    now: Millis,
    queue: VecDeque<Told>,
    provider: Provider,
    publisher: Publisher,
    /// The user has asked for more time.
    extended: bool,
    course: Course,
}

impl Rehearsal {
    fn new(prepaid: bool) -> Self {
        let (own_peer, other_peer) = (peer(1), peer(2));
        let queue = VecDeque::from([
            Told::Publisher(PublisherEvent::Connected {
                own_peer: own_peer.clone(),
                other_peer: other_peer.clone(),
                challenge: [11; 32],
            }),
            Told::Provider(ProviderEvent::Connected {
                own_peer: other_peer,
                other_peer: own_peer,
                challenge: [12; 32],
            }),
        ]);
        let provider = Provider::new(provider_setup(prepaid));
        let publisher = Publisher::new(publisher_setup(prepaid));
        let course = Course {
            provider: vec![(0, provider.clone())],
            publisher: vec![(0, publisher.clone())],
            provider_events: Vec::new(),
            publisher_events: Vec::new(),
            frames: Vec::new(),
            terms: crate::sample::terms(),
        };
        Self { now: 1_000, queue, provider, publisher, extended: false, course }
    }

    fn run(mut self) -> Course {
        while (self.provider.phase(), self.publisher.phase()) != (Phase::Closed, Phase::Closed) {
            self.now += 10;
            let told = self.queue.pop_front().unwrap_or_else(|| self.idle());
            match told {
                Told::Provider(event) => self.tell_provider(event),
                Told::Publisher(event) => self.tell_publisher(event),
            }
            assert!(self.now < 1_000_000, "an honest lease ends");
        }
        self.course.terms = self.provider.terms().expect("both have signed").clone();
        self.course
    }

    /// Nothing is on its way: time passes, until there are vouchers enough.
    fn idle(&mut self) -> Told {
        if self.publisher.vouchers() == 1 && !std::mem::replace(&mut self.extended, true) {
            return Told::Publisher(PublisherEvent::Extend { secs: 60 });
        }
        if self.publisher.vouchers() >= VOUCHERS && self.publisher.close_reason().is_none() {
            return Told::Publisher(PublisherEvent::Stop(CloseReason::Finished));
        }
        let provider = self.provider.deadline().unwrap_or(Millis::MAX);
        let publisher = self.publisher.deadline().unwrap_or(Millis::MAX);
        self.now = self.now.max(provider.min(publisher));
        if provider <= publisher {
            Told::Provider(ProviderEvent::Timer)
        } else {
            Told::Publisher(PublisherEvent::Timer)
        }
    }

    fn tell_provider(&mut self, event: ProviderEvent) {
        self.course.provider_events.push(event.clone());
        let Ok(step) = self.provider.step(event, self.now) else { return };
        self.provider = step.next;
        self.course.provider.push((self.now, self.provider.clone()));
        step.actions.into_iter().for_each(|action| self.perform_provider(action));
    }

    fn pass_to_publisher(&mut self, frame: Frame) {
        self.course.frames.push(frame.clone());
        self.queue.push_back(Told::Publisher(PublisherEvent::Received(frame)));
    }

    fn perform_provider(&mut self, action: ProviderAction) {
        let answer = match action {
            ProviderAction::Send(frame) => return self.pass_to_publisher(frame),
            ProviderAction::SendAuth { claim, context } => {
                let signature = sign(PROVIDER, claim, &context).signature;
                return self.pass_to_publisher(Frame::Auth(signature));
            }
            ProviderAction::Countersign(terms) => {
                let signature = sign(PROVIDER, terms, &()).signature;
                return self.pass_to_publisher(Frame::Countersign(signature));
            }
            ProviderAction::CountersignAmendment(amendment) => {
                let number = amendment.number;
                let signature = sign(PROVIDER, amendment, &()).signature;
                return self.pass_to_publisher(Frame::Granted { number, signature });
            }
            ProviderAction::ReserveVolume(_) => ProviderEvent::VolumeReserved,
            ProviderAction::WatchChannel(_) => {
                let terms = self.provider.terms().expect("a channel has terms");
                ProviderEvent::ChannelFinal(record(terms))
            }
            ProviderAction::StartMachine => ProviderEvent::MachineReady { baseline: reading(0) },
            ProviderAction::ReadUsage { tick } => {
                ProviderEvent::Metered { tick, usage: reading(self.now) }
            }
            ProviderAction::StopMachine => {
                ProviderEvent::MachineStopped { usage: Some(reading(self.now)) }
            }
            ProviderAction::Settle(voucher) => {
                let paid = voucher.map_or(0, |voucher| voucher.payload.cumulative);
                let settled = PublisherEvent::Settled { paid };
                self.queue.push_back(Told::Publisher(settled));
                ProviderEvent::Settled { paid }
            }
            ProviderAction::PrepareMachine(_)
            | ProviderAction::WatchOpenChannel(_)
            | ProviderAction::ResumeMachine(_)
            | ProviderAction::Freeze
            | ProviderAction::Thaw
            | ProviderAction::Claim(_)
            | ProviderAction::Disconnect
            | ProviderAction::Finished(_) => return,
        };
        self.queue.push_back(Told::Provider(answer));
    }

    fn tell_publisher(&mut self, event: PublisherEvent) {
        self.course.publisher_events.push(event.clone());
        let Ok(step) = self.publisher.step(event, self.now) else { return };
        self.publisher = step.next;
        self.course.publisher.push((self.now, self.publisher.clone()));
        step.actions.into_iter().for_each(|action| self.perform_publisher(action));
    }

    fn pass_to_provider(&mut self, frame: Frame) {
        self.course.frames.push(frame.clone());
        self.queue.push_back(Told::Provider(ProviderEvent::Received(frame)));
    }

    fn perform_publisher(&mut self, action: PublisherAction) {
        let answer = match action {
            PublisherAction::Send(frame) => return self.pass_to_provider(frame),
            PublisherAction::SendAuth { claim, context } => {
                let signature = sign(PUBLISHER, claim, &context).signature;
                return self.pass_to_provider(Frame::Auth(signature));
            }
            PublisherAction::SendContract(terms) => {
                return self.pass_to_provider(Frame::Contract(sign(PUBLISHER, terms, &())));
            }
            PublisherAction::SendVoucher { tick, voucher, context } => {
                let voucher = sign(SESSION, voucher, &context);
                return self.pass_to_provider(Frame::Voucher { tick, voucher });
            }
            PublisherAction::SendAmendment(amendment) => {
                return self.pass_to_provider(Frame::Amend(sign(PUBLISHER, amendment, &())));
            }
            PublisherAction::FundChannel { deposit, .. } => {
                let record = ChannelRecord { deposit, ..record(&crate::sample::terms()) };
                let contract = self.publisher.terms().expect("a channel has terms").hash();
                let record = ChannelRecord { contract, ..record };
                let changed = ProviderEvent::ChannelChanged { record, lasts_ms: Millis::MAX };
                self.queue.push_back(Told::Provider(changed));
                PublisherEvent::Funded
            }
            PublisherAction::CheckIdentity(_) => PublisherEvent::IdentityChecked { mined: true },
            PublisherAction::OpenChannel(_) => PublisherEvent::ChannelOpened { nonce: 0 },
            PublisherAction::MachineReady => {
                PublisherEvent::OwnUsage { usage: reading(0), at_ms: 0 }
            }
            PublisherAction::MachineStateChanged(_)
            | PublisherAction::LeaseAmended(_)
            | PublisherAction::NotAmended(_)
            | PublisherAction::RequestClose(_)
            | PublisherAction::Disconnect
            | PublisherAction::Finished(_) => return,
        };
        self.queue.push_back(Told::Publisher(answer));
    }
}

/// What is sent can be received.
fn check_sent(frame: &Frame) {
    let bytes = frame.encode();
    assert!(bytes.len() <= MAX_FRAME_BYTES);
    assert_eq!(Frame::from_bytes(&bytes).as_ref(), Ok(frame));
}

/// Time that passes: nothing, a moment, a while, or until a deadline. Clocks are this side's own,
/// so they are plausible.
fn later(input: &mut Input, now: Millis, deadline: Option<Millis>) -> Millis {
    const LONGEST: Millis = 1 << 44;
    let passed = match input.u8() % 5 {
        0 => 0,
        1 => input.u8().into(),
        2 => input.u16().into(),
        3 => deadline.map_or(0, |deadline| deadline.saturating_sub(now)),
        _ => input.u32().into(),
    };
    now.saturating_add(passed).min(LONGEST)
}

/// Counters that another side or a host could tell: grown from what was told before, or anything.
fn counters(input: &mut Input, told: &mut Usage) -> Usage {
    match input.u8() % 4 {
        0 => {}
        1 => {
            for counter in [Counter::CpuMicros, Counter::MemoryByteSecs] {
                let grown = u64::from(input.u32());
                told.set(counter, told.get(counter).unwrap_or(0).saturating_add(grown));
            }
        }
        2 => {
            let counter = *input.pick(&Counter::ALL);
            let value = input.u64();
            return told.with(counter, value);
        }
        _ => {
            let mut usage = Usage::default();
            let present = input.u16();
            for (place, counter) in Counter::ALL.into_iter().enumerate() {
                if present & (1 << place) != 0 {
                    usage.set(counter, input.u64());
                }
            }
            return usage;
        }
    }
    *told
}

/// Why a lease could end.
fn reason(input: &mut Input) -> CloseReason {
    *input.pick(&[
        CloseReason::Finished,
        CloseReason::ProviderLeaves,
        CloseReason::ProtocolViolation,
        CloseReason::NotPaid,
        CloseReason::ChannelClosing,
    ])
}

/// A frame as the input has it: its length, then its bytes.
fn raw_frame(input: &mut Input) -> Option<Frame> {
    let length = usize::from(input.u8());
    Frame::from_bytes(input.bytes(length)).ok()
}
