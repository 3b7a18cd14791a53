//! The ways out of a contract: stop the machine, collect the last voucher, settle on chain.

use zennet_primitives::{
    amount::Balance, channel::Voucher, close::CloseReason, frame::Frame, signed::Unverified,
    usage::Usage,
};

use super::{
    ledger::Ledger,
    state::{stop_deadline, Farewell, Fate, Link, State},
    Outcome, ProviderAction as Action, ProviderEvent as Event, ProviderSetup,
};
use crate::{meeting::merged, Millis};

/// Who has to learn of the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tell {
    /// The publisher does not know yet.
    Peer,
    /// The publisher began it.
    Nobody,
    /// The connection is gone.
    Lost,
}

impl Link {
    /// Who has to learn of an end that this side begins.
    pub(super) fn tell(self) -> Tell {
        match self {
            Link::Up => Tell::Peer,
            Link::Down => Tell::Lost,
        }
    }
}

impl Tell {
    fn link(self) -> Link {
        match self {
            Tell::Peer | Tell::Nobody => Link::Up,
            Tell::Lost => Link::Down,
        }
    }

    fn actions(self, reason: CloseReason) -> Vec<Action> {
        match self {
            Tell::Peer => vec![Action::Send(Frame::Close(reason))],
            Tell::Nobody | Tell::Lost => Vec::new(),
        }
    }
}

/// Ends a contract whose machine has not served: whatever there is of it is removed first.
pub(super) fn wind_up(ledger: Ledger, reason: CloseReason, tell: Tell, now: Millis) -> Outcome {
    stop(ledger, false, reason, tell, now)
}

/// Ends a lease whose machine has run.
pub(super) fn wind_up_served(
    ledger: Ledger,
    reason: CloseReason,
    tell: Tell,
    now: Millis,
) -> Outcome {
    stop(ledger, true, reason, tell, now)
}

fn stop(ledger: Ledger, served: bool, reason: CloseReason, tell: Tell, now: Millis) -> Outcome {
    let mut actions = tell.actions(reason);
    actions.push(Action::StopMachine);
    let (link, until) = (tell.link(), stop_deadline(now));
    // A publisher that did not come back in all of its time is waited for no longer.
    let farewell = match link {
        Link::Up if served => Farewell::Wanted,
        Link::Down if served && reason != CloseReason::ConnectionLost => Farewell::Wanted,
        Link::Up | Link::Down => Farewell::None,
    };
    Outcome::Next(State::Stopping { ledger, farewell, reason, link, until }, actions)
}

/// Settles at once, with what has been paid so far, while the machine stops.
pub(super) fn cut_short(ledger: Ledger, reason: CloseReason, tell: Tell, now: Millis) -> Outcome {
    let mut actions = tell.actions(reason);
    actions.push(Action::StopMachine);
    settle(ledger, reason, tell.link(), Some(stop_deadline(now)), now).after(actions)
}

/// The publisher broke the protocol: nothing more is exchanged with it.
pub(super) fn break_off(ledger: Ledger, now: Millis) -> Outcome {
    let reason = CloseReason::ProtocolViolation;
    let actions = vec![Action::Send(Frame::Close(reason)), Action::Disconnect];
    cut_short(ledger, reason, Tell::Lost, now).after(actions)
}

/// The channel has been settled by somebody else, or has vanished.
pub(super) fn lost_on_chain(
    mut ledger: Ledger,
    paid: Option<Balance>,
    link: Link,
    now: Millis,
) -> Outcome {
    ledger.settled = paid;
    let reason = CloseReason::ChannelClosing;
    let mut actions = match link {
        Link::Up => Tell::Peer.actions(reason),
        Link::Down => Vec::new(),
    };
    actions.push(Action::StopMachine);
    let stop_until = Some(stop_deadline(now));
    let next = State::Settling { ledger, reason, link, fate: Fate::Gone, stop_until };
    Outcome::Next(next, actions)
}

