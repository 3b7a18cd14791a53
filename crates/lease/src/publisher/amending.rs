//! More deposit or more time for a running lease.
//!
//! ```text
//!  what is left runs low ─► Proposed ──Granted──► Funding ──Funded──► Funded ──Amended─► it holds
//!        ▲                     │                   ▲   │
//!        │ a pause             │ NotAmended,       │   │ FundFailed
//!        └─────────────────────┘ no answer         └───┴─ a pause
//! ```
//!
//! Vouchers stay within what held before until the provider has said that it has seen the new
//! deposit on chain: a provider whose node lags would take them for a breach of the protocol.
//! Whatever fails leaves the lease as it was.

use codec::{Decode, Encode};
use zennet_primitives::{
    amendment::{Amendment, Objection, Scope, MAX_AMENDMENTS},
    amount::{Balance, TOTAL_SUPPLY},
    contract::{Quote, Terms},
    signed::{account_key, Unverified},
    Hash, Signature,
};

use super::{
    ledger::Ledger, state::Watch, PublisherAction as Action, PublisherPolicy, PublisherSetup,
};
use crate::{
    terms::{price_of_full_use, price_of_retention},
    Millis,
};

/// Longest that the answer to a proposal is waited for.
const ANSWER_MS: Millis = 30_000;

/// First pause after a failure; each is twice the one before.
const PAUSE_MS: Millis = 15_000;

/// Failures in a row after which nothing more is tried, until the user asks for more time.
const MOST_FAILURES: u8 = 5;

/// Something about an amendment that no honest provider says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
enum Stage {
    /// It is said, or will be on the next connection.
    Proposed { since: Millis },
    /// The provider has signed; the chain is asked to lock what it needs.
    Funding,
    /// That failed, or is not known to have worked.
    Unfunded,
    /// It is locked; the provider has to see it.
    Funded,
}

/// An amendment that does not hold yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct Proposal {
    amendment: Amendment,
    stage: Stage,
    /// The provider has seen it on chain, perhaps before this side did.
    counted: bool,
}

/// What a lease has at present, and what it is to have.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Amending {
    contract: Hash,
    pub(super) scope: Scope,
    /// Lease time that the user has asked for by now, seconds.
    wanted_secs: u32,
    /// The provider lets the lease be no longer.
    longest: bool,
    proposal: Option<Proposal>,
    /// One whose answer was not waited for any longer: the provider may still count it.
    dropped: Option<Amendment>,
    /// Highest number that was proposed.
    number: u16,
    failures: u8,
    not_before: Millis,
}

impl Amending {
    pub(super) fn new(terms: &Terms) -> Self {
        let scope = Scope::of(terms);
        Self {
            contract: terms.hash(),
            scope,
            wanted_secs: scope.lease_secs,
            longest: false,
            proposal: None,
            dropped: None,
            number: 0,
            failures: 0,
            not_before: 0,
        }
    }

    /// The user wants the lease to last for so much longer, up to what a channel can last now.
    fn extend(&mut self, secs: u32, longest_secs: u32) -> bool {
        let wanted_secs = self.wanted_secs.max(self.scope.lease_secs).saturating_add(secs);
        if wanted_secs > longest_secs {
            return false;
        }
        self.wanted_secs = wanted_secs;
        self.longest = false;
        (self.failures, self.not_before) = (0, 0);
        true
    }

    fn proposal(&mut self, number: u16) -> Result<Option<&mut Proposal>, Refused> {
        if number > self.number {
            return Err(Refused);
        }
        // Of an earlier one nothing is waited for.
        Ok(self.proposal.as_mut().filter(|proposal| proposal.amendment.number == number))
    }

    /// The provider has signed an amendment: whether the chain is to be asked now.
    pub(super) fn granted(
        &mut self,
        terms: &Terms,
        number: u16,
        signature: Signature,
    ) -> Result<bool, Refused> {
        let Some(proposal) = self.proposal(number)? else { return Ok(false) };
        let signed = Unverified { payload: proposal.amendment, signature };
        signed.verify(&(), &account_key(&terms.provider)).map_err(|_| Refused)?;
        let is_first = matches!(proposal.stage, Stage::Proposed { .. });
        if is_first {
            proposal.stage = Stage::Funding;
        }
        Ok(is_first)
    }

    /// The provider does not grant an amendment: whether that is news.
    pub(super) fn objected(
        &mut self,
        number: u16,
        objection: Objection,
        now: Millis,
    ) -> Result<bool, Refused> {
        let Some(proposal) = self.proposal(number)? else { return Ok(false) };
        let is_open = matches!(proposal.stage, Stage::Proposed { .. });
        match objection {
            _ if !is_open => (),
            // The deposit may still be topped up for the time that is agreed on.
            Objection::TooLong => {
                self.proposal = None;
                self.wanted_secs = self.scope.lease_secs;
                self.longest = true;
            }
            Objection::NothingMore | Objection::Leaving | Objection::ChannelTooLong => {
                self.drop_proposal(now);
            }
        }
        Ok(is_open)
    }

