//! Comparison of the provider's counters with what the publisher reads inside the machine.
//!
//! Both sides read the same counters at different moments. Let ΔU be what the provider says was
//! used since the two were first compared, and ΔO what the publisher read. They agree on a
//! counter when
//!
//! ```text
//! |ΔU − ΔO| ≤ greatest rate · (clock difference + quantum) + slack + 1 % of ΔO
//! ```
//!
//! That can be said at once, and bounds what is paid. The greatest rate is far above the usual one,
//! so what is said is looked at again, more closely, as soon as there is an own reading that was made
//! after it arrived. Counters only rise, so that reading is no less than what was used by then:
//!
//! ```text
//! ΔU ≤ ΔO of the first own reading after it + slack + 1 % of ΔO
//! ```
//!
//! When a reading was made is known by the machine's clock, which its lines carry. That clock is set
//! against the own one by the line that came fastest. The closer look is at figures that are too high
//! only; it leaves out memory, which both sides integrate from samples of their own.
//!
//! Both comparisons always start from the same point, so whatever the tolerance lets through is
//! granted once and not anew at every tick. The clock difference is capped: a provider that holds
//! back the publisher's readings gains nothing after [`MAX_LAG_MS`].

mod look;
#[cfg(test)]
mod tests;

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Rates,
    contract::Resources,
    usage::{Counter, Usage},
};

use self::look::{Line, Look};
use crate::Millis;

/// Longest time between two readings that the tolerance makes up for.
pub const MAX_LAG_MS: u64 = 15_000;

/// Time that a reading takes to arrive and to be made, on both sides together.
pub const QUANTUM_MS: u64 = 1_000;

/// Longest that a provider may go unchecked, from the start of the machine.
pub const FIRST_READING_MS: u64 = 60_000;

/// Time by which the provider's clock may be ahead when it says what was used: the start of the
/// machine becomes known to the publisher only when the message arrives.
pub const START_SLACK_MS: u64 = 5_000;

/// The same for a volume, which counts at its greatest rate all the time: a publisher that slept has
/// not seen all of it, and a quarter of an hour of a volume costs next to nothing.
pub const VOLUME_SLACK_MS: u64 = 900_000;

/// Most that one kind of traffic can be, bytes a second. No contract bounds it, hardware does.
const GREATEST_TRAFFIC: u64 = 4 << 30;

/// Most page faults that a core can take, a second.
const GREATEST_FAULTS: u64 = 4_000_000;

/// Most that a machine can use of a counter in some time.
fn most(counter: Counter, resources: &Resources, duration_ms: u64) -> u128 {
    let a_second = match counter {
        Counter::CpuMicros | Counter::CpuUserMicros | Counter::CpuSystemMicros => {
            u128::from(resources.cpu_millis) * 1000
        }
        Counter::MemoryByteSecs => u128::from(resources.memory_mib) << 20,
        Counter::DiskReadBytes
        | Counter::DiskWriteBytes
        | Counter::NetRxBytes
        | Counter::NetTxBytes => GREATEST_TRAFFIC.into(),
        Counter::PageFaults => {
            u128::from(GREATEST_FAULTS) * u128::from(resources.cpu_millis.div_ceil(1000))
        }
        Counter::VolumeByteSecs => u128::from(resources.volume_mib) << 20,
    };
    a_second * u128::from(duration_ms) / 1000
}

/// What the two ways of reading may differ by at any time: one step of the counter's source.
const fn slack(counter: Counter) -> u128 {
    match counter {
        Counter::CpuMicros | Counter::CpuUserMicros | Counter::CpuSystemMicros => 20_000,
        Counter::MemoryByteSecs => 1 << 20,
        Counter::DiskReadBytes | Counter::DiskWriteBytes => 1 << 20,
        Counter::NetRxBytes | Counter::NetTxBytes => 1 << 16,
        Counter::PageFaults => 1_000,
        Counter::VolumeByteSecs => 0,
    }
}

/// The counters that the machine cannot have passed by physics: its resources in full use since
/// the baseline. Counters that the baseline lacks are left out.
pub fn physical_limit(baseline: &Usage, resources: &Resources, elapsed_ms: u64) -> Usage {
    let mut limit = Usage::default();
    for (counter, start) in baseline.iter() {
        let slack_ms = match counter {
            Counter::VolumeByteSecs => VOLUME_SLACK_MS,
            _ => START_SLACK_MS,
        };
        let used = most(counter, resources, elapsed_ms.saturating_add(slack_ms));
        let total = u128::from(start) + used + used / 100 + slack(counter);
        limit.set(counter, u64::try_from(total).unwrap_or(u64::MAX));
    }
    limit
}

/// Longest time without a reading, over all restarts of the machine, that is made up for.
const RESTARTS_MS: u64 = 60_000;

/// A reading and when it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct Reading {
    usage: Usage,
    at: Millis,
}

