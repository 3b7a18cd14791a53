//! The running machine: ticks, vouchers, freezing and thawing.

use zennet_primitives::{
    channel::Voucher,
    close::CloseReason,
    frame::{Frame, Notice},
    record::ChannelRecord,
    signed::Unverified,
    usage::Usage,
};

use super::{
    amending,
    closing::{break_off, cut_short, lost_on_chain, wind_up_served, Tell},
    ledger::Ledger,
    resuming,
    state::{Link, Reading, Serving, State, Unpaid},
    Outcome, ProviderAction as Action, ProviderEvent as Event, ProviderSetup,
};
use crate::Millis;

/// An event while the machine runs.
pub(super) fn serve(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    mut serving: Serving,
    event: Event,
    now: Millis,
) -> Outcome {
    let tell = serving.link().tell();
    match event {
        Event::Received(Frame::Voucher { tick, voucher }) => {
            receive(setup, ledger, serving, tick, voucher, now)
        }
        Event::Received(Frame::Close(reason)) => wind_up_served(ledger, reason, Tell::Nobody, now),
        // Said once more by a publisher that has not heard of the machine yet.
        Event::Received(Frame::Opened { nonce }) if ledger.is_channel(nonce) => Outcome::Same,
        Event::Received(Frame::Amend(proposal)) => {
            amending::proposed(setup, ledger, serving, proposal, now)
        }
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
            | Frame::Notice(_)
            | Frame::Settled { .. }
            | Frame::Granted { .. }
            | Frame::NotAmended { .. }
            | Frame::Amended { .. },
        )
        | Event::Malformed => break_off(ledger, now),
        Event::Metered { tick, usage } => metered(ledger, serving, tick, &usage, now),
        Event::Timer => timer(setup, ledger, serving, now),
        Event::Disconnected => {
            serving.lost.get_or_insert(now);
            Outcome::Next(State::Serving { ledger, serving }, Vec::new())
        }
        Event::Reconnected => reconnected(ledger, serving, now),
        Event::ChannelFinal(record) => match record.closing_at {
            Some(_) => cut_short(ledger, CloseReason::ChannelClosing, tell, now),
            None => Outcome::Same,
        },
        Event::ChannelChanged { record, lasts_ms } => {
            channel_changed(ledger, serving, &record, lasts_ms, now)
        }
        Event::ChannelClosing => cut_short(ledger, CloseReason::ChannelClosing, tell, now),
        Event::ChannelMissing => lost_on_chain(ledger, None, serving.link(), now),
        Event::Settled { paid } => lost_on_chain(ledger, Some(paid), serving.link(), now),
        Event::MachineFailed => wind_up_served(ledger, CloseReason::MachineFailed, tell, now),
        Event::Stop(reason) => {
            let reason = serving.parting(&ledger, reason, now);
            wind_up_served(ledger, reason, tell, now)
        }
        Event::Leave => leave(ledger, serving, now),
        Event::Restarted => resuming::begin(setup, ledger, serving, now),
        Event::Claimed { paid } => {
            ledger.claimed(paid);
            // More may have been paid meanwhile.
            let claim = ledger.claim(setup.limits.claim_threshold, now).map(Action::Claim);
            Outcome::Next(State::Serving { ledger, serving }, claim.into_iter().collect())
        }
        Event::ClaimFailed => {
            ledger.claim_failed(now);
            Outcome::Next(State::Serving { ledger, serving }, Vec::new())
        }
        Event::Connected { .. }
        | Event::VolumeReserved
        | Event::VolumeRefused
        | Event::MachineReady { .. }
        | Event::MachineResumed
        | Event::MachineStopped { .. }
        | Event::SettleFailed => Outcome::Denied,
    }
}

impl Serving {
    pub(super) fn link(&self) -> Link {
        match self.lost {
            None => Link::Up,
            Some(_) => Link::Down,
        }
    }

    /// Whether the machine may not run as things stand.
    fn must_freeze(&self, ledger: &Ledger, now: Millis) -> bool {
        let quote = &ledger.terms.quote;
        ledger.exposure() > quote.max_exposure
            || self.patience_ends(quote.grace_ms).is_some_and(|end| end <= now)
    }

    /// Freezes or thaws the machine where its state is not what it should be.
    fn settle_state(&mut self, ledger: &Ledger, now: Millis, actions: &mut Vec<Action>) {
        let notice = match (self.frozen, self.must_freeze(ledger, now)) {
            (None, true) => {
                self.frozen = Some(now);
                actions.push(Action::Freeze);
                Notice::Frozen { due: ledger.due(true) }
            }
            (Some(_), false) => {
                self.frozen = None;
                actions.push(Action::Thaw);
                Notice::Thawed
            }
            (None, false) | (Some(_), true) => return,
        };
        if self.lost.is_none() {
            actions.push(Action::Send(Frame::Notice(notice)));
        }
    }
}

/// The publisher is told when the lease ends, once; what is said on a new connection repeats it.
fn leave(ledger: Ledger, mut serving: Serving, now: Millis) -> Outcome {
    if serving.leaves_at.is_some() {
        return Outcome::Same;
    }
    serving.give_notice(&ledger, now);
    let actions = match serving.link() {
        Link::Up => serving.notice(&ledger, now).map(Action::Send).into_iter().collect(),
        Link::Down => Vec::new(),
    };
    Outcome::Next(State::Serving { ledger, serving }, actions)
}

