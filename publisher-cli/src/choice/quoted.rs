//! What is kept of a provider's quotes while it is bargained with.

use zennet_primitives::{amount::Balance, contract::Quote};

use super::profile::Yardstick;

/// What speaks against the quotes of one meeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Quoted {
    /// What an hour costs by the last one, in the smallest coin unit, where that is too much.
    pub(crate) too_dear: Option<Balance>,
    /// The half width of the first one that says too little of what work will cost, in millionths. One
    /// that shows no benchmarks any more, after it was bargained down, does not make up for it.
    pub(crate) too_wide: Option<u32>,
}

impl Quoted {
    /// Takes note of a quote.
    pub(crate) fn hear(&mut self, quote: &Quote, yardstick: &Yardstick) {
        let per_hour = yardstick.per_hour(quote);
        self.too_dear = Some(per_hour).filter(|per_hour| yardstick.refuses(*per_hour));
        self.too_wide = self.too_wide.or(yardstick.too_wide(quote));
    }
}

#[cfg(test)]
mod tests {
    use zennet_primitives::{amount::RATE_SCALE, report::Basis, usage::Counter, Hash};

    use super::*;
    use crate::store::tests::terms;

    #[test]
    fn the_last_price_counts_and_the_first_doubt() {
        let basis = Basis { price_per_sec: 1, half_width_ppm: 9, report: Hash::zero() };
        let quote = |rate, basis| Quote {
            rates: terms().quote.rates.with(Counter::CpuMicros, rate * RATE_SCALE),
            basis,
            ..terms().quote
        };
        let cheap = Yardstick::default().per_hour(&quote(1, None));
        let yardstick = Yardstick {
            max_per_hour: Some(cheap),
            max_half_width_ppm: Some(8),
            ..Yardstick::default()
        };
        let mut quoted = Quoted::default();
        quoted.hear(&quote(2, Some(basis)), &yardstick);
        assert!(quoted.too_dear.is_some_and(|per_hour| per_hour > cheap));
        quoted.hear(&quote(1, None), &yardstick);
        assert_eq!(quoted, Quoted { too_dear: None, too_wide: Some(9) });
    }
}
