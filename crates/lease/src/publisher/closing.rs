//! The ways out of a contract: pay what is owed, then let the provider settle, or have the chain
//! close the channel where the provider does not.

use zennet_primitives::{amount::Balance, close::CloseReason, frame::Frame};

use super::{
    ledger::{Ledger, Report},
    state::{retry_at, Link, State},
    Outcome, PublisherAction as Action, PublisherEvent as Event, PublisherSetup,
};
use crate::{meeting::merged, Millis};

/// Who has to learn of the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tell {
    /// The provider does not know yet.
    Peer,
    /// The provider began it.
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

    /// The same, when the provider knows already.
    fn over(self) -> Tell {
        match self {
            Link::Up => Tell::Nobody,
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

    /// What is said last on a connection that is given up.
    pub(super) fn last_words(self, reason: CloseReason) -> Vec<Action> {
        let mut actions = self.actions(reason);
        match self {
            Tell::Peer | Tell::Nobody => actions.push(Action::Disconnect),
            Tell::Lost => {}
        }
        actions
    }
}

/// Whether a provider is paid for keeping the volume of a lease that ends so.
fn earns_retention(reason: CloseReason) -> bool {
    !matches!(
        reason,
        CloseReason::MachineFailed
            | CloseReason::NoticeBroken
            | CloseReason::UsageDisagreement
            | CloseReason::ProtocolViolation
    )
}

/// Gives up while the transaction that opens the channel is on its way.
pub(super) fn abandon(ledger: Ledger, reason: CloseReason, tell: Tell) -> Outcome {
    Outcome::Next(State::Abandoned { ledger, reason }, tell.last_words(reason))
}

/// Gives up a provider that broke the protocol or is gone: the chain returns the deposit.
pub(super) fn forsake(
    setup: &PublisherSetup,
    ledger: Ledger,
    reason: CloseReason,
    tell: Tell,
    now: Millis,
) -> Outcome {
    reclaim(setup, ledger, reason, 0, now).after(tell.last_words(reason))
}

/// Ends a lease in order: the provider sends its last usage and settles.
pub(super) fn hand_over(
    setup: &PublisherSetup,
    ledger: Ledger,
    reason: CloseReason,
    tell: Tell,
    now: Millis,
) -> Outcome {
    let until = now.saturating_add(setup.limits.settle_ms.into());
    let next = match ledger.meter {
        Some(_) => State::Closing { ledger, reason, link: tell.link(), until },
        None => State::Settling { ledger, reason, link: tell.link(), until },
    };
    Outcome::Next(next, tell.actions(reason))
}

fn reclaim(
    setup: &PublisherSetup,
    ledger: Ledger,
    reason: CloseReason,
    attempts: u32,
    now: Millis,
) -> Outcome {
    let actions = ledger.channel.map(Action::RequestClose).into_iter().collect();
    let retry_at = retry_at(&setup.limits, attempts, now);
    let attempts = attempts.saturating_add(1);
    Outcome::Next(State::Reclaiming { ledger, reason, attempts, retry_at }, actions)
}

/// The chain has settled: nothing is left to do.
pub(super) fn settled(
    mut ledger: Ledger,
    reason: CloseReason,
    paid: Balance,
    tell: Tell,
) -> Outcome {
    ledger.settled = Some(paid);
    let mut actions = tell.last_words(reason);
    actions.push(Action::Finished(reason));
    Outcome::Next(State::Ended { ledger: Some(ledger), reason }, actions)
}

/// An event while the last usage is awaited.
pub(super) fn closing(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    reason: CloseReason,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    let wait = |ledger, link| {
        let until = now.saturating_add(setup.limits.settle_ms.into());
        Outcome::Next(State::Settling { ledger, reason, link, until }, Vec::new())
    };
    match event {
        Event::Received(Frame::Usage { tick, usage, last }) => {
            let report = Report { tick, usage, last };
            let keeps = earns_retention(reason);
            let (Ok(voucher), Some(context)) = (ledger.pay(&report, keeps, now), ledger.channel)
            else {
                return forsake(setup, ledger, reason, Tell::Nobody, now);
            };
            let pay = vec![Action::SendVoucher { tick, voucher, context }];
            if last {
                wait(ledger, Link::Up).after(pay)
            } else {
                Outcome::Next(State::Closing { ledger, reason, link, until }, pay)
            }
        }
        Event::Received(Frame::Close(theirs)) => {
            let reason = merged(reason, theirs);
            Outcome::Next(State::Closing { ledger, reason, link, until }, Vec::new())
        }
        // The last voucher may be above what held before.
        Event::Received(Frame::Amended { number }) => match ledger.amending.counted(number) {
            Ok(_) => Outcome::Next(State::Closing { ledger, reason, link, until }, Vec::new()),
            Err(_) => forsake(setup, ledger, reason, Tell::Nobody, now),
        },
        Event::DropVolume => {
            ledger.keeps_volume = false;
            Outcome::Next(State::Closing { ledger, reason, link, until }, Vec::new())
        }
        Event::Funded => {
            ledger.amending.funded();
            Outcome::Next(State::Closing { ledger, reason, link, until }, Vec::new())
        }
        // Sent before the provider saw that the lease ends.
        Event::Received(
            Frame::Notice(_)
            | Frame::Ready { .. }
            | Frame::Granted { .. }
            | Frame::NotAmended { .. },
        )
        | Event::FundFailed => Outcome::Same,
        // Its settlement went into a block before the last usage was asked for.
        Event::Received(Frame::Settled { .. }) => wait(ledger, Link::Up),
        Event::Received(
            Frame::Hello(_)
            | Frame::Auth(_)
            | Frame::Offer(_)
            | Frame::Quote(_)
            | Frame::Counter(_)
            | Frame::Contract(_)
            | Frame::Countersign(_)
            | Frame::Opened { .. }
            | Frame::Voucher { .. }
            | Frame::Amend(_),
        )
        | Event::Malformed => forsake(setup, ledger, reason, Tell::Nobody, now),
        Event::OwnUsage { usage, at_ms } => {
            if let Some(meter) = &mut ledger.meter {
                meter.agreement.read(usage, at_ms, now);
            }
            Outcome::Next(State::Closing { ledger, reason, link, until }, Vec::new())
        }
        Event::Timer if now >= until => forsake(setup, ledger, reason, link.over(), now),
        Event::GiveUp => forsake(setup, ledger, reason, link.over(), now),
        Event::Timer | Event::ChannelClosing => Outcome::Same,
        // The provider may come back for the last voucher.
        Event::Disconnected => {
            Outcome::Next(State::Closing { ledger, reason, link: Link::Down, until }, Vec::new())
        }
        Event::Reconnected => {
            ledger.reunite();
            let again = Action::Send(Frame::Close(reason));
            Outcome::Next(State::Closing { ledger, reason, link: Link::Up, until }, vec![again])
        }
        Event::Restarted => forsake(setup, ledger, reason, Tell::Lost, now),
        Event::Settled { paid } => settled(ledger, reason, paid, link.over()),
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed
        | Event::Extend { .. }
        | Event::Stop(_) => Outcome::Denied,
    }
}

/// An event while the provider settles.
pub(super) fn settling(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    reason: CloseReason,
    link: Link,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    let tell = link.over();
    match event {
        Event::Settled { paid } => settled(ledger, reason, paid, tell),
        Event::Timer if now >= until => forsake(setup, ledger, reason, tell, now),
        Event::GiveUp => forsake(setup, ledger, reason, tell, now),
        Event::Restarted => forsake(setup, ledger, reason, Tell::Lost, now),
        Event::Received(Frame::Close(theirs)) => {
            let reason = merged(reason, theirs);
            Outcome::Next(State::Settling { ledger, reason, link, until }, Vec::new())
        }
        Event::Disconnected => {
            let link = Link::Down;
            Outcome::Next(State::Settling { ledger, reason, link, until }, Vec::new())
        }
        Event::Reconnected => {
            ledger.reunite();
            let again = vec![Action::Send(Frame::Close(reason))];
            let link = Link::Up;
            Outcome::Next(State::Settling { ledger, reason, link, until }, again)
        }
        // The last voucher may be lost with the connection that it was sent on.
        Event::Received(Frame::Usage { tick, usage, last: true }) => {
            let report = Report { tick, usage, last: true };
            let (Ok(voucher), Some(context)) =
                (ledger.pay(&report, earns_retention(reason), now), ledger.channel)
            else {
                return Outcome::Same;
            };
            let pay = vec![Action::SendVoucher { tick, voucher, context }];
            Outcome::Next(State::Settling { ledger, reason, link, until }, pay)
        }
        // Only the chain's word counts now.
        Event::Received(_)
        | Event::Malformed
        | Event::Timer
        | Event::ChannelClosing
        | Event::Funded
        | Event::FundFailed
        | Event::OwnUsage { .. } => Outcome::Same,
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed
        | Event::Extend { .. }
        | Event::DropVolume
        | Event::Stop(_) => Outcome::Denied,
    }
}

/// An event after the end, while the channel may still be opened.
pub(super) fn abandoned(
    setup: &PublisherSetup,
    mut ledger: Ledger,
    reason: CloseReason,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::ChannelOpened { nonce } => {
            ledger.channel = Some(ledger.terms.channel(nonce));
            reclaim(setup, ledger, reason, 0, now)
        }
        Event::OpenFailed => Outcome::Next(
            State::Ended { ledger: Some(ledger), reason },
            vec![Action::Finished(reason)],
        ),
        Event::Reconnected => {
            Outcome::Next(State::Abandoned { ledger, reason }, Tell::Peer.last_words(reason))
        }
        Event::Received(_)
        | Event::Malformed
        | Event::Disconnected
        | Event::GiveUp
        | Event::Timer
        | Event::Restarted => Outcome::Same,
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::OwnUsage { .. }
        | Event::Extend { .. }
        | Event::DropVolume
        | Event::Funded
        | Event::FundFailed
        | Event::Stop(_)
        | Event::Settled { .. }
        | Event::ChannelClosing => Outcome::Denied,
    }
}

/// An event while the chain closes the channel.
pub(super) fn reclaiming(
    setup: &PublisherSetup,
    ledger: Ledger,
    reason: CloseReason,
    attempts: u32,
    due: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::Settled { paid } => settled(ledger, reason, paid, Tell::Lost),
        Event::Timer if now >= due => reclaim(setup, ledger, reason, attempts, now),
        Event::Restarted => reclaim(setup, ledger, reason, 0, now),
        // It is told, so that it settles at once and the challenge need not be waited for.
        Event::Reconnected => {
            let next = State::Reclaiming { ledger, reason, attempts, retry_at: due };
            Outcome::Next(next, Tell::Peer.last_words(reason))
        }
        Event::Received(_)
        | Event::Malformed
        | Event::Disconnected
        | Event::GiveUp
        | Event::Timer
        | Event::ChannelClosing
        | Event::Funded
        | Event::FundFailed
        | Event::OwnUsage { .. } => Outcome::Same,
        Event::Connected { .. }
        | Event::IdentityChecked { .. }
        | Event::ChannelOpened { .. }
        | Event::OpenFailed
        | Event::Extend { .. }
        | Event::DropVolume
        | Event::Stop(_) => Outcome::Denied,
    }
}
