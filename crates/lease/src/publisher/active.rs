//! From the open channel to the end of the machine: usage comes in, vouchers go out.

use zennet_primitives::{
    amendment::Objection,
    close::CloseReason,
    frame::{Frame, Notice},
    usage::Usage,
};

use super::{
    amending::Refused,
    closing::{abandon, forsake, hand_over, settled, Tell},
    ledger::{Ledger, Report},
    state::{Link, State, Watch},
    Outcome, PublisherAction as Action, PublisherEvent as Event, PublisherSetup,
};
use crate::Millis;

/// How long a provider whose machine is not ready yet is waited for: nothing is lost with it, and
/// another one is soon found.
const REJOIN_MS: Millis = 15_000;

/// An event while the channel is being opened.
pub(super) fn open(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::ChannelOpened { nonce } => {
            ledger.channel = Some(ledger.terms.channel(nonce));
            ledger.nonce = nonce;
            let until = now.saturating_add(setup.limits.ready_ms.into());
            // Without a connection it is said on the next one.
            let actions = match link {
                Link::Up => vec![Action::Send(Frame::Opened { nonce })],
                Link::Down => Vec::new(),
            };
            Outcome::Next(State::Preparing { ledger, link, until, deaf: None }, actions)
        }
        Event::OpenFailed => {
            let reason = CloseReason::ChannelNotOpened;
            let mut actions = link.tell().last_words(reason);
            actions.push(Action::Finished(reason));
            Outcome::Next(State::Ended { ledger: Some(ledger), reason }, actions)
        }
        Event::Timer if now >= until => abandon(ledger, CloseReason::ChannelNotOpened, link.tell()),
        Event::Timer => Outcome::Same,
        Event::Received(Frame::Close(reason)) => abandon(ledger, reason, Tell::Nobody),
        Event::Received(_) | Event::Malformed => {
            abandon(ledger, CloseReason::ProtocolViolation, link.tell())
        }
        Event::Disconnected => {
            Outcome::Next(State::Opening { ledger, link: Link::Down, until }, Vec::new())
        }
        Event::Reconnected => {
            Outcome::Next(State::Opening { ledger, link: Link::Up, until }, Vec::new())
        }
        Event::Restarted => abandon(ledger, CloseReason::ConnectionLost, Tell::Lost),
        Event::Stop(reason) => abandon(ledger, reason, link.tell()),
        Event::Connected { .. }
        | Event::GiveUp
        | Event::IdentityChecked { .. }
        | Event::OwnUsage { .. }
        | Event::Extend { .. }
        | Event::DropVolume
        | Event::Funded
        | Event::FundFailed
        | Event::Settled { .. }
        | Event::ChannelClosing => Outcome::Denied,
    }
}

/// An event while the provider waits for finality and starts the machine.
pub(super) fn prepare(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    link: Link,
    until: Millis,
    deaf: Option<Millis>,
    event: Event,
    now: Millis,
) -> Outcome {
    // Until the connection is known to break, nothing has moved the end of the wait.
    let opened = until.saturating_sub(setup.limits.ready_ms.into()).min(now);
    match event {
        Event::Received(Frame::Ready { baseline }) => {
            ready(setup, ledger, baseline, deaf.unwrap_or(now), now)
        }
        Event::Received(Frame::Close(reason)) => {
            hand_over(setup, ledger, reason, Tell::Nobody, now)
        }
        Event::Received(_) | Event::Malformed => {
            forsake(setup, ledger, CloseReason::ProtocolViolation, link.tell(), now)
        }
        Event::Timer if now >= until => {
            let reason = match link {
                Link::Up => CloseReason::TimedOut,
                Link::Down => CloseReason::ConnectionLost,
            };
            forsake(setup, ledger, reason, link.tell(), now)
        }
        Event::Timer => Outcome::Same,
        Event::Disconnected => {
            let until = until.min(now.saturating_add(REJOIN_MS));
            let deaf = deaf.or(Some(now));
            Outcome::Next(State::Preparing { ledger, link: Link::Down, until, deaf }, Vec::new())
        }
        Event::Restarted => {
            let deaf = deaf.or(Some(opened));
            let until = now.saturating_add(setup.limits.ready_ms.into());
            Outcome::Next(State::Preparing { ledger, link: Link::Down, until, deaf }, Vec::new())
        }
        Event::Reconnected => {
            ledger.reunite();
            // Its break went by unnoticed where this side has not waited for it.
            let deaf = deaf.or(Some(opened));
            let again = Action::Send(Frame::Opened { nonce: ledger.nonce });
            Outcome::Next(State::Preparing { ledger, link: Link::Up, until, deaf }, vec![again])
        }
        Event::Stop(reason) => hand_over(setup, ledger, reason, link.tell(), now),
        Event::GiveUp => forsake(setup, ledger, CloseReason::ConnectionLost, link.tell(), now),
        Event::ChannelClosing => {
            hand_over(setup, ledger, CloseReason::ChannelClosing, link.tell(), now)
        }
        Event::Settled { paid } => settled(ledger, CloseReason::ChannelClosing, paid, link.tell()),
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed
        | Event::OwnUsage { .. }
        | Event::Extend { .. }
        | Event::DropVolume
        | Event::Funded
        | Event::FundFailed => Outcome::Denied,
    }
}

