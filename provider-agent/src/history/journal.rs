//! What a lease's driver notes while the lease runs: its events, bounded, and its last voucher.

use codec::{Decode, Encode};
use serde::{Deserialize, Serialize};
use zennet_lease::{Phase, Provider, ProviderEvent};
use zennet_primitives::{channel::Voucher, frame::Frame, pow::Role, signed::Unverified};

/// Most events of one lease. Beyond that those in the middle are left out: how a lease began and
/// how it ended tell most.
pub(crate) const MOST_EVENTS: usize = 64;

/// What happened to a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Happening {
    /// Both have signed.
    #[codec(index = 0)]
    Negotiated,
    /// The money is locked for good; the machine starts.
    #[codec(index = 1)]
    Final,
    /// The machine can be used.
    #[codec(index = 2)]
    Ready,
    /// The machine was frozen, for want of payment or of a connection.
    #[codec(index = 3)]
    Frozen,
    /// The machine runs again.
    #[codec(index = 4)]
    Thawed,
    /// The connection is lost.
    #[codec(index = 5)]
    Lost,
    /// The publisher is connected again.
    #[codec(index = 6)]
    Back,
    /// This daemon started again.
    #[codec(index = 7)]
    Restarted,
    /// The machine was found again afterwards.
    #[codec(index = 8)]
    Resumed,
    /// The machine is stopped, the last usage and voucher are exchanged.
    #[codec(index = 9)]
    Closing,
    /// The chain is asked to settle.
    #[codec(index = 10)]
    Settling,
    /// Nothing is left to do.
    #[codec(index = 11)]
    Ended,
    /// The lease has more deposit or more time.
    #[codec(index = 12)]
    Amended,
    /// The publisher was told that this host goes out of service.
    #[codec(index = 13)]
    Leaving,
}

impl Happening {
    /// As people read it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Happening::Negotiated => "both have signed the contract",
            Happening::Final => "the deposit is final, the machine starts",
            Happening::Ready => "the machine is ready",
            Happening::Frozen => "the machine was frozen",
            Happening::Thawed => "the machine runs again",
            Happening::Lost => "the connection was lost",
            Happening::Back => "the publisher is connected again",
            Happening::Restarted => "this daemon started again",
            Happening::Resumed => "the machine was found again",
            Happening::Closing => "the machine is stopped",
            Happening::Settling => "the channel is being settled",
            Happening::Ended => "the lease ended",
            Happening::Amended => "the lease has more deposit or time",
            Happening::Leaving => "the publisher was told that this host goes out of service",
        }
    }
}

/// An event with its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Unix time, milliseconds.
    pub(crate) at_ms: u64,
    pub(crate) event: Happening,
}

/// The notes of one lease. They are stored with its state.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct Journal {
    pub(crate) entries: Vec<Entry>,
    /// Events that are not among the entries.
    pub(crate) left_out: u32,
    /// Whose word ended the lease.
    pub(crate) closed_by: Option<Role>,
    /// The voucher that was accepted last: proof of what was promised.
    pub(crate) voucher: Option<Unverified<Voucher>>,
}

impl Journal {
    /// The notes after a step.
    pub(crate) fn after(
        &self,
        before: &Provider,
        next: &Provider,
        event: &ProviderEvent,
        at_ms: u64,
    ) -> Journal {
        let mut journal = self.clone();
        for event in happenings(before, next, event) {
            journal.note(Entry { at_ms, event });
        }
        if before.close_reason().is_none() && next.close_reason().is_some() {
            journal.closed_by = Some(match event {
                ProviderEvent::Received(Frame::Close(_)) => Role::Publisher,
                _ => Role::Provider,
            });
        }
        if let ProviderEvent::Received(Frame::Voucher { voucher, .. }) = event {
            if next.vouchers() > before.vouchers() {
                journal.voucher = Some(voucher.clone());
            }
        }
        journal
    }

    /// When the deposit was final, Unix time in seconds.
    pub(crate) fn final_at(&self) -> Option<u64> {
        let found = self.entries.iter().find(|entry| entry.event == Happening::Final);
        found.map(|entry| entry.at_ms / 1000)
    }

    fn note(&mut self, entry: Entry) {
        if self.entries.len() >= MOST_EVENTS {
            self.entries.remove(MOST_EVENTS / 2);
            self.left_out = self.left_out.saturating_add(1);
        }
        self.entries.push(entry);
    }
}

/// What a step of a contracted lease tells.
fn happenings(before: &Provider, next: &Provider, event: &ProviderEvent) -> Vec<Happening> {
    let mut found = Vec::new();
    if next.terms().is_none() {
        return found;
    }
    match event {
        ProviderEvent::Restarted => found.push(Happening::Restarted),
        ProviderEvent::MachineResumed => found.push(Happening::Resumed),
        ProviderEvent::MachineReady { .. }
            if before.phase() == Phase::Starting && next.leaves_machine() =>
        {
            found.push(Happening::Ready);
        }
        _ => (),
    }
    if before.leaves_at().is_none() && next.leaves_at().is_some() {
        found.push(Happening::Leaving);
    }
    let is_frozen = |machine: &Provider| machine.phase() == Phase::Serving { frozen: true };
    match (before.phase(), next.phase()) {
        (before, next) if before == next => (),
        (_, Phase::Opening) => found.push(Happening::Negotiated),
        (Phase::Opening, Phase::Starting) => found.push(Happening::Final),
        (_, Phase::Serving { .. }) if is_frozen(next) => found.push(Happening::Frozen),
        (_, Phase::Serving { .. }) if is_frozen(before) => found.push(Happening::Thawed),
        (_, Phase::Closing) => found.push(Happening::Closing),
        (_, Phase::Settling) => found.push(Happening::Settling),
        (_, Phase::Closed) => found.push(Happening::Ended),
        _ => (),
    }
    if before.scope().is_some() && before.scope() != next.scope() {
        found.push(Happening::Amended);
    }
    match (before.wants_connection(), next.wants_connection()) {
        (false, true) => found.push(Happening::Lost),
        (true, false) if matches!(event, ProviderEvent::Reconnected) => {
            found.push(Happening::Back);
        }
        _ => (),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_and_those_in_the_middle_are_left_out() {
        let mut journal = Journal::default();
        let most = MOST_EVENTS as u64;
        for at_ms in 0..most + 10 {
            journal.note(Entry { at_ms, event: Happening::Frozen });
        }
        let times: Vec<u64> = journal.entries.iter().map(|entry| entry.at_ms).collect();
        assert_eq!((times.len(), journal.left_out), (MOST_EVENTS, 10));
        assert_eq!((times[0], times[MOST_EVENTS / 2 - 1]), (0, most / 2 - 1));
        assert_eq!((times[MOST_EVENTS / 2], times[MOST_EVENTS - 1]), (most / 2 + 10, most + 9));
        assert!(journal.encoded_size() < 1024, "it is stored each tick");
    }
}
