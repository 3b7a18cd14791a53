//! Whether a machine has become slower or dearer than it was at first.

/// A unit of standard work on one machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Figures {
    /// Time that it takes, seconds.
    pub(crate) secs: f64,
    /// What it costs, in the smallest coin unit.
    pub(crate) cost: f64,
}

/// By how much figures are above the first ones of their machine: 1 is twice as much.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Excess {
    /// Of the time.
    pub(crate) secs: f64,
    /// Of the cost.
    pub(crate) cost: f64,
}

impl Excess {
    /// Compares figures with the first ones of the same machine.
    pub(crate) fn of(now: Figures, first: Figures) -> Self {
        let above = |now: f64, first: f64| if first > 0.0 { now / first - 1.0 } else { 0.0 };
        Excess { secs: above(now.secs, first.secs), cost: above(now.cost, first.cost) }
    }

    /// Whether time or cost is above by more than a part.
    pub(crate) fn is_above(&self, part: f64) -> bool {
        self.secs > part || self.cost > part
    }
}

/// The medians of time and of cost; nothing of nothing.
pub(crate) fn middle(all: &[Figures]) -> Option<Figures> {
    let median = |figure: fn(&Figures) -> f64| {
        let mut numbers: Vec<f64> = all.iter().map(figure).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied()
    };
    Some(Figures { secs: median(|figures| figures.secs)?, cost: median(|figures| figures.cost)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Figures = Figures { secs: 2.0, cost: 10.0 };

    #[test]
    fn a_machine_is_slow_when_its_time_or_its_cost_is_above_by_more_than_the_part() {
        let is_slow = |secs, cost| Excess::of(Figures { secs, cost }, FIRST).is_above(0.25);
        assert!(!is_slow(2.0, 10.0) && !is_slow(2.5, 12.5) && !is_slow(0.1, 0.1));
        assert!(is_slow(2.6, 10.0), "it takes longer");
        assert!(is_slow(2.0, 12.6), "it is billed for more");
        assert!(Excess::of(FIRST, FIRST) == Excess { secs: 0.0, cost: 0.0 });
    }

    #[test]
    fn what_was_free_at_first_cannot_be_dearer_by_a_part() {
        let free = Figures { cost: 0.0, ..FIRST };
        assert!(!Excess::of(FIRST, free).is_above(0.25));
    }

    #[test]
    fn one_odd_measurement_of_three_does_not_move_the_middle() {
        let odd = Figures { secs: 90.0, cost: 0.0 };
        let near = Figures { secs: 2.1, cost: 11.0 };
        assert_eq!(middle(&[near, odd, FIRST]), Some(Figures { secs: 2.1, cost: 10.0 }));
        assert_eq!(middle(&[]), None);
    }
}