fn ready(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    baseline: Usage,
    since: Millis,
    now: Millis,
) -> Outcome {
    let Ok(ahead) = ledger.begin(baseline, since, now) else {
        return forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now);
    };
    let mut actions = vec![Action::MachineReady];
    if let (Some(voucher), Some(context)) = (ahead, ledger.channel) {
        actions.push(Action::SendVoucher { tick: 0, voucher, context });
    }
    let watch = Watch { heard: now, frozen: false, lost: None, leaving: None };
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
    let tell = watch.link().tell();
    match event {
        Event::Received(Frame::Usage { tick, usage, last: false }) => {
            let report = Report { tick, usage, last: false };
            report_received(setup, ledger, watch, &report, now)
        }
        Event::Received(Frame::Notice(notice)) => noticed(ledger, watch, notice, now),
        Event::Received(Frame::Close(reason)) => {
            let reason = watch.parting(&ledger, reason, now);
            hand_over(setup, ledger, reason, Tell::Nobody, now)
        }
        // Said once more by a provider that does not know whether it was heard.
        Event::Received(Frame::Ready { baseline }) if ledger.is_baseline(&baseline) => {
            Outcome::Same
        }
        Event::Received(
            frame @ (Frame::Granted { .. } | Frame::NotAmended { .. } | Frame::Amended { .. }),
        ) => amendment_answered(setup, ledger, watch, &frame, now),
        Event::Received(
            Frame::Hello(_)
            | Frame::Auth(_)
            | Frame::Offer(_)
            | Frame::Quote(_)
            | Frame::Counter(_)
            | Frame::Contract(_)
            | Frame::Countersign(_)
            | Frame::Opened { .. }
            | Frame::Ready { .. }
            | Frame::Usage { .. }
            | Frame::Voucher { .. }
            | Frame::Settled { .. }
            | Frame::Amend(_),
        )
        | Event::Malformed => forsake(setup, ledger, CloseReason::ProtocolViolation, tell, now),
        Event::OwnUsage { usage, at_ms } => {
            if let Some(meter) = &mut ledger.meter {
                meter.agreement.read(usage, at_ms, now);
            }
            Outcome::Next(State::Active { ledger, watch }, Vec::new())
        }
        Event::Timer if watch.patience_ends(&ledger, &setup.limits) <= now => match watch.lost {
            Some(_) => forsake(setup, ledger, CloseReason::ConnectionLost, Tell::Lost, now),
            // A connection on which nothing comes is none: the provider may dial anew.
            None => lose(ledger, watch, now).after(vec![Action::Disconnect]),
        },
        Event::Timer => Outcome::Same,
        Event::Disconnected => lose(ledger, watch, now),
        Event::Restarted => {
            // Of a clock that was set back between the two runs only the passed time is believed.
            if let Some(meter) = &mut ledger.meter {
                meter.started = meter.started.saturating_sub(watch.heard.saturating_sub(now));
            }
            watch.lost = None;
            ledger.amending.restarted();
            lose(ledger, watch, now)
        }
        Event::Reconnected => {
            watch.lost = None;
            watch.heard = now;
            ledger.reunite();
            let mut actions = vec![Action::MachineReady];
            actions.extend(ledger.amendment_again(now));
            Outcome::Next(State::Active { ledger, watch }, actions)
        }
        Event::Extend { secs } => {
            let actions = match ledger.extend(&setup.policy, secs, now) {
                true => ledger.look_ahead(setup, &watch, now).into_iter().collect(),
                false => vec![Action::NotAmended(Objection::ChannelTooLong)],
            };
            Outcome::Next(State::Active { ledger, watch }, actions)
        }
        Event::DropVolume => {
            ledger.keeps_volume = false;
            Outcome::Next(State::Active { ledger, watch }, Vec::new())
        }
        Event::Funded => {
            let holds = ledger.amending.funded();
            let actions = amended(&ledger, holds);
            Outcome::Next(State::Active { ledger, watch }, actions)
        }
        Event::FundFailed => {
            ledger.amending.fund_failed(now);
            Outcome::Next(State::Active { ledger, watch }, Vec::new())
        }
        Event::Stop(reason) => hand_over(setup, ledger, reason, tell, now),
        Event::GiveUp => forsake(setup, ledger, CloseReason::ConnectionLost, tell, now),
        Event::ChannelClosing => hand_over(setup, ledger, CloseReason::ChannelClosing, tell, now),
        Event::Settled { paid } => settled(ledger, CloseReason::ChannelClosing, paid, tell),
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed => Outcome::Denied,
    }
}

