//! From the open channel to the end of the machine: usage comes in, vouchers go out.

use zennet_primitives::{
    close::CloseReason,
    frame::{Frame, Notice},
    usage::Usage,
};

use super::{
    closing::{abandon, forsake, hand_over, settled, Tell},
    ledger::{Ledger, Report},
    state::{State, Watch},
    Outcome, PublisherAction as Action, PublisherEvent as Event, PublisherSetup,
};
use crate::Millis;

/// An event while the channel is being opened.
pub(super) fn open(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::ChannelOpened { nonce } => {
            ledger.channel = Some(ledger.terms.channel(nonce));
            let until = now.saturating_add(setup.limits.ready_ms.into());
            let opened = Action::Send(Frame::Opened { nonce });
            Outcome::Next(State::Preparing { ledger, until }, vec![opened])
        }
        Event::OpenFailed => {
            let reason = CloseReason::ChannelNotOpened;
            let told = Action::Send(Frame::Close(reason));
            let actions = vec![told, Action::Disconnect, Action::Finished(reason)];
            Outcome::Next(State::Ended { ledger: Some(ledger), reason }, actions)
        }
        Event::Timer if now >= until => abandon(ledger, CloseReason::ChannelNotOpened, Tell::Peer),
        Event::Timer => Outcome::Same,
        Event::Received(Frame::Close(reason)) => abandon(ledger, reason, Tell::Nobody),
        Event::Received(_) | Event::Malformed => {
            abandon(ledger, CloseReason::ProtocolViolation, Tell::Peer)
        }
        Event::Disconnected | Event::Restarted => {
            abandon(ledger, CloseReason::ConnectionLost, Tell::Lost)
        }
        Event::Stop(reason) => abandon(ledger, reason, Tell::Peer),
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::OwnUsage { .. }
        | Event::Settled { .. }
        | Event::ChannelClosing => Outcome::Denied,
    }
}

/// An event while the provider waits for finality and starts the machine.
pub(super) fn prepare(
    setup: &PublisherSetup,
    ledger: Ledger,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::Received(Frame::Ready { baseline }) => ready(setup, ledger, baseline, now),
        Event::Received(Frame::Close(reason)) => {
            hand_over(setup, ledger, reason, Tell::Nobody, now)
        }
        Event::Received(_) | Event::Malformed => {
            forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now)
        }
        Event::Timer if now >= until => {
            forsake(setup, ledger, CloseReason::TimedOut, Tell::Peer, now)
        }
        Event::Timer => Outcome::Same,
        Event::Disconnected | Event::Restarted => {
            forsake(setup, ledger, CloseReason::ConnectionLost, Tell::Lost, now)
        }
        Event::Stop(reason) => hand_over(setup, ledger, reason, Tell::Peer, now),
        Event::ChannelClosing => {
            hand_over(setup, ledger, CloseReason::ChannelClosing, Tell::Peer, now)
        }
        Event::Settled { paid } => settled(ledger, CloseReason::ChannelClosing, paid, Tell::Peer),
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed
        | Event::OwnUsage { .. } => Outcome::Denied,
    }
}

fn ready(setup: &PublisherSetup, mut ledger: Ledger, baseline: Usage, now: Millis) -> Outcome {
    let Ok(ahead) = ledger.begin(baseline, now) else {
        return forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now);
    };
    let mut actions = vec![Action::MachineReady];
    if let (Some(voucher), Some(context)) = (ahead, ledger.channel) {
        actions.push(Action::SendVoucher { tick: 0, voucher, context });
    }
    let watch = Watch { heard: now, frozen: false };
    Outcome::Next(State::Active { ledger, watch }, actions)
}

/// An event while the machine can be used.
pub(super) fn attend(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    mut watch: Watch,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::Received(Frame::Usage { tick, elapsed_ms, usage, last: false }) => {
            let report = Report { tick, elapsed_ms, usage, last: false };
            report_received(setup, ledger, watch, &report, now)
        }
        Event::Received(Frame::Notice(notice)) => {
            let frozen = matches!(notice, Notice::Frozen { .. });
            if frozen == watch.frozen {
                return Outcome::Same;
            }
            watch.frozen = frozen;
            let actions = vec![Action::MachineStateChanged(notice)];
            Outcome::Next(State::Active { ledger, watch }, actions)
        }
        Event::Received(Frame::Close(reason)) => {
            hand_over(setup, ledger, reason, Tell::Nobody, now)
        }
        Event::Received(
            Frame::Hello(_)
            | Frame::Auth(_)
            | Frame::Offer { .. }
            | Frame::Quote(_)
            | Frame::Counter(_)
            | Frame::Contract(_)
            | Frame::Countersign(_)
            | Frame::Opened { .. }
            | Frame::Ready { .. }
            | Frame::Usage { .. }
            | Frame::Voucher { .. }
            | Frame::Settled { .. },
        )
        | Event::Malformed => {
            forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now)
        }
        Event::OwnUsage { usage } => {
            if let Some(meter) = &mut ledger.meter {
                meter.agreement.read(usage, now);
            }
            Outcome::Next(State::Active { ledger, watch }, Vec::new())
        }
        Event::Timer if watch.silence_ends(&ledger, &setup.limits) <= now => {
            forsake(setup, ledger, CloseReason::ConnectionLost, Tell::Peer, now)
        }
        Event::Timer => Outcome::Same,
        Event::Disconnected | Event::Restarted => {
            forsake(setup, ledger, CloseReason::ConnectionLost, Tell::Lost, now)
        }
        Event::Stop(reason) => hand_over(setup, ledger, reason, Tell::Peer, now),
        Event::ChannelClosing => {
            hand_over(setup, ledger, CloseReason::ChannelClosing, Tell::Peer, now)
        }
        Event::Settled { paid } => settled(ledger, CloseReason::ChannelClosing, paid, Tell::Peer),
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed => Outcome::Denied,
    }
}

/// A tick is over: pay for it, or end a lease whose readings keep disagreeing.
fn report_received(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    mut watch: Watch,
    report: &Report,
    now: Millis,
) -> Outcome {
    let (Ok(voucher), Some(context)) = (ledger.pay(report, now), ledger.channel) else {
        return forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now);
    };
    watch.heard = now;
    let pay = Action::SendVoucher { tick: report.tick, voucher, context };
    let disagreements = ledger.meter.as_ref().map_or(0, |meter| meter.agreement.disagreements());
    if disagreements >= setup.limits.disagreements.max(1) {
        return hand_over(setup, ledger, CloseReason::UsageDisagreement, Tell::Peer, now)
            .after(vec![pay]);
    }
    Outcome::Next(State::Active { ledger, watch }, vec![pay])
}