/// The channel has more in it, or lasts longer, for good.
fn channel_changed(
    mut ledger: Ledger,
    serving: Serving,
    record: &ChannelRecord<u32>,
    lasts_ms: Millis,
    now: Millis,
) -> Outcome {
    match amending::seen(&mut ledger, &serving, record, lasts_ms, now) {
        Some(actions) => Outcome::Next(State::Serving { ledger, serving }, actions),
        None => Outcome::Same,
    }
}

/// The publisher is there again: it hears where the machine stands, and pays by the next reading.
fn reconnected(ledger: Ledger, mut serving: Serving, now: Millis) -> Outcome {
    serving.lost = None;
    serving.proposed = 0;
    serving.next_tick = now;
    let baseline = ledger.baseline.unwrap_or_default();
    let mut actions = vec![Action::Send(Frame::Ready { baseline })];
    if serving.frozen.is_some() {
        // It has its whole time to pay, from now on.
        serving.frozen = Some(now);
        actions.push(Action::Send(Frame::Notice(Notice::Frozen { due: ledger.due(true) })));
    }
    actions.extend(serving.notice(&ledger, now).map(Action::Send));
    Outcome::Next(State::Serving { ledger, serving }, actions)
}

fn receive(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    mut serving: Serving,
    tick: u32,
    voucher: Unverified<Voucher>,
    now: Millis,
) -> Outcome {
    if ledger.accept(tick, voucher).is_err() {
        return break_off(ledger, now);
    }
    serving.unpaid.retain(|unpaid| unpaid.due > ledger.paid);
    let mut actions = Vec::new();
    serving.settle_state(&ledger, now, &mut actions);
    actions.extend(ledger.claim(setup.limits.claim_threshold, now).map(Action::Claim));
    Outcome::Next(State::Serving { ledger, serving }, actions)
}

fn metered(
    mut ledger: Ledger,
    mut serving: Serving,
    tick: u32,
    usage: &Usage,
    now: Millis,
) -> Outcome {
    if serving.reading.is_none_or(|reading| reading.tick != tick) {
        return Outcome::Denied;
    }
    serving.reading = None;
    ledger.read(usage, now);
    let mut actions = Vec::new();
    // A number that nobody was told is used again, so that numbers never run ahead of the clock.
    if serving.lost.is_none() {
        ledger.tick = tick;
        actions.push(Action::Send(Frame::Usage { tick, usage: ledger.latest, last: false }));
    }
    if ledger.price() >= ledger.scope.deposit {
        let tell = serving.link().tell();
        return wind_up_served(ledger, CloseReason::DepositSpent, tell, now).after(actions);
    }
    let due = ledger.due(true);
    // A frozen machine waits for all that is due, so its debt has one age.
    let oldest = serving.unpaid.last().map_or(ledger.paid, |unpaid| unpaid.due.max(ledger.paid));
    if due > oldest {
        match (serving.frozen, serving.unpaid.last_mut()) {
            (Some(_), Some(last)) => last.due = due,
            (Some(_) | None, _) => serving.unpaid.push(Unpaid { due, since: now }),
        }
    }
    serving.settle_state(&ledger, now, &mut actions);
    Outcome::Next(State::Serving { ledger, serving }, actions)
}

fn timer(setup: &ProviderSetup, mut ledger: Ledger, mut serving: Serving, now: Millis) -> Outcome {
    let tell = serving.link().tell();
    let end = |ledger, reason| wind_up_served(ledger, reason, tell, now);
    if serving.lease_ends(ledger.scope.lease_secs) <= now {
        return end(ledger, CloseReason::LeaseTimeOver);
    }
    if serving.leaves_at.is_some_and(|leaves_at| leaves_at <= now) {
        return end(ledger, CloseReason::ProviderLeaves);
    }
    if let Some(since) = serving.frozen {
        if since.saturating_add(serving.endures_ms(&setup.limits)) <= now {
            let reason = match serving.lost {
                Some(_) => CloseReason::ConnectionLost,
                None => CloseReason::NotPaid,
            };
            return end(ledger, reason);
        }
    }
    let mut actions = Vec::new();
    serving.settle_state(&ledger, now, &mut actions);
    actions.extend(ledger.claim(setup.limits.claim_threshold, now).map(Action::Claim));
    match serving.reading {
        Some(reading) if reading.until <= now => return end(ledger, CloseReason::MachineFailed),
        Some(_) => {}
        None if serving.next_tick <= now => {
            let Some(tick) = ledger.tick.checked_add(1) else {
                return end(ledger, CloseReason::LeaseTimeOver);
            };
            let until = now.saturating_add(setup.limits.start_ms.into());
            serving.reading = Some(Reading { tick, until });
            let tick_ms = u64::from(ledger.terms.quote.tick_ms);
            let on_time = serving.next_tick.saturating_add(tick_ms);
            serving.next_tick = if on_time > now { on_time } else { now.saturating_add(tick_ms) };
            actions.push(Action::ReadUsage { tick });
        }
        None => {}
    }
    Outcome::Next(State::Serving { ledger, serving }, actions)
}
