//! Machines that are measured again, by surprise, and what is done with those that have become slow.

use std::{collections::BTreeMap, time::Duration};

use zennet_pricing::outliers::{outliers, Limits};
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
    /// What a unit last cost on each, in the smallest coin unit.
    costs: BTreeMap<u64, f64>,
    slow: BTreeMap<u64, u32>,
}

/// Why a machine is slow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Slow {
    /// By how much it is above its first figures; nothing where its answer was wrong.
    pub(crate) excess: Option<Excess>,
    /// Whether a unit costs more than those of the other machines explain.
    pub(crate) is_outlier: bool,
    /// For which time in a row it is slow.
    pub(crate) times: u32,
}

impl Rechecking {
    /// A machine is slow where it is above its first figures by more than a part, where it is dearer
    /// than the others explain, or where its answer was wrong.
    fn judge(&mut self, check: &Check, part: f64) -> Option<Slow> {
        let excess = match check.figures {
            Some(now) => {
                self.costs.insert(check.lease, now.cost);
                Some(Excess::of(now, *self.first.entry(check.lease).or_insert(now)))
            }
            None => None,
        };
        let is_outlier = self.is_outlier(check.lease);
        if excess.is_some_and(|excess| !excess.is_above(part)) && !is_outlier {
            self.slow.remove(&check.lease);
            return None;
        }
        let times = self.slow.entry(check.lease).or_insert(0);
        *times = times.saturating_add(1);
        Some(Slow { excess, is_outlier, times: *times })
    }

    /// Whether a unit costs more on a machine than those of the others explain, of which there must
    /// be enough; see [`outliers`].
    fn is_outlier(&self, lease: u64) -> bool {
        let priced = || self.costs.iter().filter(|(_, cost)| **cost > 0.0);
        let Some(place) = priced().position(|(other, _)| *other == lease) else { return false };
        let costs: Vec<f64> = priced().map(|(_, cost)| *cost).collect();
        outliers(&costs, &Limits::default()).is_ok_and(|found| found.contains(&place))
    }

    /// Forgets a lease that has ended.
    pub(super) fn forget(&mut self, lease: u64) {
        self.first.remove(&lease);
        self.costs.remove(&lease);
        self.slow.remove(&lease);
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
            self.rechecks.spawn(recheck(
                remote,
                status,
                every,
                self.checker.clone(),
                self.checks.0.clone(),
            ));
        }
    }

    /// A machine was measured again.
    pub(super) fn rechecked(&mut self, check: &Check, report: &Report) {
        let Recheck { slower_percent, end_after, .. } = self.order.recheck;
        let part = f64::from(slower_percent) / 100.0;
        let Some(status) = self.order.registry.status(check.lease) else { return };
        let Some(slow) = self.rechecking.judge(check, part) else { return };
        report.slow(&status, &slow);
        if end_after > 0 && slow.times >= end_after {
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
            rechecking.judge(&Check { lease, figures }, 0.3).map(|slow| slow.times)
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

    #[test]
    fn a_machine_that_is_dearer_than_a_fleet_explains_is_slow_from_its_start() {
        let mut rechecking = Rechecking::default();
        let mut slow = |lease, cost| {
            let figures = Some(Figures { secs: 1.0, cost });
            rechecking.judge(&Check { lease, figures }, 0.3)
        };
        let fleet = (1..=12u32).map(|n| (u64::from(n), 100.0 + f64::from(n)));
        for (lease, cost) in fleet {
            assert_eq!(slow(lease, cost), None);
        }
        let dear = slow(13, 300.0).unwrap();
        assert!(dear.is_outlier && dear.times == 1, "{dear:?}");
        assert_eq!(slow(5, 105.0), None);
        rechecking.forget(13);
        assert_eq!(rechecking.costs.len(), 12);
    }
}
