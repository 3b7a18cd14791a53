//! The states of a provider, and when each of them runs out of time.

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Balance,
    auth::Challenge,
    close::CloseReason,
    contract::{Quote, Terms},
    frame::{Frame, Notice},
};

use super::{ledger::Ledger, ProviderLimits};
use crate::{meeting::Meeting, Millis, Phase};

/// Longest that the end of a machine is waited for.
const STOP_MS: u64 = 60_000;

/// Longest that an outcome is waited for before it is asked for again: a claim is made anew then, a
/// settlement that is under way goes on.
const SETTLE_MS: u64 = 120_000;

/// First and longest pause before a failed settlement is sent again.
const BACK_OFF_MS: (u64, u64) = (1_000, 60_000);

/// How often a settlement that pays nothing is tried: it only returns the deposit early.
const UNPAID_ATTEMPTS: u32 = 6;

/// Whether anything can still be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) enum Link {
    Up,
    Down,
}

/// Whether the last usage of a lease that ends is shown to the publisher, which pays it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) enum Farewell {
    /// No: the machine never ran, or the publisher broke the protocol or stayed away.
    None,
    /// Yes, also on a new connection should this one break.
    Wanted,
    /// Yes, on the connection that was built anew; there is no other one after it.
    Rejoined,
}

/// A meeting before the contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[allow(clippy::large_enum_variant, reason = "one value a meeting, and short-lived")]
pub(super) enum Stage {
    /// Own hello is sent.
    Greeting { meeting: Meeting },
    /// Own proof is sent.
    Proving { meeting: Meeting, theirs: Challenge },
    /// A quote is sent, the `rounds`-th one.
    Quoting { quote: Quote, rounds: u8 },
    /// The publisher has signed; the volume of these terms is being reserved.
    Reserving { terms: Terms },
}

/// A tick whose voucher is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Unpaid {
    pub(super) due: Balance,
    pub(super) since: Millis,
}

/// A reading of the counters that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Reading {
    pub(super) tick: u32,
    pub(super) until: Millis,
}

/// What only a running machine has.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Serving {
    pub(super) started: Millis,
    pub(super) next_tick: Millis,
    pub(super) reading: Option<Reading>,
    /// Ticks that are not covered, oldest first. No more than fit into the grace, since a frozen
    /// machine adds none.
    pub(super) unpaid: Vec<Unpaid>,
    pub(super) frozen: Option<Millis>,
    pub(super) lost: Option<Millis>,
    /// Highest number of an amendment that was proposed on this connection.
    pub(super) proposed: u16,
    /// When the lease ends since the provider goes out of service.
    pub(super) leaves_at: Option<Millis>,
    /// Whether the publisher has been told so.
    pub(super) noticed: bool,
}

impl Serving {
    /// When the oldest debt, or the loss of the connection, has lasted for the grace.
    pub(super) fn patience_ends(&self, grace_ms: u32) -> Option<Millis> {
        let oldest = self.unpaid.first().map(|unpaid| unpaid.since);
        let first = [oldest, self.lost].into_iter().flatten().min()?;
        Some(first.saturating_add(grace_ms.into()))
    }

    /// How long a frozen machine waits.
    pub(super) fn endures_ms(&self, limits: &ProviderLimits) -> Millis {
        match self.lost {
            Some(_) => limits.reconnect_ms.into(),
            None => limits.stop_after_ms.into(),
        }
    }

    /// Promises to end the lease when the agreed notice has passed; only the first promise counts.
    pub(super) fn give_notice(&mut self, ledger: &Ledger, now: Millis) {
        let notice_ms = Millis::from(ledger.terms.quote.notice_secs) * 1000;
        self.leaves_at.get_or_insert(now.saturating_add(notice_ms));
    }

