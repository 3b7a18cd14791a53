//! What a publisher keeps of a contract: the provider's readings, its own, and what it signed.

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Balance,
    channel::{ChannelContext, Voucher},
    contract::Terms,
    usage::{Counter, Usage},
};

use super::amending::Amending;
use crate::{
    agreement::{bounded, physical_limit, Agreement, Comparison},
    terms::{kept_secs, retention},
    Millis,
};

/// Time by which ticks may come before they are due by this side's clock.
const EARLY_MS: u64 = 5_000;

/// A message about usage that no honest provider sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused;

/// A usage message of the provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Report {
    pub(super) tick: u32,
    pub(super) usage: Usage,
    pub(super) last: bool,
}

/// The books of a machine that has been ready.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Meter {
    pub(super) baseline: Usage,
    /// The provider's latest counters.
    pub(super) latest: Usage,
    pub(super) tick: u32,
    pub(super) started: Millis,
    pub(super) agreement: Agreement,
}

impl Meter {
    pub(super) fn new(baseline: Usage, started: Millis, now: Millis) -> Self {
        Self {
            baseline,
            latest: baseline,
            tick: 0,
            started,
            agreement: Agreement::new(now).since(baseline, started),
        }
    }
}

/// What keeping the volume may add to its counter.
fn add_to_volume(limit: &mut Usage, kept: u64) {
    if let Some(most) = limit.get(Counter::VolumeByteSecs) {
        limit.set(Counter::VolumeByteSecs, most.saturating_add(kept));
    }
}

/// The usage without what keeping the volume adds to it; never less than before.
fn take_from_volume(usage: &mut Usage, before: &Usage, kept: u64) {
    if let Some(counted) = usage.get(Counter::VolumeByteSecs) {
        let least = before.get(Counter::VolumeByteSecs).unwrap_or(0);
        usage.set(Counter::VolumeByteSecs, counted.saturating_sub(kept).max(least.min(counted)));
    }
}

/// The books of one lease.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Ledger {
    pub(super) terms: Terms,
    /// What holds of the lease at present, and what is to hold.
    pub(super) amending: Amending,
    pub(super) channel: Option<ChannelContext>,
    /// Nonce of the channel, where there is one.
    pub(super) nonce: u64,
    pub(super) meter: Option<Meter>,
    /// Connections after the first: on each the provider reports once out of turn.
    pub(super) reunions: u32,
    /// Amount of the highest voucher.
    pub(super) signed: Balance,
    /// Usage since the baseline that this amount was computed from.
    pub(super) paid_for: Usage,
    pub(super) vouchers: u32,
    /// Whether the last voucher is to pay for keeping the volume.
    pub(super) keeps_volume: bool,
    /// Whether it has.
    retained: bool,
    /// What the channel paid on chain.
    pub(super) settled: Option<Balance>,
}