/// Goes to the chain with the best voucher. Without a channel there is nothing to settle.
fn settle(
    ledger: Ledger,
    reason: CloseReason,
    link: Link,
    stop_until: Option<Millis>,
    now: Millis,
) -> Outcome {
    if ledger.channel.is_none() {
        return settled(ledger, reason, link, Fate::Gone, stop_until);
    }
    let action = Action::Settle(ledger.final_voucher());
    let fate = Fate::sent(now, 0);
    Outcome::Next(State::Settling { ledger, reason, link, fate, stop_until }, vec![action])
}

/// Finishes when neither the chain nor the machine is waited for any more.
fn settled(
    ledger: Ledger,
    reason: CloseReason,
    link: Link,
    fate: Fate,
    stop_until: Option<Millis>,
) -> Outcome {
    if stop_until.is_some() || fate != Fate::Gone {
        let next = State::Settling { ledger, reason, link, fate, stop_until };
        return Outcome::Next(next, Vec::new());
    }
    let mut actions = Vec::new();
    if link == Link::Up {
        actions.extend(ledger.settled.map(|paid| Action::Send(Frame::Settled { paid })));
        actions.push(Action::Disconnect);
    }
    actions.push(Action::Finished(reason));
    Outcome::Next(State::Ended { ledger: Some(ledger), reason }, actions)
}

/// The machine is gone: the last usage asks for the last voucher, now or on the next connection.
fn stopped(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    farewell: Farewell,
    reason: CloseReason,
    link: Link,
    usage: Option<Usage>,
    now: Millis,
) -> Outcome {
    if ledger.baseline.is_some() {
        ledger.read(&usage.unwrap_or_default(), now);
    }
    let rejoined = match farewell {
        Farewell::None => return settle(ledger, reason, link, None, now),
        Farewell::Wanted => false,
        Farewell::Rejoined => true,
    };
    ledger.keep_volume();
    let until = now.saturating_add(setup.limits.final_voucher_ms.into());
    match link {
        Link::Up => ask(ledger, rejoined, reason, until, now),
        Link::Down => {
            let next = State::Collecting { ledger, rejoined, reason, link, until };
            Outcome::Next(next, Vec::new())
        }
    }
}

/// Shows the last usage, under a number of its own each time.
fn ask(
    mut ledger: Ledger,
    rejoined: bool,
    reason: CloseReason,
    until: Millis,
    now: Millis,
) -> Outcome {
    let Some(tick) = ledger.tick.checked_add(1) else {
        return settle(ledger, reason, Link::Up, None, now);
    };
    ledger.tick = tick;
    let last = Action::Send(Frame::Usage { tick, usage: ledger.latest, last: true });
    let link = Link::Up;
    Outcome::Next(State::Collecting { ledger, rejoined, reason, link, until }, vec![last])
}

