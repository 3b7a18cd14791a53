//! The two machines as numbers: every value, frame and step that has occurred is kept once, under
//! its SCALE encoding, so that a state of the model is small and a step is computed once.

use std::{
    collections::{hash_map::Entry, HashMap},
    rc::Rc,
};

use codec::Encode;
use zennet_primitives::{
    amendment::Amendment,
    amount::Balance,
    channel::{ChannelContext, Voucher},
    close::CloseReason,
    contract::Terms,
    frame::Frame,
    record::ChannelRecord,
    signed::Unverified,
    Hash,
};

use super::{super::setups::*, setup::usage};
use crate::*;

/// Number of a machine's value.
pub(super) type Id = u32;
/// Number of a frame.
pub(super) type FrameId = u16;

/// Use of the rented machine since its start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Meter {
    /// Milliseconds of a busy processor.
    pub(super) busy: u32,
    /// Milliseconds for which its memory was held.
    pub(super) held: u32,
}

/// What a machine is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Event {
    Frame(FrameId),
    Timer,
    Disconnected,
    Reconnected,
    Restarted,
    Stop,
    Closing,
    Settled(Balance),
    // The provider's.
    Final {
        fits: bool,
    },
    /// The deposit that the channel has for good.
    Changed(Balance),
    SettleFailed,
    Ready,
    Resumed,
    Failed,
    Metered {
        tick: u32,
        meter: Meter,
    },
    Stopped(Meter),
    // The publisher's.
    Opened,
    OpenFailed,
    Own(Meter),
    Funded,
    FundFailed,
    GiveUp,
}

/// What a machine asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Send(FrameId),
    Disconnect,
    Finished,
    // The provider's.
    Watch {
        open: bool,
    },
    Start,
    Resume,
    Read {
        tick: u32,
    },
    Freeze,
    Thaw,
    StopMachine,
    /// Close the channel with a voucher over this; zero is without one.
    Settle(Balance),
    // The publisher's.
    Voucher {
        frame: FrameId,
        amount: Balance,
    },
    FollowCounters,
    RequestClose,
    /// Have the chain lock this much in all.
    Fund(Balance),
    // What has no effect here.
    Nothing,
}

/// What the world sees of a machine's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    pub(super) deadline: Option<u32>,
    /// The deposit that it goes by.
    pub(super) deposit: Balance,
    pub(super) must_persist: bool,
    pub(super) phase: Phase,
    pub(super) reason: Option<CloseReason>,
    /// What was received or signed.
    pub(super) paid: Balance,
    pub(super) wants_connection: bool,
    pub(super) knows_channel: bool,
    /// Whether its channel is settled, as far as it knows.
    pub(super) settled: Option<Balance>,
}

/// A value that follows and what is to be done.
pub(super) type Taken = Option<(Id, Rc<[Act]>)>;

/// A side of the lease, as the book needs it.
pub(super) trait Side: Encode + Sized {
    fn take(&self, event: Event, now: u32, mail: &mut Mail) -> Option<(Self, Vec<Act>)>;
    fn facts(&self) -> Facts;
}

/// All values of one side.
pub(super) struct Book<S> {
    values: Vec<S>,
    facts: Vec<Facts>,
    ids: HashMap<Vec<u8>, Id>,
    taken: HashMap<(Id, Event, u32), Taken>,
}

impl<S: Side> Book<S> {
    pub(super) fn new() -> Self {
        Book { values: vec![], facts: vec![], ids: HashMap::new(), taken: HashMap::new() }
    }

    pub(super) fn keep(&mut self, value: S) -> Id {
        let fresh = self.values.len() as Id;
        match self.ids.entry(value.encode()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                place.insert(fresh);
                self.facts.push(value.facts());
                self.values.push(value);
                fresh
            }
        }
    }

    pub(super) fn facts(&self, id: Id) -> &Facts {
        &self.facts[id as usize]
    }

    pub(super) fn step(&mut self, id: Id, event: Event, now: u32, mail: &mut Mail) -> Taken {
        if let Some(known) = self.taken.get(&(id, event, now)) {
            return known.clone();
        }
        let taken = self.values[id as usize]
            .take(event, now, mail)
            .map(|(next, acts)| (self.keep(next), acts.into()));
        self.taken.insert((id, event, now), taken.clone());
        taken
    }
}

/// All frames. A voucher is signed once.
#[derive(Default)]
pub(super) struct Mail {
    frames: Vec<Frame>,
    ids: HashMap<Vec<u8>, FrameId>,
}

impl Mail {
    pub(super) fn get(&self, id: FrameId) -> &Frame {
        &self.frames[usize::from(id)]
    }

    pub(super) fn keep(&mut self, frame: Frame) -> FrameId {
        self.keep_as(frame.encode(), || frame)
    }

    pub(super) fn sign(&mut self, tick: u32, voucher: Voucher, context: ChannelContext) -> FrameId {
        // No frame is as long.
        let key = ([u8::MAX; 64], tick, voucher, context).encode();
        self.keep_as(key, || Frame::Voucher { tick, voucher: sign(SESSION, voucher, &context) })
    }

