//! A provider among arbitrary events.

use codec::{DecodeAll, Encode};
use zennet_lease::{Millis, Phase, Provider, ProviderAction, ProviderEvent};
use zennet_primitives::{
    amendment::Amendment,
    channel::Voucher,
    contract::CounterOffer,
    frame::{Frame, Notice},
    signed::Unverified,
    usage::Usage,
    Signature,
};

use super::{check_sent, counters, course, later, moment, raw_frame, reading, reason, Course};
use crate::{
    input::Input,
    sample::{peer, public, rates, record, sign, PUBLISHER, SESSION},
};

/// Events of one input at most.
const EVENTS: usize = 64;

/// From any moment of an honest lease on: what was paid never falls and is never above the deposit;
/// whatever is claimed or settled is a voucher over what was paid that holds for the channel; the
/// machine is started only by a channel that is final and right; the store keeps everything; an
/// ended lease stays ended.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let course = course(input.u8() % 2 == 1);
    let (now, provider) = moment(&mut input, &course.provider).clone();
    let mut host = Host { course, now, provider, asked: 0, told: reading(now) };
    for _ in 0..EVENTS {
        if input.is_empty() {
            break;
        }
        host.happen(&mut input);
    }
}

struct Host {
    course: &'static Course,
    now: Millis,
    provider: Provider,
    /// The tick that was to be read last.
    asked: u32,
    told: Usage,
}

impl Host {
    fn happen(&mut self, input: &mut Input) {
        let kind = input.u8() % 9;
        self.now = later(input, self.now, self.provider.deadline());
        let event = match kind {
            0 => ProviderEvent::Timer,
            1 => self.metered(input),
            2 => ProviderEvent::Received(self.voucher(input)),
            3 => raw_frame(input).map_or(ProviderEvent::Malformed, ProviderEvent::Received),
            4 => ProviderEvent::Received(self.frame(input)),
            5 => self.host_event(input),
            6 => self.chain_event(input),
            7 => moment(input, &self.course.provider_events).clone(),
            _ => return self.restart(input),
        };
        self.tell(event);
    }

    fn metered(&mut self, input: &mut Input) -> ProviderEvent {
        let tick = match input.u8() % 4 {
            0 => input.u32(),
            _ => self.asked,
        };
        ProviderEvent::Metered { tick, usage: counters(input, &mut self.told) }
    }

    fn voucher(&mut self, input: &mut Input) -> Frame {
        let tick = match input.u8() % 4 {
            0 => input.u32(),
            1 => self.asked.saturating_sub(1),
            _ => self.asked,
        };
        let deposit = self.provider.scope().map_or(0, |scope| scope.deposit);
        let cumulative = match input.u8() % 6 {
            0 => self.provider.due(),
            1 => self.provider.paid(),
            2 => self.provider.paid().saturating_add(input.u32().into()),
            3 => deposit,
            4 => deposit.saturating_add(1),
            _ => input.u128(),
        };
        let usage_hash = self.told.hash();
        let payload = Voucher { cumulative, usage_hash };
        let voucher = match (self.provider.channel(), input.u8() % 8) {
            (None, _) | (_, 0) => Unverified { payload, signature: Signature::from_raw([1; 64]) },
            (Some(channel), 1) => sign(PUBLISHER, payload, &channel),
            (Some(channel), _) => sign(SESSION, payload, &channel),
        };
        Frame::Voucher { tick, voucher }
    }