/// The provider says where the machine stands; what is known already is not told again.
fn noticed(ledger: Ledger, mut watch: Watch, notice: Notice, now: Millis) -> Outcome {
    let is_news = match notice {
        Notice::Frozen { .. } => !std::mem::replace(&mut watch.frozen, true),
        Notice::Thawed => std::mem::replace(&mut watch.frozen, false),
        Notice::Leaving { .. } => watch.leaving.replace(watch.leaving.unwrap_or(now)).is_none(),
    };
    if !is_news {
        return Outcome::Same;
    }
    let actions = vec![Action::MachineStateChanged(notice)];
    Outcome::Next(State::Active { ledger, watch }, actions)
}

/// The provider has signed an amendment, does not want it, or has seen it on chain.
fn amendment_answered(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    watch: Watch,
    frame: &Frame,
    now: Millis,
) -> Outcome {
    let answered = match frame {
        Frame::Granted { number, signature } => {
            ledger.amending.granted(&ledger.terms, *number, *signature).map(|first| {
                if first {
                    ledger.fund(false, now).into_iter().collect()
                } else {
                    Vec::new()
                }
            })
        }
        Frame::NotAmended { number, objection } => ledger
            .amending
            .objected(*number, *objection, now)
            .map(|news| news.then_some(Action::NotAmended(*objection)).into_iter().collect()),
        Frame::Amended { number } => {
            ledger.amending.counted(*number).map(|holds| amended(&ledger, holds))
        }
        _ => Err(Refused),
    };
    match answered {
        Ok(actions) => Outcome::Next(State::Active { ledger, watch }, actions),
        Err(Refused) => forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now),
    }
}

/// What is told of an amendment that holds.
fn amended(ledger: &Ledger, holds: bool) -> Vec<Action> {
    holds.then_some(Action::LeaseAmended(ledger.amending.scope)).into_iter().collect()
}

/// The provider is waited for from now on, unless it was already.
fn lose(ledger: Ledger, mut watch: Watch, now: Millis) -> Outcome {
    watch.lost.get_or_insert(now);
    Outcome::Next(State::Active { ledger, watch }, Vec::new())
}

/// A tick is over: pay for it, or end a lease whose readings keep disagreeing.
fn report_received(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    mut watch: Watch,
    report: &Report,
    now: Millis,
) -> Outcome {
    let (Ok(voucher), Some(context)) = (ledger.pay(report, false, now), ledger.channel) else {
        return forsake(setup, ledger, CloseReason::ProtocolViolation, Tell::Peer, now);
    };
    watch.heard = now;
    let pay = Action::SendVoucher { tick: report.tick, voucher, context };
    let disagreements = ledger.meter.as_ref().map_or(0, |meter| meter.agreement.disagreements());
    if disagreements >= setup.limits.disagreements.max(1) {
        return hand_over(setup, ledger, CloseReason::UsageDisagreement, Tell::Peer, now)
            .after(vec![pay]);
    }
    let mut actions = vec![pay];
    actions.extend(ledger.look_ahead(setup, &watch, now));
    Outcome::Next(State::Active { ledger, watch }, actions)
}