/// An event while the machine stops.
#[allow(clippy::too_many_arguments, reason = "the fields of the state, taken apart")]
pub(super) fn stopping(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    farewell: Farewell,
    reason: CloseReason,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    let with = |ledger, farewell, reason, link| {
        Outcome::Next(State::Stopping { ledger, farewell, reason, link, until }, Vec::new())
    };
    let stay = |ledger, reason| with(ledger, farewell, reason, link);
    // Nothing more is exchanged with whoever broke the protocol.
    let hang_up =
        |ledger| with(ledger, Farewell::None, reason, Link::Down).after(vec![Action::Disconnect]);
    match event {
        Event::MachineStopped { usage } => {
            stopped(setup, ledger, farewell, reason, link, usage, now)
        }
        Event::Timer if now >= until => stopped(setup, ledger, farewell, reason, link, None, now),
        Event::Timer => Outcome::Same,
        Event::Received(frame) => match overheard(&mut ledger, reason, frame) {
            Ok(reason) => stay(ledger, reason),
            Err(Hangup) => hang_up(ledger),
        },
        Event::Malformed => hang_up(ledger),
        Event::Disconnected => {
            let farewell = match farewell {
                Farewell::Wanted => Farewell::Wanted,
                Farewell::Rejoined | Farewell::None => Farewell::None,
            };
            with(ledger, farewell, reason, Link::Down)
        }
        Event::Reconnected => with(ledger, Farewell::Rejoined, reason, Link::Up)
            .after(vec![Action::Send(Frame::Close(reason))]),
        Event::ChannelClosing => settle(ledger, reason, link, Some(until), now),
        Event::ChannelFinal(record) if record.closing_at.is_some() => {
            settle(ledger, reason, link, Some(until), now)
        }
        Event::ChannelFinal(_) | Event::ChannelChanged { .. } => Outcome::Same,
        Event::ChannelMissing if ledger.channel.is_some() => {
            settled(ledger, reason, link, Fate::Gone, Some(until))
        }
        Event::Settled { paid } => {
            ledger.settled = Some(paid);
            settled(ledger, reason, link, Fate::Gone, Some(until))
        }
        Event::Restarted => cut_short(ledger, reason, Tell::Lost, now),
        Event::Connected { .. }
        | Event::VolumeReserved
        | Event::VolumeRefused
        | Event::Claimed { .. }
        | Event::ClaimFailed
        | Event::ChannelMissing
        | Event::MachineReady { .. }
        | Event::MachineResumed
        | Event::MachineFailed
        | Event::Metered { .. }
        | Event::Stop(_)
        | Event::Leave
        | Event::SettleFailed => Outcome::Denied,
    }
}

/// An event while the last voucher is awaited.
pub(super) fn collecting(
    mut ledger: Ledger,
    rejoined: bool,
    reason: CloseReason,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    let go = |ledger, reason, link| settle(ledger, reason, link, None, now);
    let stay = |ledger, reason, link| {
        Outcome::Next(State::Collecting { ledger, rejoined, reason, link, until }, Vec::new())
    };
    match event {
        Event::Received(frame) => match overheard(&mut ledger, reason, frame) {
            Ok(reason) if ledger.paid_tick == Some(ledger.tick) => go(ledger, reason, link),
            Ok(reason) => stay(ledger, reason, link),
            Err(Hangup) => go(ledger, reason, Link::Down).after(vec![Action::Disconnect]),
        },
        Event::Malformed => go(ledger, reason, Link::Down).after(vec![Action::Disconnect]),
        Event::Timer if now >= until => go(ledger, reason, link),
        Event::Timer => Outcome::Same,
        // The publisher may be back for its last voucher in the time that it has.
        Event::Disconnected if !rejoined => stay(ledger, reason, Link::Down),
        Event::Reconnected => {
            ask(ledger, true, reason, until, now).after(vec![Action::Send(Frame::Close(reason))])
        }
        Event::Disconnected | Event::Restarted => go(ledger, reason, Link::Down),
        Event::ChannelClosing => go(ledger, reason, link),
        Event::ChannelFinal(record) if record.closing_at.is_some() => go(ledger, reason, link),
        Event::ChannelFinal(_) | Event::ChannelChanged { .. } => Outcome::Same,
        Event::ChannelMissing => settled(ledger, reason, link, Fate::Gone, None),
        Event::Settled { paid } => {
            ledger.settled = Some(paid);
            settled(ledger, reason, link, Fate::Gone, None)
        }
        Event::Connected { .. }
        | Event::VolumeReserved
        | Event::VolumeRefused
        | Event::Claimed { .. }
        | Event::ClaimFailed
        | Event::MachineReady { .. }
        | Event::MachineResumed
        | Event::MachineFailed
        | Event::Metered { .. }
        | Event::MachineStopped { .. }
        | Event::Stop(_)
        | Event::Leave
        | Event::SettleFailed => Outcome::Denied,
    }
}

