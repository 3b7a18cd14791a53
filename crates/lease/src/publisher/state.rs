//! The states of a publisher, and when each of them runs out of time.

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Rates,
    auth::Challenge,
    close::CloseReason,
    contract::{Offer, Quote, Terms},
    AccountId,
};

use super::{ledger::Ledger, PublisherLimits};
use crate::{meeting::Meeting, Millis, Phase};

/// Longest pause before the chain is asked again to close a channel.
const LONGEST_BACK_OFF_MS: u64 = 600_000;

/// Time by which a notice may come later than it was given.
const NOTICE_SLACK_MS: Millis = 5_000;

/// Whether anything can still be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) enum Link {
    Up,
    Down,
}

/// A meeting before the countersigned contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[allow(clippy::large_enum_variant, reason = "one value a meeting, and short-lived")]
pub(super) enum Stage {
    /// Waiting for the provider's hello.
    Greeting { meeting: Meeting },
    /// Own hello and proof are sent.
    Proving { meeting: Meeting, theirs: Challenge, provider: AccountId },
    /// The chain is asked about the provider, who may already send its offer.
    Checking { provider: AccountId, offer: Option<Offer>, quote: Option<Quote> },
    /// Waiting for the offer or the `rounds + 1`-th quote. `last` has the rates of the one before.
    Quoting { provider: AccountId, offer: Option<Offer>, rounds: u8, last: Option<Rates> },
    /// The contract is sent.
    Contracted { terms: Terms },
}

/// What only a lease with a ready machine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Watch {
    /// When the provider was last heard of.
    pub(super) heard: Millis,
    pub(super) frozen: bool,
    /// Since when there has been no connection.
    pub(super) lost: Option<Millis>,
    /// When the provider said that it goes out of service.
    pub(super) leaving: Option<Millis>,
}

/// Where a publisher stands.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[allow(clippy::large_enum_variant, reason = "one value a lease")]
pub(super) enum State {
    New,
    Meeting {
        stage: Stage,
        until: Millis,
    },
    /// The transaction that opens the channel is on its way.
    Opening {
        ledger: Ledger,
        link: Link,
        until: Millis,
    },
    Preparing {
        ledger: Ledger,
        link: Link,
        until: Millis,
        /// Since when the machine may be ready without this side having heard of it.
        deaf: Option<Millis>,
    },
    Active {
        ledger: Ledger,
        watch: Watch,
    },
    /// Waiting for the last usage.
    Closing {
        ledger: Ledger,
        reason: CloseReason,
        link: Link,
        until: Millis,
    },
    /// Waiting for the provider to settle.
    Settling {
        ledger: Ledger,
        reason: CloseReason,
        link: Link,
        until: Millis,
    },
    /// The lease is over before it is known whether the channel was opened.
    Abandoned {
        ledger: Ledger,
        reason: CloseReason,
    },
    /// The chain was asked to close the channel.
    Reclaiming {
        ledger: Ledger,
        reason: CloseReason,
        attempts: u32,
        retry_at: Millis,
    },
    Ended {
        ledger: Option<Ledger>,
        reason: CloseReason,
    },
}

/// When the chain is asked once more.
pub(super) fn retry_at(limits: &PublisherLimits, attempts: u32, now: Millis) -> Millis {
    let pause = u64::from(limits.settle_ms).max(1_000).saturating_mul(1 << attempts.min(16));
    now.saturating_add(pause.min(LONGEST_BACK_OFF_MS))
}

