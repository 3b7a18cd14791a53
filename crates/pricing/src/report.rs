//! Benchmark reports between provider and publisher: rates from one, and the check that they are.

use thiserror::Error;
use zennet_primitives::{
    amount::{Balance, Rates},
    report::{Basis, Report},
    usage::Counter,
};

use crate::fit::{fit, verify, FitError, Mode, Row, Rows, RowsError, TableError, VerifyError};

/// By how much a claimed half width may differ from what the runs give: rounding, and the order of
/// sums on other processors.
const WIDTH_TOLERANCE: f64 = 0.001;

const PPM: f64 = 1e6;

/// Why a report gives no rates.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum BasisError {
    /// Its runs cannot be used.
    #[error("the report cannot be used: {0}")]
    Rows(#[from] RowsError),
    /// No rates explain them.
    #[error("the report gives no rates: {0}")]
    Fit(#[from] FitError),
}

/// Why rates are not those of the report that is shown.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum BasisMismatch {
    /// Another report was shown than the contract names.
    #[error("this is not the report that the quote names")]
    OtherReport,
    /// Nobody could compute rates from it.
    #[error("the report cannot be used: {0}")]
    Rows(#[from] RowsError),
    /// They are other rates.
    #[error(transparent)]
    Rates(#[from] VerifyError),
    /// The interval cannot be computed.
    #[error("the interval cannot be computed: {0}")]
    Width(#[from] TableError),
    /// The interval is another one.
    #[error("the half width is said to be {claimed:.4}, the runs give {computed:.4}")]
    OtherWidth {
        /// What the quote says.
        claimed: f64,
        /// What the runs give.
        computed: f64,
    },
}

/// The rates by which each run of a report earns a price, in the smallest coin unit a second.
pub fn rates_of(report: &Report, price_per_sec: Balance) -> Result<(Rates, Basis), BasisError> {
    let fit = fit(&rows(report, price_per_sec)?, Mode::NonNegative)?;
    // Conversion saturates: more than a price by itself says nothing in any case.
    let half_width_ppm = (fit.half_width * PPM).ceil() as u32;
    Ok((fit.rates, Basis { price_per_sec, half_width_ppm, report: report.hash() }))
}

/// Whether rates are those of a report at the price of their basis. That of volumes is not looked
/// at: what a volume costs is size and time, and no benchmark says anything of it.
pub fn verify_basis(basis: &Basis, rates: &Rates, report: &Report) -> Result<(), BasisMismatch> {
    if report.hash() != basis.report {
        return Err(BasisMismatch::OtherReport);
    }
    let rows = rows(report, basis.price_per_sec)?;
    verify(&rows, &rates.with(Counter::VolumeByteSecs, 0))?;
    let computed = rows.half_width(Mode::NonNegative)?;
    let claimed = f64::from(basis.half_width_ppm) / PPM;
    // What saturates is wider than anybody accepts.
    let is_near = (claimed - computed).abs() <= WIDTH_TOLERANCE * (1.0 + computed)
        || (basis.half_width_ppm == u32::MAX && computed > claimed);
    match is_near {
        true => Ok(()),
        false => Err(BasisMismatch::OtherWidth { claimed, computed }),
    }
}

fn rows(report: &Report, price_per_sec: Balance) -> Result<Rows, RowsError> {
    let row = |row: &zennet_primitives::report::ReportRow| Row {
        usage: row.usage,
        millis: row.millis.into(),
    };
    Rows::new(report.rows.iter().map(row).collect(), price_per_sec)
}

#[cfg(test)]
mod tests {
    use zennet_primitives::{amount::XEN, report::ReportRow, usage::Usage};

    use super::*;

    /// Twelve runs that differ, of which each costs a little more or less than any rates say.
    fn report() -> Report {
        let rows = (1..=12u64).map(|k| ReportRow {
            usage: Usage::default()
                .with(Counter::CpuMicros, 1_000_000 + k * k * 10_007)
                .with(Counter::NetTxBytes, 9_000_000 / k)
                .with(Counter::PageFaults, 100 + (k * 7919) % 1000),
            millis: 1000,
        });
        let rows = rows.collect::<Vec<_>>().try_into().unwrap();
        Report { rows, measured_at: 1 }
    }

    #[test]
    fn rates_of_a_report_are_believed_and_no_others() {
        let (rates, basis) = rates_of(&report(), XEN).unwrap();
        assert_eq!(verify_basis(&basis, &rates, &report()), Ok(()));
        let volume = rates.with(Counter::VolumeByteSecs, 5);
        assert_eq!(verify_basis(&basis, &volume, &report()), Ok(()));
        let dearer = rates.with(Counter::CpuMicros, rates.get(Counter::CpuMicros) * 102 / 100);
        assert!(matches!(
            verify_basis(&basis, &dearer, &report()),
            Err(BasisMismatch::Rates(VerifyError::NotOptimal { .. }))
        ));
        let unused = rates.with(Counter::DiskReadBytes, 1);
        assert_eq!(
            verify_basis(&basis, &unused, &report()),
            Err(BasisMismatch::Rates(VerifyError::Unused(Counter::DiskReadBytes)))
        );
        let cheaper = Basis { price_per_sec: XEN / 2, ..basis };
        assert!(verify_basis(&cheaper, &rates, &report()).is_err());
    }

    #[test]
    fn another_report_or_another_interval_is_found_out() {
        let (rates, basis) = rates_of(&report(), XEN).unwrap();
        let other = Report { measured_at: 2, ..report() };
        assert_eq!(verify_basis(&basis, &rates, &other), Err(BasisMismatch::OtherReport));
        let narrower = Basis { half_width_ppm: basis.half_width_ppm / 2, ..basis };
        assert!(matches!(
            verify_basis(&narrower, &rates, &report()),
            Err(BasisMismatch::OtherWidth { .. })
        ));
    }

    #[test]
    fn a_report_of_nothing_gives_no_rates() {
        let empty = Report { rows: Default::default(), measured_at: 1 };
        assert!(matches!(rates_of(&empty, XEN), Err(BasisError::Rows(RowsError::Nothing))));
        let basis = Basis { price_per_sec: XEN, half_width_ppm: 0, report: empty.hash() };
        assert!(verify_basis(&basis, &Rates::default(), &empty).is_err());
    }
}