    fn frame(&mut self, input: &mut Input) -> Frame {
        match input.u8() % 11 {
            0 => Frame::Close(reason(input)),
            1 => Frame::Opened { nonce: input.u8().into() },
            2 => Frame::Counter(CounterOffer { rates: rates(), lease_secs: input.u32() }),
            3 => Frame::Settled { paid: input.u128() },
            4 => Frame::Ready { baseline: counters(input, &mut self.told) },
            5 => Frame::Notice(Notice::Thawed),
            6 => Frame::Usage { tick: input.u32(), usage: self.told, last: true },
            7 => {
                // The publisher's own terms with another deposit or time, and its signature.
                let mut terms = self.course.terms.clone();
                terms.deposit = input.u128();
                terms.challenge_blocks = input.u32();
                Frame::Contract(sign(PUBLISHER, terms, &()))
            }
            8 => Frame::Amended { number: input.u16() },
            9 => {
                // More for this contract or another one, signed by the publisher or not.
                let mut contract = self.course.terms.hash();
                contract.0[0] ^= u8::from(input.u8().is_multiple_of(8));
                let number = input.u16();
                let (deposit, lease_secs) = (input.u128(), input.u32());
                let amendment = Amendment { contract, number, deposit, lease_secs };
                let signer = if input.u8().is_multiple_of(8) { SESSION } else { PUBLISHER };
                Frame::Amend(sign(signer, amendment, &()))
            }
            _ => moment(input, &self.course.frames).clone(),
        }
    }

    fn host_event(&mut self, input: &mut Input) -> ProviderEvent {
        match input.u8() % 11 {
            0 => ProviderEvent::Disconnected,
            1 => ProviderEvent::Reconnected,
            2 => ProviderEvent::MachineReady { baseline: counters(input, &mut self.told) },
            3 => ProviderEvent::MachineResumed,
            4 => ProviderEvent::MachineFailed,
            5 => ProviderEvent::MachineStopped { usage: None },
            6 => ProviderEvent::MachineStopped { usage: Some(counters(input, &mut self.told)) },
            7 => ProviderEvent::Stop(reason(input)),
            8 => ProviderEvent::VolumeReserved,
            9 => ProviderEvent::VolumeRefused,
            _ => ProviderEvent::Connected {
                own_peer: peer(2),
                other_peer: peer(1),
                challenge: [12; 32],
            },
        }
    }

    fn chain_event(&mut self, input: &mut Input) -> ProviderEvent {
        match input.u8() % 8 {
            0 => ProviderEvent::ChannelMissing,
            1 => ProviderEvent::ChannelClosing,
            2 => ProviderEvent::Settled { paid: input.u128() },
            3 => ProviderEvent::SettleFailed,
            4 => ProviderEvent::ClaimFailed,
            5 => ProviderEvent::Claimed { paid: self.provider.paid() },
            _ => {
                let mut record = record(self.provider.terms().unwrap_or(&self.course.terms));
                match input.u8() % 6 {
                    0 => record.deposit = input.u128(),
                    1 => record.paid = input.u128(),
                    2 => record.challenge = input.u32(),
                    3 => record.closing_at = Some(input.u32()),
                    _ => {}
                }
                match input.u8() % 2 {
                    0 => ProviderEvent::ChannelFinal(record),
                    _ => ProviderEvent::ChannelChanged { record, lasts_ms: input.u64() },
                }
            }
        }
    }

    /// The driver ends and begins anew, perhaps with a clock that was set back.
    fn restart(&mut self, input: &mut Input) {
        let stored = self.provider.encode();
        let loaded = Provider::decode_all(&mut &stored[..]).expect("what was stored is loaded");
        assert_eq!(loaded, self.provider);
        self.now = self.now.saturating_sub(input.u32().into());
        self.tell(ProviderEvent::Restarted);
    }