/// The two readings that everything later is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct Anchor {
    theirs: Reading,
    own: Reading,
}

/// The sums after another reading.
fn summed(sums: &Usage, raw: &Usage, usage: &Usage, is_anew: bool) -> Usage {
    let mut next = *sums;
    for (counter, value) in usage.iter() {
        let grown = match raw.get(counter) {
            Some(before) if value >= before && !is_anew => value - before,
            Some(_) if !is_anew => 0,
            _ => value,
        };
        next.set(counter, sums.get(counter).unwrap_or(0).saturating_add(grown));
    }
    next
}

fn growth(later: &Usage, earlier: &Usage, counter: Counter) -> Option<u128> {
    later.get(counter)?.checked_sub(earlier.get(counter)?).map(u128::from)
}

/// Which figures of the provider are out of agreement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Above,
    Both,
}

/// A counter on which the two do not agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Deviation {
    /// Which one.
    pub counter: Counter,
    /// What the provider says was used since the two were first compared.
    pub claimed: u64,
    /// What was read inside the machine.
    pub read: u64,
    /// By how much they may differ.
    pub tolerance: u64,
}

/// Most that is believed of each counter, and where the provider's figures are furthest off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Bounds {
    top: Usage,
    off: Option<Deviation>,
}

impl Bounds {
    fn take(
        &mut self,
        counter: Counter,
        start: u64,
        claimed: u128,
        read: u128,
        tolerance: u128,
        side: Side,
    ) {
        let fitting = |figure: u128| u64::try_from(figure).unwrap_or(u64::MAX);
        self.top.set(counter, fitting(u128::from(start) + read + tolerance));
        let is_off = match side {
            Side::Above => claimed > read + tolerance,
            Side::Both => claimed.abs_diff(read) > tolerance,
        };
        if is_off {
            let (claimed, read, tolerance) = (fitting(claimed), fitting(read), fitting(tolerance));
            let found = Deviation { counter, claimed, read, tolerance };
            let times = |d: &Deviation| d.claimed.abs_diff(d.read) / d.tolerance.max(1);
            if self.off.is_none_or(|off| times(&off) < times(&found)) {
                self.off = Some(found);
            }
        }
    }

    /// The lower bound of each counter, and the first deviation that there is.
    fn and(self, other: Bounds) -> Bounds {
        let mut top = bounded(&self.top, &other.top);
        for (counter, value) in other.top.iter().filter(|(c, _)| self.top.get(*c).is_none()) {
            top.set(counter, value);
        }
        Bounds { top, off: self.off.or(other.off) }
    }
}

/// What a comparison says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// There is no own reading to compare with, and none is overdue.
    Unchecked,
    /// The readings agree.
    Agreed,
    /// The provider's figures are more than the tolerance away.
    Disagreed {
        /// Upper bound of each counter that could be compared.
        bound: Usage,
    },
    /// For too long there has been nothing to compare with; it counts as a disagreement.
    Overdue,
}

/// Both sides' readings over one lease.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Agreement {
    started: Millis,
    first_own: Option<Usage>,
    /// The newest own reading, its counters summed over restarts of the machine.
    own: Option<Reading>,
    /// The same as it was read.
    raw: Usage,
    /// Time without a reading at restarts, milliseconds.
    restarts_ms: u64,
    anchor: Option<Anchor>,
    /// The provider's latest figures, as far as they were believed.
    theirs: Option<Reading>,
    look: Look,
    agreed: bool,
    disagreements: u8,
    off: Option<Deviation>,
}

impl Agreement {
    /// Nothing has been read yet; the machine became ready at `started`.
    pub fn new(started: Millis) -> Self {
        Self {
            started,
            first_own: None,
            own: None,
            raw: Usage::default(),
            restarts_ms: 0,
            anchor: None,
            theirs: None,
            look: Look::default(),
            agreed: false,
            disagreements: 0,
            off: None,
        }
    }

    /// The same, where the provider's counters at the start are known: they are what the first own
    /// reading is compared with.
    #[must_use]
    pub fn since(mut self, baseline: Usage, started: Millis) -> Self {
        self.theirs = Some(Reading { usage: baseline, at: started });
        self
    }

    /// Takes note of counters that were read inside the machine, at `at` by its clock.
    ///
    /// Where processor time falls, the machine was started anew and all counters count from zero; the
    /// comparison goes on with their sums. A counter that falls or vanishes alone stands still.
    pub fn read(&mut self, usage: Usage, at: Millis, now: Millis) {
        let processor = |usage: &Usage| usage.get(Counter::CpuMicros);
        let has_fallen =
            processor(&usage).zip(processor(&self.raw)).is_none_or(|(is, was)| is < was);
        let is_anew = has_fallen && usage.first_fallen(&self.raw).is_some();
        if let (true, Some(own)) = (is_anew, self.own) {
            // What was used after the last reading of the old one is in no reading.
            let unread = now.saturating_sub(own.at).min(MAX_LAG_MS);
            self.restarts_ms = self.restarts_ms.saturating_add(unread).min(RESTARTS_MS);
        }
        let sum = self.own.map_or(usage, |own| summed(&own.usage, &self.raw, &usage, is_anew));
        self.raw = usage;
        let usage = sum;
        if let (None, None, Some(theirs)) = (self.own, self.anchor, self.theirs) {
            self.anchor = Some(Anchor { theirs, own: Reading { usage, at: now } });
        }
        self.first_own.get_or_insert(usage);
        self.own = Some(Reading { usage, at: now });
        self.look.read(Line { usage, at }, now);
    }

