//! What a provider keeps of a contract: usage, vouchers, the channel.

use codec::{Decode, Encode};
use zennet_primitives::{
    amendment::{Amendment, Scope},
    amount::{Balance, PriceError},
    channel::{ChannelContext, Voucher},
    contract::Terms,
    record::ChannelRecord,
    signed::Unverified,
    usage::{Counter, Usage},
};

use super::state::Claim;
use crate::{
    terms::{kept_secs, retention, volume_use},
    Millis,
};

/// A voucher that must not be taken: the publisher broke the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused;

/// The books of one lease.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Ledger {
    pub(super) terms: Terms,
    /// What holds of the lease at present.
    pub(super) scope: Scope,
    /// An amendment that both have signed and that the chain does not show yet.
    pub(super) granted: Option<Amendment>,
    pub(super) channel: Option<ChannelContext>,
    /// Counters at the start of the machine.
    pub(super) baseline: Option<Usage>,
    /// The latest counters; none is ever below an earlier one.
    pub(super) latest: Usage,
    /// The tick whose usage was read last.
    pub(super) tick: u32,
    /// The voucher with the highest amount; its signature has been verified.
    pub(super) best: Option<Unverified<Voucher>>,
    pub(super) paid_tick: Option<u32>,
    pub(super) paid: Balance,
    /// What the channel is known to have paid on chain while the lease runs.
    claimed: Balance,
    /// The last claim, until it has succeeded.
    claim: Option<Claim>,
    pub(super) vouchers: u32,
    /// What the channel paid on chain.
    pub(super) settled: Option<Balance>,
    /// Time that the volume has counted for, milliseconds.
    volume_ms: Millis,
    /// Until when it has. Time in which this side did not run is not counted.
    pub(super) volume_until: Millis,
    /// What pays for all usage and for keeping the volume, once that was asked for.
    retention_due: Option<Balance>,
}