    /// What is said of that promise. The time counts from when it is said first.
    pub(super) fn notice(&mut self, ledger: &Ledger, now: Millis) -> Option<Frame> {
        if self.leaves_at.is_some() && !std::mem::replace(&mut self.noticed, true) {
            self.leaves_at = None;
            self.give_notice(ledger, now);
        }
        let left_ms = self.leaves_at?.saturating_sub(now);
        let in_secs = u32::try_from(left_ms / 1000).unwrap_or(u32::MAX);
        Some(Frame::Notice(Notice::Leaving { in_secs }))
    }

    /// The reason of an end that the operator wants now.
    pub(super) fn parting(&self, ledger: &Ledger, reason: CloseReason, now: Millis) -> CloseReason {
        let is_due = ledger.terms.quote.notice_secs == 0
            || self.leaves_at.is_some_and(|leaves_at| leaves_at <= now);
        match reason {
            CloseReason::ProviderLeaves if !is_due => CloseReason::NoticeBroken,
            reason => reason,
        }
    }

    pub(super) fn lease_ends(&self, lease_secs: u32) -> Millis {
        self.started.saturating_add(u64::from(lease_secs) * 1000)
    }
}

/// What has become of the channel on chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) enum Fate {
    /// A settlement is under way until this time, or fails and is sent again at this time.
    Open { retry_at: Millis, attempts: u32 },
    /// It is gone, or nothing can be got from it.
    Gone,
}

impl Fate {
    /// A settlement has just been sent.
    pub(super) fn sent(now: Millis, attempts: u32) -> Self {
        Fate::Open { retry_at: now.saturating_add(SETTLE_MS), attempts }
    }

    /// The settlement failed.
    pub(super) fn failed(now: Millis, attempts: u32, pays: bool) -> Self {
        let attempts = attempts.saturating_add(1);
        if !pays && attempts >= UNPAID_ATTEMPTS {
            return Fate::Gone;
        }
        Fate::Open { retry_at: now.saturating_add(back_off(attempts)), attempts }
    }
}

/// The pause after so many attempts to get a transaction into a block.
fn back_off(attempts: u32) -> Millis {
    let (first, longest) = BACK_OFF_MS;
    first.saturating_mul(1 << attempts.min(16)).min(longest)
}

/// A claim while the lease runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Claim {
    /// It is under way until this time, or has failed and is made again at this time.
    pub(super) retry_at: Millis,
    /// How many have failed in a row.
    pub(super) attempts: u32,
}

impl Claim {
    /// A claim is about to be sent.
    pub(super) fn sent(now: Millis, attempts: u32) -> Self {
        Claim { retry_at: now.saturating_add(SETTLE_MS), attempts }
    }

    /// It failed.
    pub(super) fn failed(now: Millis, attempts: u32) -> Self {
        let attempts = attempts.saturating_add(1);
        Claim { retry_at: now.saturating_add(back_off(attempts)), attempts }
    }
}

/// Where a provider stands.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[allow(clippy::large_enum_variant, reason = "one value a lease")]
pub(super) enum State {
    New,
    Meeting {
        stage: Stage,
        until: Millis,
    },
    Opening {
        ledger: Ledger,
        link: Link,
        until: Millis,
    },
    Starting {
        ledger: Ledger,
        link: Link,
        until: Millis,
    },
    /// A machine of an earlier run is looked for.
    Resuming {
        ledger: Ledger,
        serving: Serving,
        until: Millis,
    },
    Serving {
        ledger: Ledger,
        serving: Serving,
    },
    Stopping {
        ledger: Ledger,
        farewell: Farewell,
        reason: CloseReason,
        link: Link,
        until: Millis,
    },
    Collecting {
        ledger: Ledger,
        rejoined: bool,
        reason: CloseReason,
        link: Link,
        until: Millis,
    },
    Settling {
        ledger: Ledger,
        reason: CloseReason,
        link: Link,
        fate: Fate,
        stop_until: Option<Millis>,
    },
    Ended {
        ledger: Option<Ledger>,
        reason: CloseReason,
    },
}