    /// The provider has seen an amendment on chain: whether it holds from now on.
    pub(super) fn counted(&mut self, number: u16) -> Result<bool, Refused> {
        let Some(proposal) = self.proposal(number)? else { return self.counted_late(number) };
        match proposal.stage {
            Stage::Proposed { .. } => Err(Refused),
            Stage::Funding | Stage::Unfunded => {
                proposal.counted = true;
                Ok(false)
            }
            Stage::Funded => Ok(self.adopt()),
        }
    }

    /// The same of one that was dropped. Only more time can hold without this side's doing: the
    /// channel lasted for long enough already.
    fn counted_late(&mut self, number: u16) -> Result<bool, Refused> {
        let Some(amendment) = self.dropped.take_if(|dropped| dropped.number == number) else {
            return Ok(false);
        };
        if amendment.deposit > self.scope.deposit {
            return Err(Refused);
        }
        self.scope = Scope::from(&amendment);
        self.proposal = None;
        Ok(true)
    }

    /// The chain has locked what is needed: whether the amendment holds from now on.
    pub(super) fn funded(&mut self) -> bool {
        let Some(proposal) = &mut self.proposal else { return false };
        match proposal.stage {
            Stage::Funding | Stage::Unfunded => proposal.stage = Stage::Funded,
            Stage::Proposed { .. } | Stage::Funded => return false,
        }
        proposal.counted && self.adopt()
    }

    /// The chain was asked in vain, or did not say what became of it.
    pub(super) fn fund_failed(&mut self, now: Millis) {
        if let Some(proposal @ Proposal { stage: Stage::Funding, .. }) = &mut self.proposal {
            proposal.stage = Stage::Unfunded;
            self.failed(now);
        }
    }

    fn adopt(&mut self) -> bool {
        let Some(proposal) = self.proposal.take() else { return false };
        self.scope = Scope::from(&proposal.amendment);
        self.failures = 0;
        true
    }

    fn drop_proposal(&mut self, now: Millis) {
        self.dropped = self.proposal.take().map(|proposal| proposal.amendment);
        self.failed(now);
    }

    fn failed(&mut self, now: Millis) {
        let pause = PAUSE_MS << self.failures.min(MOST_FAILURES);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause);
    }

    fn may_try(&self, now: Millis) -> bool {
        self.failures < MOST_FAILURES && now >= self.not_before
    }

    /// The program ended. What became of a transaction is found out when the provider is there
    /// again; without it nothing more is locked.
    pub(super) fn restarted(&mut self) {
        if let Some(proposal @ Proposal { stage: Stage::Funding, .. }) = &mut self.proposal {
            proposal.stage = Stage::Unfunded;
            self.not_before = 0;
        }
    }

    /// What has to be said on a new connection.
    fn said_again(&mut self, now: Millis) -> Option<Amendment> {
        let proposal = self.proposal.as_mut()?;
        if let Stage::Proposed { since } = &mut proposal.stage {
            *since = now;
        }
        Some(proposal.amendment)
    }
}

impl Ledger {
    /// Does what is due for the lease to go on: proposes an amendment, or has the chain asked once
    /// more.
    pub(super) fn look_ahead(
        &mut self,
        setup: &PublisherSetup,
        watch: &Watch,
        now: Millis,
    ) -> Option<Action> {
        if watch.lost.is_some() {
            return None;
        }
        match self.amending.proposal.map(|proposal| proposal.stage) {
            Some(Stage::Proposed { since }) if now > since.saturating_add(ANSWER_MS) => {
                self.amending.drop_proposal(now);
                None
            }
            Some(Stage::Unfunded) if self.amending.may_try(now) => self.fund(true, now),
            Some(Stage::Proposed { .. } | Stage::Funding | Stage::Unfunded | Stage::Funded) => None,
            None if self.amending.may_try(now) => self.propose(&setup.policy, now),
            None => None,
        }
    }

    /// The user wants the lease to last for so much longer: whether that can be asked for.
    pub(super) fn extend(&mut self, policy: &PublisherPolicy, secs: u32, now: Millis) -> bool {
        let longest_secs = self.longest_secs(policy, now);
        self.amending.extend(secs, longest_secs)
    }

    /// Longest lease time in all that a channel can be kept for from now on.
    fn longest_secs(&self, policy: &PublisherPolicy, now: Millis) -> u32 {
        let started = self.meter.as_ref().map_or(now, |meter| meter.started);
        let elapsed_secs = now.saturating_sub(started) / 1000;
        u32::try_from(elapsed_secs).unwrap_or(u32::MAX).saturating_add(policy.max_left_secs)
    }