impl Ledger {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            scope: Scope::of(&terms),
            granted: None,
            terms,
            channel: None,
            baseline: None,
            latest: Usage::default(),
            tick: 0,
            best: None,
            paid_tick: None,
            paid: 0,
            claimed: 0,
            claim: None,
            vouchers: 0,
            settled: None,
            volume_ms: 0,
            volume_until: 0,
            retention_due: None,
        }
    }

    /// Whether a nonce is that of the channel that pays.
    pub(super) fn is_channel(&self, nonce: u64) -> bool {
        self.channel == Some(self.terms.channel(nonce))
    }

    /// Whether the channel on chain is the one that the terms ask for.
    pub(super) fn is_paid_by(&self, record: &ChannelRecord<u32>) -> bool {
        let ChannelRecord {
            publisher,
            provider,
            contract,
            session_key,
            deposit,
            paid,
            record_deposit: _,
            expires_at: _,
            challenge,
            closing_at,
            app,
        } = record;
        let terms = &self.terms;
        *publisher == terms.publisher
            && *provider == terms.provider
            && *contract == terms.hash()
            && *session_key == terms.session_key
            && *deposit >= terms.deposit
            && *paid == 0
            && *challenge >= terms.challenge_blocks
            && closing_at.is_none()
            && *app == terms.app
    }

    /// Starts the books at these counters, which are given back with that of the volume. Nothing
    /// where they cannot be priced.
    pub(super) fn begin(&mut self, baseline: Usage, now: Millis) -> Option<Usage> {
        let baseline = baseline.with(Counter::VolumeByteSecs, 0);
        self.baseline = Some(baseline);
        self.volume_until = now;
        self.latest = baseline;
        self.terms.quote.rates.price(&baseline, &baseline).is_ok().then_some(baseline)
    }

    /// Takes counters that were read. A counter that is missing or lower than before keeps its
    /// figure: usage never falls.
    pub(super) fn read(&mut self, usage: &Usage, now: Millis) {
        for (counter, value) in usage.iter() {
            if self.latest.get(counter).is_none_or(|before| before < value) {
                self.latest.set(counter, value);
            }
        }
        self.volume_ms = self.volume_ms.saturating_add(now.saturating_sub(self.volume_until));
        self.volume_until = now;
        let volume = volume_use(&self.terms.quote.resources, self.volume_ms);
        self.latest.set(Counter::VolumeByteSecs, volume);
    }

    /// Asks for the price of keeping the volume with the last usage.
    pub(super) fn keep_volume(&mut self) {
        let Some(volume) = &self.terms.volume else { return };
        let kept = retention(&self.terms.quote.resources, Some(volume));
        let counted = self.latest.get(Counter::VolumeByteSecs).unwrap_or(0);
        self.latest.set(Counter::VolumeByteSecs, counted.saturating_add(kept));
        self.retention_due = Some(self.price());
    }

    /// How long the volume is kept beyond the lease, seconds.
    pub(super) fn kept_secs(&self) -> u32 {
        kept_secs(&self.terms, self.retention_due.is_some_and(|due| self.paid >= due))
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.latest.since(&self.baseline?)
    }

    /// Price of all usage so far. What cannot be expressed is above every deposit.
    pub(super) fn price(&self) -> Balance {
        let Some(baseline) = &self.baseline else { return 0 };
        match self.terms.quote.rates.price(&self.latest, baseline) {
            Ok(price) => price,
            Err(PriceError::Overflow(_) | PriceError::Absent(_) | PriceError::BelowBaseline(_)) => {
                Balance::MAX
            }
        }
    }

    /// What should have been paid by now, the prepayment of a running machine included.
    pub(super) fn due(&self, running: bool) -> Balance {
        let ahead = if running { self.terms.quote.prepay } else { 0 };
        self.price().saturating_add(ahead).min(self.scope.deposit)
    }

    /// Price of usage that no voucher covers.
    pub(super) fn exposure(&self) -> Balance {
        self.price().saturating_sub(self.paid)
    }

    /// Takes a voucher, or refuses one that no honest publisher sends.
    pub(super) fn accept(
        &mut self,
        tick: u32,
        voucher: Unverified<Voucher>,
    ) -> Result<(), Refused> {
        let channel = self.channel.ok_or(Refused)?;
        let amount = voucher.payload.cumulative;
        let is_known = tick <= self.tick && (tick > 0 || self.terms.quote.prepay > 0);
        let is_newer = match self.paid_tick {
            None => true,
            Some(last) => tick > last || (tick == last && amount > self.paid),
        };
        let is_in_range = amount >= self.paid && amount <= self.scope.deposit;
        if self.baseline.is_none() || !is_known || !is_newer || !is_in_range {
            return Err(Refused);
        }
        let verified = voucher.verify(&channel, &self.terms.session_key).map_err(|_| Refused)?;
        self.best = Some(verified.into_unverified());
        self.paid = amount;
        self.paid_tick = Some(tick);
        self.vouchers = self.vouchers.saturating_add(1);
        Ok(())
    }

    /// When the best voucher is to be claimed: as soon as so much of it is unclaimed, or when a
    /// claim that failed is made again. A threshold of zero claims only at the end.
    pub(super) fn claim_at(&self, threshold: Balance) -> Option<Millis> {
        let unclaimed = self.paid.saturating_sub(self.claimed);
        let is_due = threshold > 0 && unclaimed >= threshold;
        is_due.then(|| self.claim.map_or(0, |claim| claim.retry_at))
    }

    /// The voucher to claim now, where one is to be.
    pub(super) fn claim(&mut self, threshold: Balance, now: Millis) -> Option<Unverified<Voucher>> {
        self.claim_at(threshold).filter(|at| *at <= now)?;
        self.claim = Some(Claim::sent(now, self.claim.map_or(0, |claim| claim.attempts)));
        self.final_voucher()
    }

    /// The channel has paid this much.
    pub(super) fn claimed(&mut self, paid: Balance) {
        self.claimed = self.claimed.max(paid);
        self.claim = None;
    }

    pub(super) fn claim_failed(&mut self, now: Millis) {
        self.claim = Some(Claim::failed(now, self.claim.map_or(0, |claim| claim.attempts)));
    }

    /// Of a claim that was under way when the program ended nothing is heard any more.
    pub(super) fn forget_claim(&mut self) {
        self.claim = None;
    }

    /// What a settlement submits: a voucher over nothing is none.
    pub(super) fn final_voucher(&self) -> Option<Unverified<Voucher>> {
        self.best.clone().filter(|voucher| voucher.payload.cumulative > 0)
    }
}