/// An event while the chain settles.
#[allow(clippy::too_many_arguments, reason = "the fields of the state, taken apart")]
pub(super) fn settling(
    mut ledger: Ledger,
    reason: CloseReason,
    link: Link,
    fate: Fate,
    stop_until: Option<Millis>,
    event: Event,
    now: Millis,
) -> Outcome {
    let again = |ledger: Ledger, link, attempts, stop_until| {
        let action = Action::Settle(ledger.final_voucher());
        let fate = Fate::sent(now, attempts);
        Outcome::Next(State::Settling { ledger, reason, link, fate, stop_until }, vec![action])
    };
    match event {
        Event::Settled { paid } => {
            ledger.settled = Some(paid);
            settled(ledger, reason, link, Fate::Gone, stop_until)
        }
        Event::ChannelMissing => settled(ledger, reason, link, Fate::Gone, stop_until),
        Event::SettleFailed => match fate {
            Fate::Open { attempts, .. } => {
                let pays = ledger.final_voucher().is_some();
                settled(ledger, reason, link, Fate::failed(now, attempts, pays), stop_until)
            }
            Fate::Gone => Outcome::Denied,
        },
        Event::MachineStopped { .. } => settled(ledger, reason, link, fate, None),
        Event::Timer if stop_until.is_some_and(|until| until <= now) => {
            settled(ledger, reason, link, fate, None)
        }
        Event::Timer => match fate {
            Fate::Open { retry_at, attempts } if retry_at <= now => {
                again(ledger, link, attempts, stop_until)
            }
            Fate::Open { .. } | Fate::Gone => Outcome::Same,
        },
        Event::Restarted => {
            let stop_until = Some(stop_deadline(now));
            let stop = vec![Action::StopMachine];
            match fate {
                Fate::Open { .. } => again(ledger, Link::Down, 0, stop_until).after(stop),
                Fate::Gone => settled(ledger, reason, Link::Down, fate, stop_until).after(stop),
            }
        }
        // Too late to change anything: the settlement is on its way.
        Event::Received(Frame::Voucher { .. } | Frame::Close(_) | Frame::Amend(_))
        | Event::ChannelFinal(_)
        | Event::ChannelChanged { .. }
        | Event::ChannelClosing => Outcome::Same,
        Event::Received(_) | Event::Malformed => {
            let hang_up = match link {
                Link::Up => vec![Action::Disconnect],
                Link::Down => Vec::new(),
            };
            settled(ledger, reason, Link::Down, fate, stop_until).after(hang_up)
        }
        Event::Disconnected => settled(ledger, reason, Link::Down, fate, stop_until),
        Event::Connected { .. }
        | Event::Reconnected
        | Event::VolumeReserved
        | Event::VolumeRefused
        | Event::Claimed { .. }
        | Event::ClaimFailed
        | Event::MachineReady { .. }
        | Event::MachineResumed
        | Event::MachineFailed
        | Event::Metered { .. }
        | Event::Stop(_)
        | Event::Leave => Outcome::Denied,
    }
}

/// The publisher broke the protocol while the lease was ending anyway.
struct Hangup;

/// A frame that comes while the lease ends: a voucher on its way, or the publisher's own wish.
fn overheard(
    ledger: &mut Ledger,
    reason: CloseReason,
    frame: Frame,
) -> Result<CloseReason, Hangup> {
    match frame {
        Frame::Voucher { tick, voucher } => take(ledger, tick, voucher).map(|()| reason),
        Frame::Close(theirs) => Ok(merged(reason, theirs)),
        // Proposed before the publisher saw that the lease ends.
        Frame::Amend(_) => Ok(reason),
        // The channel was opened while this side gave up: it can be refunded at once.
        Frame::Opened { nonce } if ledger.channel.is_none() => {
            ledger.channel = Some(ledger.terms.channel(nonce));
            Ok(reason)
        }
        // Said once more on a new connection.
        Frame::Opened { nonce } if ledger.is_channel(nonce) => Ok(reason),
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
        | Frame::Notice(_)
        | Frame::Settled { .. }
        | Frame::Granted { .. }
        | Frame::NotAmended { .. }
        | Frame::Amended { .. } => Err(Hangup),
    }
}

fn take(ledger: &mut Ledger, tick: u32, voucher: Unverified<Voucher>) -> Result<(), Hangup> {
    ledger.accept(tick, voucher).map_err(|_| Hangup)
}