impl State {
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        match self {
            State::New | State::Meeting { .. } => None,
            State::Opening { ledger, .. }
            | State::Starting { ledger, .. }
            | State::Resuming { ledger, .. }
            | State::Serving { ledger, .. }
            | State::Stopping { ledger, .. }
            | State::Collecting { ledger, .. }
            | State::Settling { ledger, .. } => Some(ledger),
            State::Ended { ledger, .. } => ledger.as_ref(),
        }
    }

    pub(super) fn reason(&self) -> Option<CloseReason> {
        match self {
            State::New
            | State::Meeting { .. }
            | State::Opening { .. }
            | State::Starting { .. }
            | State::Resuming { .. }
            | State::Serving { .. } => None,
            State::Stopping { reason, .. }
            | State::Collecting { reason, .. }
            | State::Settling { reason, .. }
            | State::Ended { reason, .. } => Some(*reason),
        }
    }

    /// What a machine that runs, or is looked for, has.
    fn serving(&self) -> Option<(&Ledger, &Serving)> {
        match self {
            State::Serving { ledger, serving } | State::Resuming { ledger, serving, .. } => {
                Some((ledger, serving))
            }
            State::New
            | State::Meeting { .. }
            | State::Opening { .. }
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Collecting { .. }
            | State::Settling { .. }
            | State::Ended { .. } => None,
        }
    }

    pub(super) fn ends_at(&self) -> Option<Millis> {
        self.serving().map(|(ledger, serving)| serving.lease_ends(ledger.scope.lease_secs))
    }

    pub(super) fn leaves_at(&self) -> Option<Millis> {
        self.serving()?.1.leaves_at
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            State::New | State::Meeting { stage: Stage::Greeting { .. }, .. } => Phase::Greeting,
            State::Meeting { stage: Stage::Proving { .. }, .. } => Phase::Authenticating,
            State::Meeting { stage: Stage::Quoting { .. } | Stage::Reserving { .. }, .. } => {
                Phase::Negotiating
            }
            State::Opening { .. } => Phase::Opening,
            State::Starting { .. } | State::Resuming { .. } => Phase::Starting,
            State::Serving { serving, .. } => Phase::Serving { frozen: serving.frozen.is_some() },
            State::Stopping { .. } | State::Collecting { .. } => Phase::Closing,
            State::Settling { .. } => Phase::Settling,
            State::Ended { .. } => Phase::Closed,
        }
    }

    pub(super) fn deadline(&self, limits: &ProviderLimits) -> Option<Millis> {
        match self {
            State::New | State::Ended { .. } => None,
            State::Meeting { until, .. }
            | State::Opening { until, .. }
            | State::Starting { until, .. }
            | State::Resuming { until, .. }
            | State::Stopping { until, .. }
            | State::Collecting { until, .. } => Some(*until),
            State::Serving { ledger, serving } => {
                let quote = &ledger.terms.quote;
                let metering = serving.reading.map_or(serving.next_tick, |reading| reading.until);
                let unpaid = match serving.frozen {
                    None => serving.patience_ends(quote.grace_ms),
                    Some(since) => Some(since.saturating_add(serving.endures_ms(limits))),
                };
                let end = serving.lease_ends(ledger.scope.lease_secs).min(metering);
                let end = serving.leaves_at.map_or(end, |leaves_at| leaves_at.min(end));
                let end = ledger.claim_at(limits.claim_threshold).map_or(end, |at| at.min(end));
                Some(unpaid.map_or(end, |unpaid| unpaid.min(end)))
            }
            State::Settling { fate, stop_until, .. } => {
                let retry = match fate {
                    Fate::Open { retry_at, .. } => Some(*retry_at),
                    Fate::Gone => None,
                };
                [retry, *stop_until].into_iter().flatten().min()
            }
        }
    }
}

/// When the end of a machine is no longer waited for.
pub(super) fn stop_deadline(now: Millis) -> Millis {
    now.saturating_add(STOP_MS)
}
