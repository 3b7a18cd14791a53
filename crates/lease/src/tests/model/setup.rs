//! The contract that the model begins with, and the rules of one check.

use zennet_primitives::{
    amount::{Balance, Rates},
    announcement::{acceptance_message, LeaseRange},
    contract::Terms,
    pow::{mine, stamp_work},
    usage::{Counter, Usage},
};

use super::{
    super::{pair::*, setups::*},
    book::Meter,
};
use crate::*;

/// A tick. It is long against the constants of the rules, which all are at most 16 s, and so are
/// not a matter of the model.
pub(super) const TICK: u32 = 60_000;
pub(super) const GRACE: u32 = 30_000;
/// Ticks in a lease.
pub(super) const TICKS: u32 = 3;
/// Time of full use that the first deposit covers where it is topped up, seconds.
const DEPOSIT_SECS: u32 = 140;
/// Longest that a transaction takes into a block, and a block to be final.
pub(super) const BLOCK: u32 = 30_000;
/// From a request to close to the refund.
pub(super) const CHALLENGE: u32 = 120_000;
/// A run that lasts longer never ends.
pub(super) const HORIZON: u32 = 3_600_000;
/// By how much a lying provider is ahead of the clock, in milliseconds of full use.
pub(super) const LIE: u32 = 5_000;
/// Longest wait of either side for the other.
const WAIT: u32 = 60_000;

/// Who does not keep to the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dishonest {
    Nobody,
    Provider,
    Publisher,
}

/// When a driver stores what a step leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Storing {
    /// Before the actions, as it has to.
    First,
    /// After the actions.
    Last,
    /// Only what does not follow from a frame.
    NotFrames,
}

/// What a driver does that it must not, to show that the check notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mistake {
    None,
    /// The provider's driver takes a channel for final that is only in a block.
    StartsEarly,
    /// The provider's driver does not freeze.
    NeverFreezes,
    /// The publisher's driver does not have the chain close the channel.
    NeverReclaims,
    /// The publisher takes an amendment for one that holds as soon as it asks the chain.
    CountsEarly,
}

/// One check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    pub(super) dishonest: Dishonest,
    pub(super) faults: u8,
    pub(super) prepaid: bool,
    /// The deposit runs low in the second tick, and is topped up.
    pub(super) amends: bool,
    pub(super) provider_stores: Storing,
    pub(super) publisher_stores: Storing,
    pub(super) mistake: Mistake,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            dishonest: Dishonest::Nobody,
            faults: 1,
            prepaid: false,
            amends: false,
            provider_stores: Storing::First,
            publisher_stores: Storing::First,
            mistake: Mistake::None,
        }
    }
}

impl Rules {
    /// One line for people.
    pub(super) fn describe(&self) -> String {
        let Rules { dishonest, faults, prepaid, amends, .. } = self;
        let Rules { provider_stores, publisher_stores, mistake, .. } = self;
        let paid = if *prepaid { "paid ahead" } else { "paid afterwards" };
        let mut line = format!("{dishonest:?} is dishonest, {faults} faults, {paid}");
        if *amends {
            line += ", topped up";
        }
        for (who, storing) in [("provider", provider_stores), ("publisher", publisher_stores)] {
            if *storing != Storing::First {
                line += &format!(", the {who} stores: {storing:?}");
            }
        }
        if *mistake != Mistake::None {
            line += &format!(", mistake: {mistake:?}");
        }
        line
    }
}

/// Both sides right after the contract was signed by both.
pub(super) fn contracted(prepaid: bool, amends: bool) -> (Provider, Publisher, u32) {
    let mut own = publisher_setup(prepaid);
    let tick = TICK as i32;
    own.body.interval_ms = if prepaid { -tick } else { tick };
    own.body.lease = LeaseRange { min_secs: 60, max_secs: TICK / 1000 * TICKS };
    own.announcement = own.body.id(genesis(), &own.account);
    own.limits = PublisherLimits {
        open_ms: WAIT,
        ready_ms: WAIT,
        usage_ms: GRACE,
        reconnect_ms: WAIT,
        settle_ms: GRACE,
        ..own.limits
    };
    own.policy.top_up = amends;
    own.policy.deposit_secs = amends.then_some(DEPOSIT_SECS);
    let mut theirs = provider_setup(prepaid);
    let message = acceptance_message(genesis(), own.announcement, &theirs.account);
    theirs.announcement = own.announcement;
    theirs.offer.stamp =
        mine(|nonce| stamp_work(message, nonce), own.body.asks, 0, 1 << 16).unwrap();
    let listing = Listing { rates: rates(), grace_ms: GRACE, ..listing() };
    theirs.quote = quote_for(&own.body, &listing).unwrap();
    theirs.limits = ProviderLimits {
        open_ms: WAIT,
        start_ms: WAIT,
        stop_after_ms: GRACE,
        reconnect_ms: WAIT,
        final_voucher_ms: GRACE,
        ..theirs.limits
    };
    // Without delays, so that the deadlines of both sides fall on the same moments.
    let faults = Faults { delays: vec![0], prepaid, ..Faults::default() };
    let mut pair = Pair::with(faults, theirs, own);
    pair.run_to(Phase::Opening);
    (pair.provider, pair.publisher, u32::try_from(pair.now).unwrap())
}

/// Memory that is held costs about a twentieth of what a busy processor costs.
fn rates() -> Rates {
    Rates::default()
        .with(Counter::CpuMicros, 10u128.pow(19))
        .with(Counter::MemoryByteSecs, 2 * 10u128.pow(15))
}

/// Counters of a machine that has been used this much since its start.
pub(super) fn usage(meter: Meter) -> Usage {
    let memory = u64::from(meter.held) * (256 << 20) / 1000;
    Usage::default()
        .with(Counter::CpuMicros, 50_000 + u64::from(meter.busy) * 1000)
        .with(Counter::MemoryByteSecs, (1 << 20) + memory)
}

/// Price of this much use.
pub(super) fn price(terms: &Terms, meter: Meter) -> Balance {
    let rates = &terms.quote.rates;
    rates.price(&usage(meter), &usage(Meter::default())).expect("it is priced")
}