impl State {
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        match self {
            State::New | State::Meeting { .. } => None,
            State::Opening { ledger, .. }
            | State::Preparing { ledger, .. }
            | State::Active { ledger, .. }
            | State::Closing { ledger, .. }
            | State::Settling { ledger, .. }
            | State::Abandoned { ledger, .. }
            | State::Reclaiming { ledger, .. } => Some(ledger),
            State::Ended { ledger, .. } => ledger.as_ref(),
        }
    }

    pub(super) fn provider(&self) -> Option<&AccountId> {
        match self {
            State::Meeting { stage, .. } => match stage {
                Stage::Greeting { .. } | Stage::Proving { .. } => None,
                Stage::Checking { provider, .. } | Stage::Quoting { provider, .. } => {
                    Some(provider)
                }
                Stage::Contracted { terms } => Some(&terms.provider),
            },
            State::New
            | State::Opening { .. }
            | State::Preparing { .. }
            | State::Active { .. }
            | State::Closing { .. }
            | State::Settling { .. }
            | State::Abandoned { .. }
            | State::Reclaiming { .. }
            | State::Ended { .. } => self.ledger().map(|ledger| &ledger.terms.provider),
        }
    }

    pub(super) fn reason(&self) -> Option<CloseReason> {
        match self {
            State::New
            | State::Meeting { .. }
            | State::Opening { .. }
            | State::Preparing { .. }
            | State::Active { .. } => None,
            State::Closing { reason, .. }
            | State::Settling { reason, .. }
            | State::Abandoned { reason, .. }
            | State::Reclaiming { reason, .. }
            | State::Ended { reason, .. } => Some(*reason),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            State::New => Phase::Greeting,
            State::Meeting { stage, .. } => match stage {
                Stage::Greeting { .. } => Phase::Greeting,
                Stage::Proving { .. } | Stage::Checking { .. } => Phase::Authenticating,
                Stage::Quoting { .. } | Stage::Contracted { .. } => Phase::Negotiating,
            },
            State::Opening { .. } => Phase::Opening,
            State::Preparing { .. } => Phase::Starting,
            State::Active { watch, .. } => Phase::Serving { frozen: watch.frozen },
            State::Closing { .. } => Phase::Closing,
            State::Settling { .. } | State::Abandoned { .. } | State::Reclaiming { .. } => {
                Phase::Settling
            }
            State::Ended { .. } => Phase::Closed,
        }
    }

    pub(super) fn deadline(&self, limits: &PublisherLimits) -> Option<Millis> {
        match self {
            State::New | State::Abandoned { .. } | State::Ended { .. } => None,
            State::Meeting { until, .. }
            | State::Opening { until, .. }
            | State::Preparing { until, .. }
            | State::Closing { until, .. }
            | State::Settling { until, .. } => Some(*until),
            State::Active { ledger, watch } => Some(watch.patience_ends(ledger, limits)),
            State::Reclaiming { retry_at, .. } => Some(*retry_at),
        }
    }
}

impl Watch {
    pub(super) fn link(&self) -> Link {
        match self.lost {
            None => Link::Up,
            Some(_) => Link::Down,
        }
    }

    /// The reason of an end that the provider gives: without the agreed notice it is another one.
    pub(super) fn parting(&self, ledger: &Ledger, reason: CloseReason, now: Millis) -> CloseReason {
        let notice_ms = Millis::from(ledger.terms.quote.notice_secs) * 1000;
        let is_due = notice_ms == 0
            || self.leaving.is_some_and(|said| said + notice_ms <= now + NOTICE_SLACK_MS);
        let lease_ms = Millis::from(ledger.amending.scope.lease_secs) * 1000;
        let is_over = ledger.meter.as_ref().is_some_and(|meter| {
            meter.started.saturating_add(lease_ms) <= now.saturating_add(NOTICE_SLACK_MS)
        });
        match reason {
            CloseReason::ProviderLeaves if !is_due => CloseReason::NoticeBroken,
            // These are the publisher's to say, or come with the end of the time.
            CloseReason::Finished | CloseReason::EnoughMachines if !is_due => {
                CloseReason::NoticeBroken
            }
            CloseReason::LeaseTimeOver if !is_due && !is_over => CloseReason::NoticeBroken,
            reason => reason,
        }
    }

    /// When silence means that the connection is lost, or its loss that the provider is.
    pub(super) fn patience_ends(&self, ledger: &Ledger, limits: &PublisherLimits) -> Millis {
        match self.lost {
            None => {
                let patience = u64::from(ledger.terms.quote.tick_ms) + u64::from(limits.usage_ms);
                self.heard.saturating_add(patience)
            }
            Some(lost) => lost.saturating_add(limits.reconnect_ms.into()),
        }
    }
}