    /// An amendment that its sender signs; each is signed once.
    fn propose(&mut self, amendment: Amendment) -> FrameId {
        let key = ([u8::MAX; 65], amendment).encode();
        self.keep_as(key, || Frame::Amend(sign(PUBLISHER, amendment, &())))
    }

    fn grant(&mut self, amendment: Amendment) -> FrameId {
        let key = ([u8::MAX; 66], amendment).encode();
        self.keep_as(key, || {
            let signature = sign(PROVIDER, amendment, &()).signature;
            Frame::Granted { number: amendment.number, signature }
        })
    }

    fn keep_as(&mut self, key: Vec<u8>, make: impl FnOnce() -> Frame) -> FrameId {
        let fresh = FrameId::try_from(self.frames.len()).expect("there are few different frames");
        match self.ids.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                place.insert(fresh);
                self.frames.push(make());
                fresh
            }
        }
    }
}

/// A report of use under the number that fits the clock; other frames stay as they are.
pub(super) fn renumber(mail: &mut Mail, frame: FrameId, tick: u32) -> FrameId {
    match mail.get(frame) {
        Frame::Usage { usage, last, .. } => {
            let (usage, last) = (*usage, *last);
            mail.keep(Frame::Usage { tick, usage, last })
        }
        _ => frame,
    }
}

/// Everything that has occurred so far.
pub(super) struct Books {
    pub(super) provider: Book<Provider>,
    pub(super) publisher: Book<Publisher>,
    pub(super) mail: Mail,
}

impl Books {
    pub(super) fn new() -> Self {
        Books { provider: Book::new(), publisher: Book::new(), mail: Mail::default() }
    }
}

/// The amount that a chain would pay for a voucher.
fn worth(provider: &Provider, voucher: Unverified<Voucher>) -> Balance {
    let (Some(context), Some(terms)) = (provider.channel(), provider.terms()) else { return 0 };
    let deposit = provider.scope().map_or(0, |scope| scope.deposit);
    match voucher.verify(&context, &terms.session_key) {
        Ok(signed) if signed.payload().cumulative <= deposit => signed.payload().cumulative,
        Ok(_) | Err(_) => 0,
    }
}

impl Side for Provider {
    fn take(&self, event: Event, now: u32, mail: &mut Mail) -> Option<(Self, Vec<Act>)> {
        let event = provider_event(self, event, mail)?;
        let Step { next, actions } = self.step(event, now.into()).ok()?;
        let acts = actions
            .into_iter()
            .map(|action| match action {
                ProviderAction::Send(frame) => Act::Send(mail.keep(frame)),
                ProviderAction::WatchChannel(_) => Act::Watch { open: false },
                ProviderAction::WatchOpenChannel(_) => Act::Watch { open: true },
                ProviderAction::StartMachine => Act::Start,
                ProviderAction::ResumeMachine(_) => Act::Resume,
                ProviderAction::ReadUsage { tick } => Act::Read { tick },
                ProviderAction::Freeze => Act::Freeze,
                ProviderAction::Thaw => Act::Thaw,
                ProviderAction::StopMachine => Act::StopMachine,
                ProviderAction::Settle(best) => Act::Settle(best.map_or(0, |v| worth(&next, v))),
                ProviderAction::Disconnect => Act::Disconnect,
                ProviderAction::Finished(_) => Act::Finished,
                ProviderAction::CountersignAmendment(amendment) => Act::Send(mail.grant(amendment)),
                ProviderAction::SendAuth { .. }
                | ProviderAction::ReserveVolume(_)
                | ProviderAction::Countersign(_)
                | ProviderAction::PrepareMachine(_)
                | ProviderAction::Claim(_) => Act::Nothing,
            })
            .collect();
        Some((next, acts))
    }

    fn facts(&self) -> Facts {
        Facts {
            deadline: self.deadline().map(|at| u32::try_from(at).expect("time is short")),
            deposit: self.scope().map_or(0, |scope| scope.deposit),
            must_persist: self.must_persist(),
            phase: self.phase(),
            reason: self.close_reason(),
            paid: self.paid(),
            wants_connection: self.wants_connection(),
            knows_channel: self.channel().is_some(),
            settled: self.settled(),
        }
    }
}

