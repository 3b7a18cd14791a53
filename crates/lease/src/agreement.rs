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

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Rates,
    contract::Resources,
    usage::{Counter, Usage},
};

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

/// Longest that a provider's figures are taken to be on their way when the closer look begins.
pub const DELAY_MS: u64 = 1_000;

/// By how much sooner than the fastest line the provider's figures may arrive.
pub const EARLY_MS: u64 = 50;

/// By how much the two clocks may drift apart, microseconds in each millisecond.
const DRIFT_MICROS: f64 = 0.2;

/// First reports that are passed over when they say less than was read for sure before they came:
/// they were on their way for longer than [`DELAY_MS`].
const LATE_REPORTS: u8 = 5;

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

/// A line that was read inside the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct Line {
    usage: Usage,
    /// By the machine's clock.
    at: Millis,
}

/// What the provider said, until an own reading was made after it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct Pending {
    theirs: Usage,
    heard: Millis,
    /// When it arrived, by the machine's clock.
    at: Millis,
    /// What had been used for sure when it was read.
    low: Option<Usage>,
}

/// What the provider said, and what had been used at most by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
struct Bracketed {
    theirs: Usage,
    low: Option<Usage>,
    high: Usage,
}

/// The closer look at what the provider says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
struct Look {
    /// Time of the own clock less that of the machine's, by the line that came fastest, microseconds.
    offset: Option<i64>,
    last: Option<Line>,
    /// Two lines at least [`DELAY_MS`] apart, the second at least that much older than the last.
    aging: Option<Line>,
    aged: Option<Line>,
    pending: Option<Pending>,
    bracketed: Option<Bracketed>,
    /// What everything later is compared with: what the provider said, and the least that had been
    /// used.
    start: Option<(Usage, Usage)>,
    /// First reports that were passed over.
    late: u8,
}

impl Look {
    fn read(&mut self, line: Line, now: Millis) {
        // The machine's clock is whatever its provider lets it be.
        let offset = micros(now).saturating_sub(micros(line.at));
        if self.last.is_some_and(|last| line.at < last.at) {
            // Its host was booted anew.
            let (start, late) = (self.start, self.late);
            *self = Look { start, late, ..Look::default() };
        }
        let passed = self.last.map_or(0, |last| line.at.saturating_sub(last.at));
        // Conversion saturates.
        let drift = (passed as f64 * DRIFT_MICROS) as i64;
        let drifted = self.offset.map(|known| known.saturating_add(drift));
        self.offset = Some(drifted.map_or(offset, |known| known.min(offset)));
        let is_old = |known: Line| line.at.saturating_sub(known.at) >= DELAY_MS;
        if self.aging.is_none_or(is_old) {
            self.aged = self.aging.replace(line);
        }
        let is_after = |p: &mut Pending| line.at >= p.at.saturating_add(EARLY_MS);
        if let Some(Pending { theirs, low, .. }) = self.pending.take_if(is_after) {
            self.bracketed = Some(Bracketed { theirs, low, high: line.usage });
        }
        // What was never followed by a line in time says nothing.
        self.pending.take_if(|pending| now.saturating_sub(pending.heard) >= MAX_LAG_MS);
        self.last = Some(line);
    }

    fn hear(&mut self, theirs: Usage, now: Millis) {
        let (None, Some(offset)) = (&self.pending, self.offset) else { return };
        let at = u64::try_from(micros(now).saturating_sub(offset) / 1000).unwrap_or(0);
        let is_before = |line: &Line| line.at.saturating_add(DELAY_MS) <= at;
        let low = self.aged.filter(is_before).map(|line| line.usage);
        self.pending = Some(Pending { theirs, heard: now, at, low });
    }

    /// What the newest figures that could be looked at say; nothing where there are none.
    fn judge(&mut self, rates: &Rates, restarts: impl Fn(Counter) -> u128) -> Option<Bounds> {
        let Bracketed { theirs, low, high } = self.bracketed.take()?;
        let mut bounds = Bounds::default();
        let Some((their_start, own_start)) = self.start else {
            let low = low?;
            let is_late =
                |counter| is_read_alike(counter) && theirs.get(counter) < low.get(counter);
            if self.late < LATE_REPORTS && rates.priced().any(|(counter, _)| is_late(counter)) {
                self.late += 1;
                return None;
            }
            self.start = Some(begin(&theirs, &low, &high));
            return Some(bounds);
        };
        let priced = rates.priced().map(|(counter, _)| counter);
        for counter in priced.filter(|counter| is_read_alike(*counter)) {
            let start = their_start.get(counter);
            let (Some(start), Some(claimed), Some(read)) =
                (start, growth(&theirs, &their_start, counter), growth(&high, &own_start, counter))
            else {
                continue;
            };
            let tolerance = slack(counter) + read / 100 + restarts(counter);
            bounds.take(counter, start, claimed, read, tolerance, Side::Above);
        }
        Some(bounds)
    }
}

