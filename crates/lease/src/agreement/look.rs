//! The closer look at what a provider says, when an own reading was made after it arrived.

use codec::{Decode, Encode};
use zennet_primitives::{
    amount::Rates,
    usage::{Counter, Usage},
};

use super::{growth, slack, Bounds, Side, MAX_LAG_MS};
use crate::Millis;

/// Longest that a provider's figures are taken to be on their way when the closer look begins.
const DELAY_MS: u64 = 1_000;

/// By how much sooner than the fastest line the provider's figures may arrive.
const EARLY_MS: u64 = 50;

/// By how much the two clocks may drift apart, microseconds in each millisecond.
const DRIFT_MICROS: f64 = 0.2;

/// First reports that are passed over when they say less than was read for sure before they came:
/// they were on their way for longer than [`DELAY_MS`].
const LATE_REPORTS: u8 = 5;

/// A line that was read inside the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(super) struct Line {
    pub(super) usage: Usage,
    /// By the machine's clock.
    pub(super) at: Millis,
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
pub(super) struct Look {
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
    pub(super) fn read(&mut self, line: Line, now: Millis) {
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

    pub(super) fn hear(&mut self, theirs: Usage, now: Millis) {
        let (None, Some(offset)) = (&self.pending, self.offset) else { return };
        let at = u64::try_from(micros(now).saturating_sub(offset) / 1000).unwrap_or(0);
        let is_before = |line: &Line| line.at.saturating_add(DELAY_MS) <= at;
        let low = self.aged.filter(is_before).map(|line| line.usage);
        self.pending = Some(Pending { theirs, heard: now, at, low });
    }

    /// What the newest figures that could be looked at say; nothing where there are none.
    pub(super) fn judge(
        &mut self,
        rates: &Rates,
        restarts: impl Fn(Counter) -> u128,
    ) -> Option<Bounds> {
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

/// Whether both sides read the same sum of the kernel's.
const fn is_read_alike(counter: Counter) -> bool {
    !matches!(counter, Counter::MemoryByteSecs | Counter::VolumeByteSecs)
}
