//! From the store back to the running machine.

use zennet_primitives::close::CloseReason;

use super::{
    amending,
    closing::{cut_short, lost_on_chain, wind_up_served},
    ledger::Ledger,
    state::{Serving, State, Unpaid},
    Outcome, ProviderAction as Action, ProviderEvent as Event, ProviderSetup,
};
use crate::Millis;

/// A value that served was loaded: its machine is looked for.
pub(super) fn begin(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    mut serving: Serving,
    now: Millis,
) -> Outcome {
    let tick_ms = Millis::from(ledger.terms.quote.tick_ms);
    // Of a clock that was set back between the two runs only the passed time is believed.
    let seen = serving.next_tick.saturating_sub(tick_ms);
    serving.started = serving.started.saturating_sub(seen.saturating_sub(now));
    serving.next_tick = now.saturating_add(tick_ms);
    serving.reading = None;
    ledger.volume_until = now;
    ledger.forget_claim();
    serving.lost = Some(now);
    serving.frozen = serving.frozen.map(|_| now);
    // Nobody could pay while nobody asked.
    let due = ledger.due(true);
    serving.unpaid = if due > ledger.paid { vec![Unpaid { due, since: now }] } else { Vec::new() };
    let mut actions = vec![Action::ResumeMachine(ledger.terms.clone())];
    actions.extend(ledger.channel.map(Action::WatchOpenChannel));
    let until = now.saturating_add(setup.limits.start_ms.into());
    Outcome::Next(State::Resuming { ledger, serving, until }, actions)
}

/// An event until the machine is found.
pub(super) fn resume(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    mut serving: Serving,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    let link = serving.link();
    let end = |ledger, reason| wind_up_served(ledger, reason, link.tell(), now);
    match event {
        Event::MachineResumed => {
            // Whichever it was when it was left: this is what it has to be.
            let state = match serving.frozen {
                Some(_) => Action::Freeze,
                None => Action::Thaw,
            };
            serving.next_tick = now;
            Outcome::Next(State::Serving { ledger, serving }, vec![state])
        }
        Event::MachineFailed => end(ledger, CloseReason::MachineFailed),
        Event::Timer if now >= until => end(ledger, CloseReason::MachineFailed),
        Event::Timer => Outcome::Same,
        Event::Stop(reason) => {
            let reason = serving.parting(&ledger, reason, now);
            end(ledger, reason)
        }
        Event::Leave => {
            serving.give_notice(&ledger, now);
            Outcome::Next(State::Resuming { ledger, serving, until }, Vec::new())
        }
        Event::ChannelChanged { record, lasts_ms } => {
            match amending::seen(&mut ledger, &serving, &record, lasts_ms, now) {
                Some(actions) => Outcome::Next(State::Resuming { ledger, serving, until }, actions),
                None => Outcome::Same,
            }
        }
        Event::ChannelClosing => cut_short(ledger, CloseReason::ChannelClosing, link.tell(), now),
        Event::ChannelMissing => lost_on_chain(ledger, None, link, now),
        Event::Settled { paid } => lost_on_chain(ledger, Some(paid), link, now),
        // It crashed before it could ask for the machine.
        Event::Restarted => begin(setup, ledger, serving, now),
        // The connection is asked for only when the machine is there.
        Event::Connected { .. }
        | Event::Reconnected
        | Event::Received(_)
        | Event::Malformed
        | Event::Disconnected
        | Event::ChannelFinal(_)
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
