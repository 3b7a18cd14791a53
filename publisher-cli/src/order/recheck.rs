//! Machines that are measured again, by surprise, and what is done with those that have become slow.

use std::{collections::BTreeMap, time::Duration};

use zennet_primitives::close::CloseReason;

use super::{report::Report, run::Running};
use crate::{
    choice::slow::{Excess, Figures},
    config::Recheck,
    work::recheck::{recheck, Check},
};

/// What the machines of an order were at first, and how often in a row each was slow.
#[derive(Default)]
pub(super) struct Rechecking {
    first: BTreeMap<u64, Figures>,
    slow: BTreeMap<u64, u32>,
}

impl Rechecking {
    /// By how much a machine is above its first figures, where that is too much or its answer was
    /// wrong, and for which time in a row.
    fn judge(&mut self, check: &Check, part: f64) -> Option<(Option<Excess>, u32)> {
        let excess = match check.figures {
            Some(now) => Some(Excess::of(now, *self.first.entry(check.lease).or_insert(now))),
            None => None,
        };
        if excess.is_some_and(|excess| !excess.is_above(part)) {
            self.slow.remove(&check.lease);
            return None;
        }
        let times = self.slow.entry(check.lease).or_insert(0);
        *times = times.saturating_add(1);
        Some((excess, *times))
    }
}

impl Running {
    /// A machine is ready: it is measured now and again, where that is wanted.
    pub(super) fn begin_rechecks(&mut self, lease: u64) {
        let Recheck { every_secs, .. } = self.order.recheck;
        if every_secs == 0 {
            return;
        }
        if let Some((remote, status)) = self.order.registry.remote(lease) {
            let every = Duration::from_secs(every_secs.into());
            self.rechecks.spawn(recheck(remote, status, every, self.checks.0.clone()));
        }
    }

    /// A machine was measured again.
    pub(super) fn rechecked(&mut self, check: &Check, report: &Report) {
        let Recheck { slower_percent, end_after, .. } = self.order.recheck;
        let part = f64::from(slower_percent) / 100.0;
        let Some((excess, times)) = self.rechecking.judge(check, part) else { return };
        let Some(status) = self.order.registry.status(check.lease) else { return };
        report.slow(&status, excess, times);
        if end_after > 0 && times >= end_after {
            self.order.registry.stop(CloseReason::Finished, |other| other.lease == check.lease);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_slow_as_often_in_a_row_as_it_is_above_its_first_figures() {
        let mut rechecking = Rechecking::default();
        let mut times = |lease, secs: Option<f64>| {
            let figures = secs.map(|secs| Figures { secs, cost: 1.0 });
            rechecking.judge(&Check { lease, figures }, 0.3).map(|(_, times)| times)
        };
        assert_eq!(times(1, Some(1.0)), None, "the first one is what it is compared with");
        assert_eq!(times(2, Some(9.0)), None);
        assert_eq!(times(1, Some(1.2)), None);
        assert_eq!(times(1, Some(1.4)), Some(1));
        assert_eq!(times(1, None), Some(2), "a wrong answer counts as well");
        assert_eq!(times(2, Some(9.0)), None);
        assert_eq!(times(1, Some(1.0)), None);
        assert_eq!(times(1, Some(2.0)), Some(1), "the row was broken");
    }
}
