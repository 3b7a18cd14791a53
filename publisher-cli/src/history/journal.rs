//! What a lease's driver notes while the lease runs: its events, bounded.

use codec::{Decode, Encode};
use serde::{Deserialize, Serialize};
use zennet_primitives::{frame::Notice, pow::Role};

use crate::lease::status::What;

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
    /// The channel is in a block.
    #[codec(index = 1)]
    Opened,
    /// That block is final.
    #[codec(index = 2)]
    Final,
    /// The machine can be logged in to.
    #[codec(index = 3)]
    Ready,
    /// The machine was frozen.
    #[codec(index = 4)]
    Frozen,
    /// The machine runs again.
    #[codec(index = 5)]
    Thawed,
    /// The connection is lost.
    #[codec(index = 6)]
    Lost,
    /// The provider is connected again.
    #[codec(index = 7)]
    Back,
    /// The chain is asked to close the channel.
    #[codec(index = 8)]
    Reclaiming,
    /// Another run went on with the lease, or settled it.
    #[codec(index = 9)]
    Restarted,
    /// Nothing is left to do.
    #[codec(index = 10)]
    Ended,
    /// The lease has more deposit or more time.
    #[codec(index = 11)]
    Amended,
    /// It did not get what was asked for.
    #[codec(index = 12)]
    NotAmended,
    /// The provider said that it goes out of service.
    #[codec(index = 13)]
    Leaving,
}

impl Happening {
    /// As people read it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Happening::Negotiated => "both have signed the contract",
            Happening::Opened => "the channel is in a block",
            Happening::Final => "the deposit is final",
            Happening::Ready => "the machine is ready",
            Happening::Frozen => "the machine was frozen",
            Happening::Thawed => "the machine runs again",
            Happening::Lost => "the connection was lost",
            Happening::Back => "the provider is connected again",
            Happening::Reclaiming => "the chain is asked to close the channel",
            Happening::Restarted => "another run took the lease over",
            Happening::Ended => "the lease ended",
            Happening::Amended => "the lease has more deposit or time",
            Happening::NotAmended => "the lease did not get more deposit or time",
            Happening::Leaving => "the provider said that it goes out of service",
        }
    }

    /// What of a driver's news is kept.
    fn of(what: &What) -> Option<Happening> {
        match what {
            // The end is noted when it is stored.
            What::Waiting
            | What::TooDear { .. }
            | What::TooUnsure { .. }
            | What::Disagreed(_)
            | What::NoCoin(_)
            | What::Ended => None,
            What::Negotiated => Some(Happening::Negotiated),
            What::Opened(_) => Some(Happening::Opened),
            What::Final => Some(Happening::Final),
            What::Ready => Some(Happening::Ready),
            What::Changed(Notice::Frozen { .. }) => Some(Happening::Frozen),
            What::Changed(Notice::Thawed) => Some(Happening::Thawed),
            What::Changed(Notice::Leaving { .. }) => Some(Happening::Leaving),
            What::Amended(_) => Some(Happening::Amended),
            What::NotAmended(_) => Some(Happening::NotAmended),
            What::Lost => Some(Happening::Lost),
            What::Back => Some(Happening::Back),
            What::Reclaiming => Some(Happening::Reclaiming),
        }
    }
}

/// An event with its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Unix time, milliseconds.
    pub(crate) at_ms: u64,
    /// What happened.
    pub(crate) event: Happening,
}

/// The notes of one lease. They are stored with it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct Journal {
    /// In the order of their times.
    pub(crate) entries: Vec<Entry>,
    /// Events that are not among them.
    pub(crate) left_out: u32,
    /// Whose word ended the lease.
    pub(crate) closed_by: Option<Role>,
}

impl Journal {
    /// Notes what a driver tells, if it is of a kind that is kept.
    pub(crate) fn hear(&mut self, what: &What) {
        if let Some(event) = Happening::of(what) {
            self.note(event);
        }
    }

    /// Notes an event that happens now.
    pub(crate) fn note(&mut self, event: Happening) {
        self.note_at(event, zennet_time::unix_ms());
    }

    pub(crate) fn note_at(&mut self, event: Happening, at_ms: u64) {
        if self.entries.len() >= MOST_EVENTS {
            self.entries.remove(MOST_EVENTS / 2);
            self.left_out = self.left_out.saturating_add(1);
        }
        self.entries.push(Entry { at_ms, event });
    }

    /// Whether this program was away, and the provider never came back to it.
    pub(crate) fn own_absence(&self) -> bool {
        let mut told = self.entries.iter().rev().map(|entry| entry.event);
        let last = told.find(|e| matches!(e, Happening::Restarted | Happening::Back));
        last == Some(Happening::Restarted)
    }

    /// When the machine could first be used, Unix time in seconds.
    pub(crate) fn ready_at(&self) -> Option<u64> {
        let ready = self.entries.iter().find(|entry| entry.event == Happening::Ready);
        ready.map(|entry| entry.at_ms / 1000)
    }

    /// When the lease ended, Unix time in seconds.
    pub(crate) fn ended_at(&self) -> Option<u64> {
        let ended = self.entries.iter().rev().find(|entry| entry.event == Happening::Ended);
        ended.map(|entry| entry.at_ms / 1000)
    }

    /// Time that the machine could be used.
    pub(crate) fn secs(&self) -> u64 {
        let times = self.ready_at().zip(self.ended_at());
        times.map_or(0, |(ready, ended)| ended.saturating_sub(ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_and_those_in_the_middle_are_left_out() {
        let mut journal = Journal::default();
        let most = MOST_EVENTS as u64;
        for at_ms in 0..most + 10 {
            journal.note_at(Happening::Frozen, at_ms);
        }
        let times: Vec<u64> = journal.entries.iter().map(|entry| entry.at_ms).collect();
        assert_eq!((times.len(), journal.left_out), (MOST_EVENTS, 10));
        assert_eq!((times[0], times[MOST_EVENTS / 2 - 1]), (0, most / 2 - 1));
        assert_eq!((times[MOST_EVENTS / 2], times[MOST_EVENTS - 1]), (most / 2 + 10, most + 9));
    }

    #[test]
    fn a_run_that_died_was_away_until_the_provider_is_back() {
        let mut journal = Journal::default();
        journal.note(Happening::Lost);
        assert!(!journal.own_absence());
        journal.note(Happening::Restarted);
        journal.note(Happening::Lost);
        assert!(journal.own_absence());
        journal.note(Happening::Back);
        assert!(!journal.own_absence());
    }

    #[test]
    fn a_machine_that_was_never_ready_was_used_for_no_time() {
        let mut journal = Journal::default();
        journal.note_at(Happening::Ended, 9_000);
        assert_eq!((journal.secs(), journal.ended_at()), (0, Some(9)));
        let mut used = Journal::default();
        used.note_at(Happening::Ready, 2_500);
        used.note_at(Happening::Ended, 9_000);
        assert_eq!(used.secs(), 7);
    }
}