    fn tell(&mut self, event: ProviderEvent) {
        let before = self.provider.clone();
        let is_right_channel = match (&event, before.terms()) {
            (ProviderEvent::ChannelFinal(found), Some(terms)) => {
                let wanted = record(terms);
                found.contract == wanted.contract
                    && found.deposit >= wanted.deposit
                    && found.paid == 0
                    && found.closing_at.is_none()
                    && found.challenge >= wanted.challenge
            }
            _ => false,
        };
        let Ok(step) = self.provider.step(event, self.now) else { return };
        self.provider = step.next;
        assert_ne!(before.phase(), Phase::Closed, "an ended lease stays ended");
        self.examine(&before);
        for action in &step.actions {
            match action {
                ProviderAction::Send(frame) => check_sent(frame),
                ProviderAction::StartMachine => assert!(is_right_channel),
                ProviderAction::ReadUsage { tick } => self.asked = *tick,
                ProviderAction::Claim(voucher) => self.check_voucher(voucher),
                ProviderAction::Settle(Some(voucher)) => self.check_voucher(voucher),
                ProviderAction::Settle(None) => assert_eq!(self.provider.paid(), 0),
                ProviderAction::SendAuth { .. }
                | ProviderAction::ReserveVolume(_)
                | ProviderAction::Countersign(_)
                | ProviderAction::CountersignAmendment(_)
                | ProviderAction::PrepareMachine(_)
                | ProviderAction::WatchChannel(_)
                | ProviderAction::WatchOpenChannel(_)
                | ProviderAction::ResumeMachine(_)
                | ProviderAction::Freeze
                | ProviderAction::Thaw
                | ProviderAction::StopMachine
                | ProviderAction::Disconnect => {}
                ProviderAction::Finished(reason) => {
                    assert_eq!(self.provider.phase(), Phase::Closed);
                    assert_eq!(self.provider.close_reason(), Some(*reason));
                }
            }
        }
    }

    fn examine(&self, before: &Provider) {
        let provider = &self.provider;
        assert!(provider.paid() >= before.paid(), "what was paid fell");
        assert!(provider.vouchers() >= before.vouchers());
        if let Some(scope) = provider.scope() {
            assert!(provider.paid() <= scope.deposit, "paid more than there is");
            assert!(provider.due() <= scope.deposit);
        }
        if let (Some(was), Some(is)) = (before.scope(), provider.scope()) {
            assert!(is.deposit >= was.deposit && is.lease_secs >= was.lease_secs);
        }
        if let (Some(was), Some(is)) = (before.usage(), provider.usage()) {
            assert_eq!(is.first_fallen(&was), None, "usage fell");
        }
        if before.channel().is_some() {
            assert_eq!(provider.channel(), before.channel());
        }
        assert!(provider.phase() != Phase::Closed || provider.deadline().is_none());
        assert!(!provider.must_persist() || provider.terms().is_some());
    }

    fn check_voucher(&self, voucher: &Unverified<Voucher>) {
        let channel = self.provider.channel().expect("a voucher has a channel");
        assert_eq!(voucher.payload.cumulative, self.provider.paid());
        assert!(voucher.clone().verify(&channel, &public(SESSION)).is_ok());
    }
}

/// From each moment on: a tick that is paid, one that is not, an end of each kind, a restart.
pub fn seeds() -> Vec<Vec<u8>> {
    let moments = course(false).provider.len() as u8;
    let metered =
        |cpu: u32| [&[0, 3, 1, 0, 1, 1][..], &cpu.to_le_bytes(), &100u32.to_le_bytes()].concat();
    let voucher = |amount: u8, signer: u8| vec![2, 0, 2, amount, signer];
    let mut seeds = Vec::new();
    for moment in 0..moments {
        for prepaid in [0, 1] {
            let mut seed = vec![prepaid, moment];
            match moment % 4 {
                0 => {
                    seed.extend(metered(1_000_000));
                    seed.extend(voucher(0, 2));
                    seed.extend(metered(1_000_000));
                    seed.extend([0, 3, 0, 3, 0, 3]);
                }
                1 => seed.extend([5, 0, 0, 0, 3, 5, 0, 1, 0, 3, 5, 0, 4, 0, 3, 0, 3]),
                2 => {
                    seed.extend([8, 0, 1, 0, 0, 0, 5, 0, 3, 5, 0, 1, 0, 3]);
                    seed.extend(voucher(3, 2));
                }
                _ => {
                    seed.extend([4, 0, 0, 0, 5, 0, 5]);
                    seed.extend(voucher(1, 2));
                    seed.extend([6, 0, 3, 0, 3, 6, 0, 2]);
                }
            }
            seeds.push(seed);
        }
    }
    seeds
}