fn provider_event(provider: &Provider, event: Event, mail: &Mail) -> Option<ProviderEvent> {
    Some(match event {
        Event::Frame(frame) => ProviderEvent::Received(mail.get(frame).clone()),
        Event::Timer => ProviderEvent::Timer,
        Event::Disconnected => ProviderEvent::Disconnected,
        Event::Reconnected => ProviderEvent::Reconnected,
        Event::Restarted => ProviderEvent::Restarted,
        Event::Stop => ProviderEvent::Stop(CloseReason::ProviderLeaves),
        Event::Closing => ProviderEvent::ChannelClosing,
        Event::Settled(paid) => ProviderEvent::Settled { paid },
        Event::Final { fits } => {
            let mut record = record(provider.terms()?);
            record.deposit -= u128::from(!fits);
            ProviderEvent::ChannelFinal(record)
        }
        Event::Changed(deposit) => {
            let record = ChannelRecord { deposit, ..record(provider.terms()?) };
            ProviderEvent::ChannelChanged { record, lasts_ms: Millis::MAX }
        }
        Event::SettleFailed => ProviderEvent::SettleFailed,
        Event::Ready => ProviderEvent::MachineReady { baseline: usage(Meter::default()) },
        Event::Resumed => ProviderEvent::MachineResumed,
        Event::Failed => ProviderEvent::MachineFailed,
        Event::Metered { tick, meter } => ProviderEvent::Metered { tick, usage: usage(meter) },
        Event::Stopped(meter) => ProviderEvent::MachineStopped { usage: Some(usage(meter)) },
        Event::Opened
        | Event::OpenFailed
        | Event::Own(_)
        | Event::Funded
        | Event::FundFailed
        | Event::GiveUp => return None,
    })
}

impl Side for Publisher {
    fn take(&self, event: Event, now: u32, mail: &mut Mail) -> Option<(Self, Vec<Act>)> {
        let event = publisher_event(event, now, mail)?;
        let Step { next, actions } = self.step(event, now.into()).ok()?;
        let acts = actions
            .into_iter()
            .map(|action| match action {
                PublisherAction::Send(frame) => Act::Send(mail.keep(frame)),
                PublisherAction::SendVoucher { tick, voucher, context } => {
                    let frame = mail.sign(tick, voucher, context);
                    Act::Voucher { frame, amount: voucher.cumulative }
                }
                PublisherAction::MachineReady => Act::FollowCounters,
                PublisherAction::RequestClose(_) => Act::RequestClose,
                PublisherAction::Disconnect => Act::Disconnect,
                PublisherAction::Finished(_) => Act::Finished,
                PublisherAction::SendAmendment(amendment) => Act::Send(mail.propose(amendment)),
                PublisherAction::FundChannel { deposit, .. } => Act::Fund(deposit),
                PublisherAction::SendAuth { .. }
                | PublisherAction::LeaseAmended(_)
                | PublisherAction::NotAmended(_)
                | PublisherAction::CheckIdentity(_)
                | PublisherAction::SendContract(_)
                | PublisherAction::OpenChannel(_)
                | PublisherAction::MachineStateChanged(_) => Act::Nothing,
            })
            .collect();
        Some((next, acts))
    }

    fn facts(&self) -> Facts {
        Facts {
            deadline: self.deadline().map(|at| u32::try_from(at).expect("time is short")),
            deposit: self.scope().map_or(0, |scope| scope.deposit),
            must_persist: self.must_persist(),
            phase: self.phase(),
            reason: self.close_reason(),
            paid: self.paid(),
            wants_connection: self.must_persist(),
            knows_channel: self.channel().is_some(),
            settled: self.settled(),
        }
    }
}

fn publisher_event(event: Event, now: u32, mail: &Mail) -> Option<PublisherEvent> {
    Some(match event {
        Event::Frame(frame) => PublisherEvent::Received(mail.get(frame).clone()),
        Event::Timer => PublisherEvent::Timer,
        Event::Disconnected => PublisherEvent::Disconnected,
        Event::Reconnected => PublisherEvent::Reconnected,
        Event::Restarted => PublisherEvent::Restarted,
        Event::Stop => PublisherEvent::Stop(CloseReason::Finished),
        Event::Closing => PublisherEvent::ChannelClosing,
        Event::Settled(paid) => PublisherEvent::Settled { paid },
        Event::Opened => PublisherEvent::ChannelOpened { nonce: 0 },
        Event::OpenFailed => PublisherEvent::OpenFailed,
        Event::Own(meter) => PublisherEvent::OwnUsage { usage: usage(meter), at_ms: now.into() },
        Event::Funded => PublisherEvent::Funded,
        Event::FundFailed => PublisherEvent::FundFailed,
        Event::GiveUp => PublisherEvent::GiveUp,
        Event::Final { .. }
        | Event::Changed(_)
        | Event::SettleFailed
        | Event::Ready
        | Event::Resumed
        | Event::Failed
        | Event::Metered { .. }
        | Event::Stopped(_) => return None,
    })
}

/// A voucher with another amount, tick or channel than a frame's, signed like it.
pub(super) fn forge(
    mail: &mut Mail,
    terms: &Terms,
    frame: FrameId,
    change: impl FnOnce(u32, Balance) -> (u32, Balance, bool),
) -> Option<(FrameId, Balance)> {
    let Frame::Voucher { tick, voucher } = mail.get(frame) else { return None };
    let (tick, cumulative, here) = change(*tick, voucher.payload.cumulative);
    let usage_hash = Hash::zero();
    let context = terms.channel(if here { 0 } else { 1 });
    Some((mail.sign(tick, Voucher { cumulative, usage_hash }, context), cumulative))
}