    fn propose(&mut self, policy: &PublisherPolicy, now: Millis) -> Option<Action> {
        let started = self.meter.as_ref()?.started;
        let longest_secs = self.longest_secs(policy, now);
        let amending = &mut self.amending;
        let needs = Needs {
            quote: &self.terms.quote,
            scope: amending.scope,
            wanted_secs: amending.wanted_secs,
            longest: amending.longest,
            longest_secs,
            signed: self.signed,
            elapsed_ms: now.saturating_sub(started),
        };
        let (deposit, lease_secs) = needs.beyond(policy)?;
        let number = amending.number.checked_add(1).filter(|n| *n <= MAX_AMENDMENTS)?;
        let amendment = Amendment { contract: amending.contract, number, deposit, lease_secs };
        let stage = Stage::Proposed { since: now };
        amending.number = number;
        amending.proposal = Some(Proposal { amendment, stage, counted: false });
        Some(Action::SendAmendment(amendment))
    }

    /// Has the chain asked for what the amendment under way needs, perhaps once more.
    pub(super) fn fund(&mut self, again: bool, now: Millis) -> Option<Action> {
        let (channel, started) = (self.channel?, self.meter.as_ref()?.started);
        let proposal = self.amending.proposal.as_mut()?;
        proposal.stage = Stage::Funding;
        let Amendment { deposit, lease_secs, .. } = proposal.amendment;
        let ends = started.saturating_add(u64::from(lease_secs) * 1000);
        let left_secs = ends.saturating_sub(now).div_ceil(1000);
        let left_secs = u32::try_from(left_secs).unwrap_or(u32::MAX).min(lease_secs);
        Some(Action::FundChannel { channel, deposit, left_secs, again })
    }

    /// What has to be said on a new connection.
    pub(super) fn amendment_again(&mut self, now: Millis) -> Option<Action> {
        self.amending.said_again(now).map(Action::SendAmendment)
    }
}

/// What decides on an amendment.
struct Needs<'a> {
    quote: &'a Quote,
    scope: Scope,
    wanted_secs: u32,
    longest: bool,
    /// Longest lease time in all that a channel can be kept for.
    longest_secs: u32,
    signed: Balance,
    /// Since the machine was ready.
    elapsed_ms: Millis,
}

impl Needs<'_> {
    /// The deposit and the lease time that the lease should have, where that is more than it has.
    ///
    /// More time is due when the user has asked for it, or when what is left is less than the
    /// policy's foresight and less than a quarter. More deposit is due when what is left of it is
    /// below full use for that foresight, below a quarter, and below what the rest of the lease
    /// can cost.
    fn beyond(&self, policy: &PublisherPolicy) -> Option<(Balance, u32)> {
        let Needs { quote, scope, .. } = *self;
        let ms = |secs: u32| Millis::from(secs) * 1000;
        let ahead_ms = ms(policy.ahead_secs);
        let left_ms = ms(scope.lease_secs).saturating_sub(self.elapsed_ms);
        let is_near = left_ms <= ahead_ms.min(ms(scope.lease_secs) / 4);
        let lease_secs = if self.wanted_secs > scope.lease_secs {
            self.wanted_secs
        } else if is_near && !self.longest && policy.extend_to_secs > scope.lease_secs {
            scope.lease_secs.saturating_add(quote.lease_secs).min(policy.extend_to_secs)
        } else {
            scope.lease_secs
        };
        let lease_secs = lease_secs.min(self.longest_secs).max(scope.lease_secs);
        let rest_ms = left_ms.saturating_add(ms(lease_secs - scope.lease_secs));
        let deposit = match policy.top_up {
            true => self.deposit(policy, ahead_ms, rest_ms).unwrap_or(scope.deposit),
            false => scope.deposit,
        };
        (deposit > scope.deposit || lease_secs > scope.lease_secs).then_some((deposit, lease_secs))
    }

    fn deposit(
        &self,
        policy: &PublisherPolicy,
        ahead_ms: Millis,
        rest_ms: Millis,
    ) -> Option<Balance> {
        let Needs { quote, scope, signed, .. } = *self;
        let price = |ms| match price_of_full_use(&quote.rates, &quote.resources, ms) {
            Ok(price) => Some(price),
            // A limit makes an endless price harmless.
            Err(_) => policy.max_price,
        };
        let kept =
            price_of_retention(&quote.rates, &quote.resources, policy.volume.as_ref()).ok()?;
        // What keeping the volume costs is not there for the lease itself.
        let left = scope.deposit.saturating_sub(signed).saturating_sub(kept);
        let is_low = left <= price(ahead_ms)?.min(scope.deposit / 4);
        // What is paid ahead comes back with the last tick; half a tick is not worth a fee.
        let spare = quote.prepay.saturating_add(price(Millis::from(quote.tick_ms) / 2)?);
        if !is_low || left.saturating_add(spare) >= price(rest_ms)? {
            return None;
        }
        let next_secs = policy.deposit_secs.unwrap_or(quote.lease_secs);
        let next_ms = rest_ms.min(Millis::from(next_secs) * 1000);
        let limit = policy.max_price.unwrap_or(TOTAL_SUPPLY).min(TOTAL_SUPPLY);
        let wanted = signed.saturating_add(price(next_ms)?).saturating_add(kept).min(limit);
        (wanted > scope.deposit).then_some(wanted)
    }
}

#[cfg(test)]
mod tests;