fn micros(millis: Millis) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1000)
}

/// Where both sides' counting starts: at the same figures where that can be, since both count from
/// the making of the machine. After a restart it may not be; then with what the provider says and
/// the least that had been used.
fn begin(theirs: &Usage, low: &Usage, high: &Usage) -> (Usage, Usage) {
    let (mut their_start, mut own_start) = (*theirs, *low);
    for (counter, least) in low.iter() {
        let (Some(said), Some(most)) = (theirs.get(counter), high.get(counter)) else { continue };
        let near = u128::from(most) + u128::from(most) / 10 + slack(counter);
        if said >= least && u128::from(said) <= near {
            their_start.set(counter, said.min(most));
            own_start.set(counter, said.min(most));
        }
    }
    (their_start, own_start)
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

/// Whether both sides read the same sum of the kernel's.
const fn is_read_alike(counter: Counter) -> bool {
    !matches!(counter, Counter::MemoryByteSecs | Counter::VolumeByteSecs)
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

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCES: Resources =
        Resources { cpu_millis: 1000, memory_mib: 256, disk_mib: 0, volume_mib: 0 };

    fn cpu(micros: u64) -> Usage {
        Usage::default().with(Counter::CpuMicros, micros)
    }

    fn rates() -> Rates {
        Rates::default().with(Counter::CpuMicros, 1)
    }

    fn paired() -> Agreement {
        let mut agreement = Agreement::new(0);
        agreement.read(cpu(700), 1_900, 1_900);
        assert_eq!(agreement.compare(&cpu(1_000), &rates(), &RESOURCES, 2_000), UNCHECKED);
        agreement
    }

    const UNCHECKED: Comparison = Comparison::Unchecked;

    #[test]
    fn readings_of_different_origins_agree_by_their_differences() {
        let mut agreement = paired();
        agreement.read(cpu(30_000_700), 31_900, 31_900);
        let now = agreement.compare(&cpu(30_001_000), &rates(), &RESOURCES, 32_000);
        assert_eq!(now, Comparison::Agreed);
        assert_eq!(agreement.own_usage(), Some(cpu(30_000_000)));
    }

    #[test]
    fn the_tolerance_is_granted_once_and_not_at_every_tick() {
        let mut agreement = paired();
        let mut refused = 0;
        for tick in 1..=20u64 {
            let now = 2_000 + 2_000 * tick;
            agreement.read(cpu(700), now - 100, now - 100);
            let claimed = cpu(1_000 + 500_000 * tick);
            match agreement.compare(&claimed, &rates(), &RESOURCES, now) {
                Comparison::Agreed | Comparison::Unchecked | Comparison::Overdue => {}
                Comparison::Disagreed { bound } => {
                    refused += 1;
                    // What was let through before the first closer look, and its slack.
                    let most = 1_000 + 500_000 + 20_000;
                    assert_eq!(bound.get(Counter::CpuMicros), Some(most));
                }
            }
        }
        assert_eq!(refused, 18);
        assert_eq!(agreement.disagreements(), 18);
    }

    /// Two of traffic: what the provider says and what is read, as parts of 1 MiB a second.
    fn traffic(percent: u64, millis: u64) -> Usage {
        Usage::default().with(Counter::NetTxBytes, (millis * 1_048 + 7) * percent / 100)
    }

    /// Reports every two seconds, own readings every 250 ms that begin `phase` ms later, each some
    /// time on its way; gives the tick at which figures were refused first and the last bound.
    fn exchange(percent: u64, phase: u64, ticks: u64) -> (Option<u64>, Agreement, Usage) {
        let rates = Rates::default().with(Counter::NetTxBytes, 1);
        let mut agreement = Agreement::new(0);
        let (mut refused, mut believed) = (None, Usage::default());
        // By the machine's clock it is later by an hour.
        let booted = 3_600_000;
        for millis in 0..=ticks * 2_000 {
            if millis % 250 == phase {
                let late = 3 + millis % 90;
                agreement.read(
                    traffic(100, millis - millis.min(late)),
                    booted + millis - millis.min(late),
                    millis,
                );
            }
            if millis > 0 && millis % 2_000 == 0 {
                let claimed = traffic(percent, millis - 5 - millis % 70);
                match agreement.compare(&claimed, &rates, &RESOURCES, millis) {
                    Comparison::Disagreed { bound } => {
                        refused = refused.or(Some(millis / 2_000));
                        believed = bounded(&claimed, &bound);
                    }
                    Comparison::Agreed | Comparison::Unchecked | Comparison::Overdue => {
                        believed = claimed;
                    }
                }
            }
        }
        (refused, agreement, believed)
    }

    #[test]
    fn five_percent_too_much_is_out_of_agreement_for_five_ticks_within_ten() {
        for phase in (0..250).step_by(10) {
            let (refused, agreement, believed) = exchange(105, phase, 10);
            assert!(refused.is_some_and(|tick| tick <= 6), "{phase}: {refused:?}");
            assert!(agreement.disagreements() >= 5, "{phase}: {agreement:?}");
            let off = agreement.deviation().unwrap();
            assert_eq!(off.counter, Counter::NetTxBytes);
            assert!(off.claimed > off.read + off.tolerance);
            // One percent, the slack, and what is sent between two own readings.
            let truth = traffic(100, 20_000).get(Counter::NetTxBytes).unwrap();
            let most = truth + truth / 100 + (1 << 16) + 400 * 1_048;
            assert!(believed.get(Counter::NetTxBytes).unwrap() <= most, "{phase}");
        }
    }

    #[test]
    fn an_honest_provider_agrees_at_every_phase_of_the_readings() {
        for phase in (0..250).step_by(10) {
            let (refused, agreement, _) = exchange(100, phase, 300);
            assert_eq!(refused, None, "{phase}: {:?}", agreement.deviation());
            assert!(agreement.agreed());
        }
    }

    #[test]
    fn a_machine_whose_host_was_booted_anew_grants_no_second_tolerance() {
        let (refused, mut agreement, _) = exchange(100, 0, 20);
        assert_eq!(refused, None);
        let rates = Rates::default().with(Counter::NetTxBytes, 1);
        let mut claimed = 0;
        for tick in 21..40u64 {
            let now = tick * 2_000;
            // The clock starts again and nothing is sent any more.
            for part in 0..5 {
                let at = (tick - 21) * 2_000 + part * 400;
                agreement.read(traffic(100, 40_000), at, now + part * 400);
            }
            claimed = 40_000 + (tick - 20) * 2_000;
            let _ = agreement.compare(&traffic(100, claimed), &rates, &RESOURCES, now + 1_900);
        }
        assert!(claimed > 70_000 && agreement.disagreements() >= 5, "{agreement:?}");
    }

    #[test]
    fn a_counter_that_falls_alone_grants_nothing() {
        let both = |micros: u64, sent: u64| cpu(micros).with(Counter::NetTxBytes, sent);
        let rates = rates().with(Counter::NetTxBytes, 1);
        let mut agreement = Agreement::new(0);
        for tick in 1..40u64 {
            let now = tick * 2_000;
            for part in 0..8 {
                // An interface comes and goes, so that the sum of them falls before each report.
                let sent = if part == 7 { 5_000 } else { 9_000 };
                agreement.read(both(100 * tick, sent), now + part * 250, now + part * 250);
            }
            let claimed = both(100 * tick, 9_000 + tick * 100_000_000);
            let _ = agreement.compare(&claimed, &rates, &RESOURCES, now + 1_900);
        }
        assert!(agreement.disagreements() >= 5, "{agreement:?}");
    }

    #[test]
    fn an_honest_provider_whose_machine_is_started_anew_stays_in_agreement() {
        let mut agreement = Agreement::new(0);
        // Its own sums go on; the machine counts from zero after its end at 21 s.
        let used = |millis: u64| cpu(millis * 1_000 + 50_000);
        let raw = |millis: u64| cpu(millis.checked_sub(22_000).unwrap_or(millis) * 1_000 + 50_000);
        for millis in (0..120_000).step_by(50) {
            let is_down = (19_600..22_300).contains(&millis);
            if millis % 250 == 100 && !is_down {
                agreement.read(raw(millis), millis, millis);
            }
            if millis % 2_000 == 0 && millis > 0 {
                // The restart cost the host a little, which is counted too.
                let claimed = used(millis).get(Counter::CpuMicros).unwrap();
                let compared = agreement.compare(&cpu(claimed), &rates(), &RESOURCES, millis);
                assert!(
                    !matches!(compared, Comparison::Disagreed { .. }),
                    "{millis}: {compared:?}"
                );
            }
        }
        assert!(agreement.agreed());
    }

    #[test]
    fn a_first_report_that_was_long_on_its_way_is_passed_over() {
        let mut agreement = Agreement::new(0);
        for millis in (0..60_000).step_by(50) {
            if millis % 250 == 100 {
                agreement.read(cpu(millis * 1_000), millis, millis);
            }
            if millis % 2_000 == 0 && millis > 0 {
                let read_at = if millis == 4_000 { 1_000 } else { millis };
                let _ = agreement.compare(&cpu(read_at * 1_000), &rates(), &RESOURCES, millis);
            }
        }
        assert!(agreement.agreed() && agreement.disagreements() == 0, "{agreement:?}");
    }

    #[test]
    fn a_machine_whose_clock_says_anything_does_no_harm() {
        let times = [0, 1, u64::MAX, 1 << 63, 5, i64::MAX as u64, 0, u64::MAX];
        for (tick, (at, now)) in times.into_iter().zip(times.into_iter().rev()).enumerate() {
            let mut agreement = paired();
            for (k, at) in [at, now, at].into_iter().enumerate() {
                agreement.read(cpu(700 + (tick + k) as u64), at, now);
                let _ = agreement.compare(&cpu(1_000), &rates(), &RESOURCES, now);
            }
        }
    }

    #[test]
    fn holding_back_the_own_readings_does_not_widen_the_tolerance_for_ever() {
        let mut agreement = paired();
        let full = |now: u64| cpu(1_000 + (now - 2_000) * 1_000);
        assert_eq!(
            agreement.compare(&full(14_000), &rates(), &RESOURCES, 14_000),
            Comparison::Agreed
        );
        let later = agreement.compare(&full(40_000), &rates(), &RESOURCES, 40_000);
        assert!(matches!(later, Comparison::Disagreed { .. }), "{later:?}");
    }

    #[test]
    fn a_provider_that_never_lets_the_publisher_read_is_out_of_agreement() {
        let mut agreement = Agreement::new(0);
        assert_eq!(agreement.compare(&cpu(1), &rates(), &RESOURCES, FIRST_READING_MS), UNCHECKED);
        let late = agreement.compare(&cpu(2), &rates(), &RESOURCES, FIRST_READING_MS + 1);
        assert_eq!(late, Comparison::Overdue);
    }

    #[test]
    fn a_counter_without_price_may_differ() {
        let mut agreement = Agreement::new(0);
        let both = |cpu: u64, net: u64| {
            Usage::default().with(Counter::CpuMicros, cpu).with(Counter::NetRxBytes, net)
        };
        agreement.read(both(0, 0), 0, 0);
        let _ = agreement.compare(&both(0, 0), &rates(), &RESOURCES, 0);
        let now = agreement.compare(&both(0, u64::MAX), &rates(), &RESOURCES, 10);
        assert_eq!(now, Comparison::Agreed);
    }

    #[test]
    fn figures_that_are_too_low_are_out_of_agreement_as_well() {
        let mut agreement = paired();
        agreement.read(cpu(60_000_700), 61_900, 61_900);
        let now = agreement.compare(&cpu(1_000), &rates(), &RESOURCES, 62_000);
        assert!(matches!(now, Comparison::Disagreed { .. }));
    }

    #[test]
    fn own_counters_that_fall_go_on_where_the_last_comparison_ended() {
        let mut agreement = paired();
        agreement.read(cpu(5), 3_900, 3_900);
        let honest = agreement.clone().compare(&cpu(1_900_000), &rates(), &RESOURCES, 4_000);
        assert_eq!(honest, Comparison::Agreed);
        assert_eq!(agreement.own_usage(), Some(cpu(5)));
        let now = agreement.compare(&cpu(60_000_000), &rates(), &RESOURCES, 4_000);
        assert!(matches!(now, Comparison::Disagreed { .. }), "{now:?}");
    }

    #[test]
    fn full_use_is_within_the_physical_limit_and_twice_that_is_not() {
        let limit = physical_limit(&cpu(10), &RESOURCES, 60_000);
        let most = limit.get(Counter::CpuMicros).unwrap();
        assert!((60_000_000..120_000_000).contains(&most), "{most}");
        assert_eq!(limit.get(Counter::NetRxBytes), None);
        let endless = physical_limit(&cpu(u64::MAX), &RESOURCES, u64::MAX);
        assert_eq!(endless.get(Counter::CpuMicros), Some(u64::MAX));
    }
}
