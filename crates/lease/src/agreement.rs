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
//! The comparison always starts from the same point, so whatever the tolerance lets through is
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
    own: Option<Reading>,
    anchor: Option<Anchor>,
    /// The provider's latest figures, as far as they were believed.
    theirs: Option<Reading>,
    agreed: bool,
    disagreements: u8,
}

impl Agreement {
    /// Nothing has been read yet; the machine became ready at `started`.
    pub fn new(started: Millis) -> Self {
        Self {
            started,
            first_own: None,
            own: None,
            anchor: None,
            theirs: None,
            agreed: false,
            disagreements: 0,
        }
    }

    /// The same, where the provider's counters at the start are known: they are what the first own
    /// reading is compared with.
    #[must_use]
    pub fn since(mut self, baseline: Usage, started: Millis) -> Self {
        self.theirs = Some(Reading { usage: baseline, at: started });
        self
    }

    /// Takes note of counters that were read inside the machine.
    ///
    /// Counters that fall belong to a new beginning, from which the comparison starts again.
    pub fn read(&mut self, usage: Usage, now: Millis) {
        if self.own.is_some_and(|own| usage.first_fallen(&own.usage).is_some()) {
            let own = Reading { usage, at: now };
            self.anchor = self.theirs.map(|theirs| Anchor { theirs, own });
            self.first_own = None;
        }
        if let (None, None, Some(theirs)) = (self.own, self.anchor, self.theirs) {
            self.anchor = Some(Anchor { theirs, own: Reading { usage, at: now } });
        }
        self.first_own.get_or_insert(usage);
        self.own = Some(Reading { usage, at: now });
    }

    /// Compares the priced counters that the provider has just sent with the own readings.
    pub fn compare(
        &mut self,
        theirs: &Usage,
        rates: &Rates,
        resources: &Resources,
        now: Millis,
    ) -> Comparison {
        let comparison = self.comparison(theirs, rates, resources, now);
        let usage = match &comparison {
            Comparison::Disagreed { bound } => bounded(theirs, bound),
            Comparison::Unchecked | Comparison::Agreed => *theirs,
            Comparison::Overdue => self.theirs.map_or(*theirs, |before| before.usage),
        };
        self.theirs = Some(Reading { usage, at: now });
        match comparison {
            Comparison::Unchecked => {}
            Comparison::Agreed => (self.agreed, self.disagreements) = (true, 0),
            Comparison::Disagreed { .. } | Comparison::Overdue => {
                self.agreed = false;
                self.disagreements = self.disagreements.saturating_add(1);
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
    ) -> Comparison {
        let Some(own) = self.own else {
            return if now.saturating_sub(self.started) > FIRST_READING_MS {
                Comparison::Overdue
            } else {
                Comparison::Unchecked
            };
        };
        let Some(anchor) = self.anchor else {
            // The first own reading may be as old as the tolerance allows, not older.
            if now.saturating_sub(own.at) > MAX_LAG_MS {
                return Comparison::Overdue;
            }
            self.anchor = Some(Anchor { theirs: Reading { usage: *theirs, at: now }, own });
            return Comparison::Unchecked;
        };
        let lag = now.abs_diff(own.at).saturating_add(anchor.theirs.at.abs_diff(anchor.own.at));
        let span = lag.min(MAX_LAG_MS) + QUANTUM_MS;
        let mut agrees = true;
        let mut bound = Usage::default();
        for (counter, _) in rates.priced() {
            let delta = |later: &Usage, earlier: &Usage| {
                later.get(counter)?.checked_sub(earlier.get(counter)?).map(u128::from)
            };
            let start = anchor.theirs.usage.get(counter);
            let (Some(start), Some(used), Some(read)) =
                (start, delta(theirs, &anchor.theirs.usage), delta(&own.usage, &anchor.own.usage))
            else {
                // A counter that cannot be read inside the machine has only its physical limit.
                continue;
            };
            let tolerance = most(counter, resources, span) + slack(counter) + read / 100;
            agrees &= used.abs_diff(read) <= tolerance;
            let top = u128::from(start) + read + tolerance;
            bound.set(counter, u64::try_from(top).unwrap_or(u64::MAX));
        }
        if agrees {
            Comparison::Agreed
        } else {
            Comparison::Disagreed { bound }
        }
    }

    /// Whether the latest comparison was within the tolerance.
    pub fn agreed(&self) -> bool {
        self.agreed
    }

    /// Comparisons in a row that were not.
    pub fn disagreements(&self) -> u8 {
        self.disagreements
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
        agreement.read(cpu(700), 1_900);
        assert_eq!(agreement.compare(&cpu(1_000), &rates(), &RESOURCES, 2_000), UNCHECKED);
        agreement
    }

    const UNCHECKED: Comparison = Comparison::Unchecked;

    #[test]
    fn readings_of_different_origins_agree_by_their_differences() {
        let mut agreement = paired();
        agreement.read(cpu(30_000_700), 31_900);
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
            agreement.read(cpu(700), now - 100);
            let claimed = cpu(1_000 + 500_000 * tick);
            match agreement.compare(&claimed, &rates(), &RESOURCES, now) {
                Comparison::Agreed | Comparison::Unchecked | Comparison::Overdue => {}
                Comparison::Disagreed { bound } => {
                    refused += 1;
                    let most = 1_000 + 1_200_000 + 20_000;
                    assert_eq!(bound.get(Counter::CpuMicros), Some(most));
                }
            }
        }
        assert_eq!(refused, 18);
        assert_eq!(agreement.disagreements(), 18);
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
        agreement.read(both(0, 0), 0);
        let _ = agreement.compare(&both(0, 0), &rates(), &RESOURCES, 0);
        let now = agreement.compare(&both(0, u64::MAX), &rates(), &RESOURCES, 10);
        assert_eq!(now, Comparison::Agreed);
    }

    #[test]
    fn figures_that_are_too_low_are_out_of_agreement_as_well() {
        let mut agreement = paired();
        agreement.read(cpu(60_000_700), 61_900);
        let now = agreement.compare(&cpu(1_000), &rates(), &RESOURCES, 62_000);
        assert!(matches!(now, Comparison::Disagreed { .. }));
    }

    #[test]
    fn own_counters_that_fall_go_on_where_the_last_comparison_ended() {
        let mut agreement = paired();
        agreement.read(cpu(5), 3_900);
        let honest = agreement.clone().compare(&cpu(1_900_000), &rates(), &RESOURCES, 4_000);
        assert_eq!(honest, Comparison::Agreed);
        assert_eq!(agreement.own_usage(), Some(cpu(0)));
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