impl Ledger {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            amending: Amending::new(&terms),
            terms,
            channel: None,
            nonce: 0,
            meter: None,
            reunions: 0,
            signed: 0,
            paid_for: Usage::default(),
            vouchers: 0,
            keeps_volume: true,
            retained: false,
            settled: None,
        }
    }

    /// Starts the books, unless a priced counter is missing. Where the contract asks for it, the
    /// voucher of tick 0 pays ahead.
    pub(super) fn begin(
        &mut self,
        baseline: Usage,
        started: Millis,
        now: Millis,
    ) -> Result<Option<Voucher>, Refused> {
        let quote = &self.terms.quote;
        quote.rates.price(&baseline, &baseline).map_err(|_| Refused)?;
        self.meter = Some(Meter::new(baseline, started, now));
        if quote.prepay == 0 {
            return Ok(None);
        }
        let ahead = quote.prepay;
        Ok(Some(self.sign(ahead)))
    }

    /// Takes what the provider says was used and says what to pay for it.
    ///
    /// Paid is no more than what agrees with the own readings, never less than before and never
    /// above the deposit.
    ///
    /// Keeping the volume is paid for in full or not at all, and only where `keeps` says so.
    pub(super) fn pay(
        &mut self,
        report: &Report,
        keeps: bool,
        now: Millis,
    ) -> Result<Voucher, Refused> {
        let meter = self.meter.as_mut().ok_or(Refused)?;
        let quote = &self.terms.quote;
        let elapsed_ms = now.saturating_sub(meter.started);
        // Ticks of a time without connection are never reported: the next one covers them.
        let is_later = report.tick > meter.tick;
        // The last report comes when the machine has stopped, which is at no fixed time.
        let reported = report.tick.saturating_sub(report.last.into());
        let in_turn = reported.saturating_sub(self.reunions);
        let is_due =
            u64::from(in_turn).saturating_mul(quote.tick_ms.into()) <= elapsed_ms + EARLY_MS;
        let is_plausible = report.usage.first_fallen(&meter.latest).is_none();
        if !is_later || !is_due || !is_plausible {
            return Err(Refused);
        }
        let mut limit = physical_limit(&meter.baseline, &quote.resources, elapsed_ms);
        let kept = match report.last {
            true => retention(&quote.resources, self.terms.volume.as_ref()),
            false => 0,
        };
        add_to_volume(&mut limit, kept);
        for (counter, _) in quote.rates.priced() {
            if report.usage.get(counter) > limit.get(counter) {
                return Err(Refused);
            }
        }
        meter.tick = report.tick;
        let before = meter.latest;
        meter.latest = report.usage;
        let agreed = meter.agreement.compare(&report.usage, &quote.rates, &quote.resources, now);
        let mut payable = match agreed {
            Comparison::Unchecked | Comparison::Agreed => report.usage,
            Comparison::Disagreed { bound } => bounded(&report.usage, &bound),
            // Nothing more is paid, but the tick is answered.
            Comparison::Overdue => return Ok(self.sign(0)),
        };
        let ahead = if report.last { 0 } else { quote.prepay };
        let baseline = meter.baseline;
        let price = |usage: &Usage| {
            let price = quote.rates.price(usage, &baseline).map_err(|_| Refused)?;
            price.checked_add(ahead).ok_or(Refused)
        };
        let mut amount = price(&payable)?;
        let is_whole = amount <= self.amending.scope.deposit;
        let retains = kept > 0 && keeps && self.keeps_volume && payable == report.usage && is_whole;
        if kept > 0 && !retains {
            take_from_volume(&mut payable, &before, kept);
            amount = price(&payable)?;
        }
        self.paid_for = payable.since(&baseline).ok_or(Refused)?;
        self.retained = retains;
        Ok(self.sign(amount))
    }

    /// Whether the last voucher reached the provider, as far as that is known.
    fn was_paid(&self) -> bool {
        self.settled.is_none_or(|settled| settled >= self.signed)
    }

    /// How long the provider keeps the volume beyond the lease, seconds.
    pub(super) fn kept_secs(&self) -> u32 {
        kept_secs(&self.terms, self.retained && self.was_paid())
    }

    /// The next voucher: it rises with the amount, up to the deposit.
    fn sign(&mut self, amount: Balance) -> Voucher {
        self.signed = amount.min(self.amending.scope.deposit).max(self.signed);
        self.vouchers = self.vouchers.saturating_add(1);
        Voucher { cumulative: self.signed, usage_hash: self.paid_for.hash() }
    }

    /// The provider is there again, and reports at once.
    pub(super) fn reunite(&mut self) {
        self.reunions = self.reunions.saturating_add(1);
    }

    /// Whether the machine has been ready with these counters.
    pub(super) fn is_baseline(&self, baseline: &Usage) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.baseline == *baseline)
    }

    pub(super) fn own_usage(&self) -> Option<Usage> {
        let read = self.meter.as_ref()?.agreement.own_usage()?;
        let volume = self.usage()?.get(Counter::VolumeByteSecs);
        Some(volume.map_or(read, |volume| read.with(Counter::VolumeByteSecs, volume)))
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        let meter = self.meter.as_ref()?;
        meter.latest.since(&meter.baseline)
    }
}
