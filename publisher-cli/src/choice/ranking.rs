//! Which machines of an order did their work for the least coin.
//!
//! A machine's figure is its cost a unit of work: what its lease came to while it was measured,
//! divided by the units of work whose answers were right. Whoever gave a wrong answer comes last,
//! whoever gave none before that; of equals the one that was hired later goes first.

use std::cmp::Ordering;

use zennet_primitives::amount::Balance;

/// What was measured of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Measured {
    /// Units of work: none before an answer was found right, and none of a task whose answer is
    /// still being checked.
    pub(crate) work: u64,
    /// What the lease came to from the start of the measurement on, in the smallest coin unit.
    pub(crate) cost: Balance,
    /// Time that the work took, milliseconds.
    pub(crate) millis: u64,
    /// Answers that were wrong.
    pub(crate) wrong: u32,
}

impl Measured {
    /// The better one is less. `a.cost / a.work` and `b.cost / b.work` are compared without
    /// division; a product beyond 128 bits is taken for the highest.
    fn cmp(&self, other: &Self) -> Ordering {
        let wrong = self.wrong.cmp(&other.wrong);
        let without = (self.work == 0).cmp(&(other.work == 0));
        let cost = |a: &Self, b: &Self| a.cost.saturating_mul(b.work.into());
        let cheaper = cost(self, other).cmp(&cost(other, self));
        wrong.then(without).then(cheaper).then(other.work.cmp(&self.work))
    }
}

/// The leases that go when `keep` of them stay, the worst first.
pub(crate) fn worst(measured: &[(u64, Measured)], keep: usize) -> Vec<u64> {
    let mut ranked = measured.to_vec();
    ranked.sort_by(|(a, figures), (b, others)| figures.cmp(others).then(a.cmp(b)));
    ranked.into_iter().skip(keep).rev().map(|(lease, _)| lease).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(work: u64, cost: Balance) -> Measured {
        Measured { work, cost, millis: 1000, wrong: 0 }
    }

    #[test]
    fn those_whose_work_cost_most_a_unit_are_dropped() {
        let all = [
            (1, measured(10, 100)),
            (2, measured(20, 100)),
            (3, measured(1, 100)),
            (4, measured(5, 1)),
        ];
        assert_eq!(worst(&all, 2), [3, 1]);
        assert_eq!(worst(&all, 4), Vec::<u64>::new());
        assert_eq!(worst(&all, 9), Vec::<u64>::new());
        assert_eq!(worst(&all, 0), [3, 1, 2, 4]);
    }

    #[test]
    fn a_wrong_answer_is_worse_than_none_and_none_is_worse_than_a_dear_one() {
        let wrong = Measured { wrong: 1, ..measured(1000, 1) };
        let all = [(1, wrong), (2, measured(0, 0)), (3, measured(1, Balance::MAX))];
        assert_eq!(worst(&all, 0), [1, 2, 3]);
    }

    #[test]
    fn among_free_machines_the_faster_and_among_equals_the_earlier_stays() {
        let all = [(7, measured(10, 0)), (8, measured(20, 0)), (9, measured(10, 0))];
        assert_eq!(worst(&all, 1), [9, 7]);
    }
}