    /// Compares the priced counters that the provider has just sent with the own readings.
    pub fn compare(
        &mut self,
        theirs: &Usage,
        rates: &Rates,
        resources: &Resources,
        now: Millis,
    ) -> Comparison {
        let (comparison, at_once) = self.comparison(theirs, rates, resources, now);
        let restarts_ms = self.restarts_ms;
        let closer = self.look.judge(rates, |counter| most(counter, resources, restarts_ms));
        let bounds = at_once.and(closer.unwrap_or_default());
        let comparison = match (comparison, bounds.off) {
            (Comparison::Overdue, _) => Comparison::Overdue,
            (_, Some(_)) => Comparison::Disagreed { bound: bounds.top },
            (other, None) => other,
        };
        let usage = match &comparison {
            Comparison::Disagreed { bound } => bounded(theirs, bound),
            Comparison::Unchecked | Comparison::Agreed => *theirs,
            Comparison::Overdue => self.theirs.map_or(*theirs, |before| before.usage),
        };
        self.theirs = Some(Reading { usage, at: now });
        self.look.hear(*theirs, now);
        match comparison {
            Comparison::Unchecked => {}
            // Between two closer looks nothing is known of figures that were found to be too high.
            Comparison::Agreed if self.disagreements > 0 && closer.is_none() => {}
            Comparison::Agreed => (self.agreed, self.disagreements) = (true, 0),
            Comparison::Disagreed { .. } | Comparison::Overdue => {
                self.agreed = false;
                self.disagreements = self.disagreements.saturating_add(1);
                self.off = bounds.off;
            }
        }
        comparison
    }

    fn comparison(
        &mut self,
        theirs: &Usage,
        rates: &Rates,
        resources: &Resources,
        now: Millis,
    ) -> (Comparison, Bounds) {
        let mut bounds = Bounds::default();
        let Some(own) = self.own else {
            let is_late = now.saturating_sub(self.started) > FIRST_READING_MS;
            return (if is_late { Comparison::Overdue } else { Comparison::Unchecked }, bounds);
        };
        let Some(anchor) = self.anchor else {
            // The first own reading may be as old as the tolerance allows, not older.
            if now.saturating_sub(own.at) > MAX_LAG_MS {
                return (Comparison::Overdue, bounds);
            }
            self.anchor = Some(Anchor { theirs: Reading { usage: *theirs, at: now }, own });
            return (Comparison::Unchecked, bounds);
        };
        let lag = now.abs_diff(own.at).saturating_add(anchor.theirs.at.abs_diff(anchor.own.at));
        let span = (lag.min(MAX_LAG_MS) + QUANTUM_MS).saturating_add(self.restarts_ms);
        for (counter, _) in rates.priced() {
            let start = anchor.theirs.usage.get(counter);
            let (Some(start), Some(claimed), Some(read)) = (
                start,
                growth(theirs, &anchor.theirs.usage, counter),
                growth(&own.usage, &anchor.own.usage, counter),
            ) else {
                // A counter that cannot be read inside the machine has only its physical limit.
                continue;
            };
            let tolerance = most(counter, resources, span) + slack(counter) + read / 100;
            bounds.take(counter, start, claimed, read, tolerance, Side::Both);
        }
        (Comparison::Agreed, bounds)
    }

    /// Whether the latest comparison was within the tolerance.
    pub fn agreed(&self) -> bool {
        self.agreed
    }

    /// Comparisons in a row that were not.
    pub fn disagreements(&self) -> u8 {
        self.disagreements
    }

    /// Where the two were furthest off when they last did not agree; nothing where there was no own
    /// reading for too long.
    pub fn deviation(&self) -> Option<Deviation> {
        self.off
    }

    /// What was used since the first own reading, as read inside the machine.
    pub fn own_usage(&self) -> Option<Usage> {
        self.own?.usage.since(&self.first_own?)
    }
}

/// The smaller figure of each counter; where the bound has none, the other stands.
pub fn bounded(usage: &Usage, bound: &Usage) -> Usage {
    let mut least = *usage;
    for (counter, value) in usage.iter() {
        if let Some(limit) = bound.get(counter) {
            least.set(counter, value.min(limit));
        }
    }
    least
}
