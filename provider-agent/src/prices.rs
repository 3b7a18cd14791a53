//! What this provider asks for, and what that comes from.

use zennet_primitives::{
    amount::Rates,
    report::{Basis, Report},
};

/// Rates that were chosen, or that benchmarks gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prices {
    pub(crate) rates: Rates,
    /// Where they come from benchmarks.
    pub(crate) behind: Option<(Basis, Report)>,
}

impl From<Rates> for Prices {
    fn from(rates: Rates) -> Self {
        Prices { rates, behind: None }
    }
}

impl Prices {
    pub(crate) fn basis(&self) -> Option<Basis> {
        self.behind.as_ref().map(|(basis, _)| *basis)
    }

    pub(crate) fn report(&self) -> Option<Report> {
        self.behind.as_ref().map(|(_, report)| report.clone())
    }
}
