//! What a profile of use costs under rates, and how offers compare by it.
//!
//! A profile is the usage of something that is done again and again: of a second of a program, or
//! of a unit of its work. Rates of different machines compare only by the latter, because a second
//! of one is not worth a second of another.

use zennet_primitives::{
    amount::{PriceError, Rates},
    usage::Usage,
};

/// What a profile costs, in 1e-18 of the smallest unit of the coin.
///
/// Unlike a bill it is not rounded: the cheapest profile compares as exactly as the dearest.
/// A counter that has a rate must be in the profile.
pub fn cost(profile: &Usage, rates: &Rates) -> Result<u128, PriceError> {
    rates.priced().try_fold(0u128, |sum, (counter, rate)| {
        let used = profile.get(counter).ok_or(PriceError::Absent(counter))?;
        let part = rate.checked_mul(used.into()).ok_or(PriceError::Overflow(counter))?;
        sum.checked_add(part).ok_or(PriceError::Overflow(counter))
    })
}

/// How many times as dear the first offer is as the second: each is a profile on its machine with
/// the rates for it. Nothing where the second is free.
pub fn ratio(
    (profile, rates): (&Usage, &Rates),
    (other, other_rates): (&Usage, &Rates),
) -> Result<Option<f64>, PriceError> {
    let (cost, other) = (cost(profile, rates)?, cost(other, other_rates)?);
    Ok((other > 0).then(|| cost as f64 / other as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zennet_primitives::{amount::RATE_SCALE, usage::Counter};

    use super::*;

    fn profile(cpu: u64, sent: u64) -> Usage {
        Usage::default().with(Counter::CpuMicros, cpu).with(Counter::NetTxBytes, sent)
    }

    fn rates(cpu: u128, sent: u128) -> Rates {
        Rates::default().with(Counter::CpuMicros, cpu).with(Counter::NetTxBytes, sent)
    }

    #[test]
    fn offers_compare_by_what_the_profile_costs() {
        let busy = profile(1_000_000, 10);
        let compare = |a: &Rates, b: &Rates| ratio((&busy, a), (&busy, b));
        assert_eq!(compare(&rates(3, 0), &rates(1, 1_000_000)), Ok(Some(3.0 / 11.0)));
        assert_eq!(compare(&rates(3, 0), &rates(0, 0)), Ok(None));
        let twice_as_fast = profile(500_000, 5);
        assert_eq!(ratio((&twice_as_fast, &rates(4, 4)), (&busy, &rates(2, 2))), Ok(Some(1.0)));
    }

    #[test]
    fn a_priced_counter_must_be_in_the_profile() {
        let cpu = Usage::default().with(Counter::CpuMicros, 1);
        assert_eq!(cost(&cpu, &rates(1, 1)), Err(PriceError::Absent(Counter::NetTxBytes)));
    }

    #[test]
    fn an_overflow_is_an_error_and_never_a_low_cost() {
        let error = Err(PriceError::Overflow(Counter::CpuMicros));
        assert_eq!(cost(&profile(2, 0), &rates(u128::MAX, 0)), error);
        let error = Err(PriceError::Overflow(Counter::NetTxBytes));
        assert_eq!(cost(&profile(1, 1), &rates(u128::MAX, 1)), error);
    }

    proptest! {
        #[test]
        fn the_cost_is_the_bill_before_rounding(
            cpu in 0u64..1 << 40, sent in 0u64..1 << 40, a in 0u128..1 << 80, b in 0u128..1 << 80
        ) {
            let bill = rates(a, b).price(&profile(cpu, sent), &profile(0, 0)).unwrap();
            prop_assert_eq!(cost(&profile(cpu, sent), &rates(a, b)).unwrap() / RATE_SCALE, bill);
        }
    }
}
