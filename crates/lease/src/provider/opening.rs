//! From the contract to the running machine: the money first, then the machine.

use zennet_primitives::{close::CloseReason, frame::Frame, record::ChannelRecord, usage::Usage};

use super::{
    closing::{break_off, lost_on_chain, wind_up, Tell},
    ledger::Ledger,
    state::{Link, Serving, State, Unpaid},
    Outcome, ProviderAction as Action, ProviderEvent as Event, ProviderSetup,
};
use crate::Millis;

/// An event while the channel is being opened.
pub(super) fn open(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::Received(Frame::Opened { nonce }) if ledger.channel.is_none() => {
            let channel = ledger.terms.channel(nonce);
            ledger.channel = Some(channel);
            let next = State::Opening { ledger, link, until };
            Outcome::Next(next, vec![Action::WatchChannel(channel)])
        }
        // Said once more on a new connection.
        Event::Received(Frame::Opened { nonce }) if ledger.is_channel(nonce) => Outcome::Same,
        Event::ChannelFinal(record) if ledger.channel.is_some() => {
            if !ledger.is_paid_by(&record) {
                return wind_up(ledger, CloseReason::ChannelNotOpened, link.tell(), now);
            }
            let until = now.saturating_add(setup.limits.start_ms.into());
            Outcome::Next(State::Starting { ledger, link, until }, vec![Action::StartMachine])
        }
        Event::ChannelMissing if ledger.channel.is_some() => {
            wind_up(ledger, CloseReason::ChannelNotOpened, link.tell(), now)
        }
        Event::Timer if now >= until => {
            let reason = match ledger.channel {
                Some(_) => CloseReason::ChannelNotOpened,
                None => CloseReason::TimedOut,
            };
            wind_up(ledger, reason, link.tell(), now)
        }
        Event::Timer => Outcome::Same,
        Event::Disconnected => {
            Outcome::Next(State::Opening { ledger, link: Link::Down, until }, Vec::new())
        }
        Event::Reconnected => {
            Outcome::Next(State::Opening { ledger, link: Link::Up, until }, Vec::new())
        }
        Event::MachineReady { .. } | Event::ChannelFinal(_) | Event::ChannelMissing => {
            Outcome::Denied
        }
        other => unready(ledger, link, other, now),
    }
}

/// An event while the machine starts.
pub(super) fn start(
    ledger: Ledger,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::MachineReady { baseline } => serve(ledger, link, baseline, now),
        Event::ChannelFinal(record) => still_open(ledger, link, &record, now),
        Event::ChannelMissing => lost_on_chain(ledger, None, link, now),
        Event::Timer if now >= until => {
            wind_up(ledger, CloseReason::MachineFailed, link.tell(), now)
        }
        Event::Timer => Outcome::Same,
        Event::Received(Frame::Opened { nonce }) if ledger.is_channel(nonce) => Outcome::Same,
        Event::Disconnected => {
            Outcome::Next(State::Starting { ledger, link: Link::Down, until }, Vec::new())
        }
        Event::Reconnected => {
            Outcome::Next(State::Starting { ledger, link: Link::Up, until }, Vec::new())
        }
        other => unready(ledger, link, other, now),
    }
}

/// What means the same before and after the channel is final.
fn unready(ledger: Ledger, link: Link, event: Event, now: Millis) -> Outcome {
    match event {
        Event::Received(Frame::Close(reason)) => wind_up(ledger, reason, Tell::Nobody, now),
        Event::Received(_) | Event::Malformed => break_off(ledger, now),
        Event::MachineFailed => wind_up(ledger, CloseReason::MachineFailed, link.tell(), now),
        Event::ChannelClosing => wind_up(ledger, CloseReason::ChannelClosing, link.tell(), now),
        Event::Stop(reason) => wind_up(ledger, reason, link.tell(), now),
        Event::Leave => wind_up(ledger, CloseReason::ProviderLeaves, link.tell(), now),
        Event::Restarted => wind_up(ledger, CloseReason::ConnectionLost, Tell::Lost, now),
        Event::Settled { paid } => lost_on_chain(ledger, Some(paid), link, now),
        // Nothing has been amended yet.
        Event::ChannelChanged { .. } => Outcome::Same,
        Event::Connected { .. }
        | Event::Disconnected
        | Event::Reconnected
        | Event::MachineResumed
        | Event::Timer
        | Event::ChannelFinal(_)
        | Event::ChannelMissing
        | Event::MachineReady { .. }
        | Event::Metered { .. }
        | Event::MachineStopped { .. }
        | Event::VolumeReserved
        | Event::VolumeRefused
        | Event::Claimed { .. }
        | Event::ClaimFailed
        | Event::SettleFailed => Outcome::Denied,
    }
}

/// A later finalized state of the channel: only its coming end matters.
fn still_open(ledger: Ledger, link: Link, record: &ChannelRecord<u32>, now: Millis) -> Outcome {
    match record.closing_at {
        Some(_) => wind_up(ledger, CloseReason::ChannelClosing, link.tell(), now),
        None => Outcome::Same,
    }
}

/// The machine runs: from here on usage counts.
fn serve(mut ledger: Ledger, link: Link, baseline: Usage, now: Millis) -> Outcome {
    let Some(baseline) = ledger.begin(baseline, now) else {
        // A priced counter that this host cannot give would never be paid.
        return wind_up(ledger, CloseReason::MachineFailed, link.tell(), now);
    };
    let due = ledger.due(true);
    let serving = Serving {
        started: now,
        next_tick: now.saturating_add(ledger.terms.quote.tick_ms.into()),
        reading: None,
        unpaid: if due > 0 { vec![Unpaid { due, since: now }] } else { Vec::new() },
        frozen: None,
        lost: match link {
            Link::Up => None,
            Link::Down => Some(now),
        },
        proposed: 0,
        leaves_at: None,
        noticed: false,
    };
    // Without a connection it is said on the next one.
    let actions = match link {
        Link::Up => vec![Action::Send(Frame::Ready { baseline })],
        Link::Down => Vec::new(),
    };
    Outcome::Next(State::Serving { ledger, serving }, actions)
}
