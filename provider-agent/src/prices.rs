//! What this provider asks for, and what that comes from.

use zennet_primitives::{
    amount::Rates,
    report::{Basis, Report},
};

use crate::rates::Found;

/// Rates that were chosen, or that benchmarks gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prices {
    pub(crate) rates: Rates,
    /// Where they come from benchmarks.
    pub(crate) behind: Option<(Basis, Report)>,
}

impl From<Found> for Prices {
    fn from(Found { rates, fitted }: Found) -> Self {
        Prices { rates, behind: fitted.map(|fitted| (fitted.basis, fitted.shown)) }
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
