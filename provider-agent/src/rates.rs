//! The rates that this provider asks for: a table, or what benchmarks say at a price for full load.

use thiserror::Error;
use zennet_pricing::{fit::select, fit_report, BasisError, Fit, RateConfig, RateError, RowsError};
use zennet_primitives::{
    amount::{Balance, Rates},
    report::{Basis, Report as Shown, ReportRow},
    usage::Counter,
};

use crate::{
    benchmark::report::{Report, ReportError},
    config::{Config, Price},
};

/// Why there are no rates.
#[derive(Debug, Error)]
pub(crate) enum RatesError {
    #[error("[rates] cannot be used: {0}")]
    Table(#[from] RateError),
    #[error("[price] needs benchmarks: {0}")]
    Report(#[from] ReportError),
    #[error("{0}; see [price] counters, or run `provider-agent benchmark --full`")]
    Basis(#[from] BasisError),
    #[error(
        "price.full_load_hour is below {SECS} of the smallest coin unit, too little for a second"
    )]
    TooCheap,
}

/// Seconds of the hour that a price is for.
const SECS: Balance = 3600;

/// Rates, and how they were found.
pub(crate) struct Found {
    pub(crate) rates: Rates,
    /// Nothing where a table says them.
    pub(crate) fitted: Option<Fitted>,
}

/// What benchmarks come to at a price.
pub(crate) struct Fitted {
    pub(crate) report: Report,
    /// Of an hour of full load.
    pub(crate) hour: Balance,
    pub(crate) fit: Fit,
    /// What a quote says of it.
    pub(crate) basis: Basis,
    /// The benchmarks as publishers see them.
    pub(crate) shown: Shown,
    /// The counters that were to be priced and that no benchmark has a figure of.
    pub(crate) without: Vec<Counter>,
}

/// The rates of a configuration.
pub(crate) fn of(config: &Config) -> Result<Found, RatesError> {
    let table = config.rates.unwrap_or_default().rates()?;
    let Some(price) = &config.price else { return Ok(Found { rates: table, fitted: None }) };
    let fitted = fitted(Report::load(&config.data_dir)?, price)?;
    // What keeping a volume costs is no matter of load.
    let volume = table.get(Counter::VolumeByteSecs);
    let rates = fitted.fit.rates.with(Counter::VolumeByteSecs, volume);
    Ok(Found { rates, fitted: Some(fitted) })
}

/// What a report comes to at a price.
pub(crate) fn fitted(report: Report, price: &Price) -> Result<Fitted, RatesError> {
    let hour = price.full_load_hour.0;
    let a_second = Some(hour / SECS).filter(|price| *price > 0).ok_or(RatesError::TooCheap)?;
    let rows = report.benchmarks.iter().map(|benchmark| {
        let (usage, millis) = benchmark.total();
        let usage = select(&usage, &price.counters);
        ReportRow { usage, millis: millis.try_into().unwrap_or(u32::MAX) }
    });
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    let rows = rows.try_into().map_err(|_| BasisError::Rows(RowsError::TooMany(count)))?;
    let shown = Shown { rows, measured_at: report.made_at };
    let (fit, basis) = fit_report(&shown, a_second)?;
    let is_used = |counter: &Counter| {
        shown.rows.iter().any(|row| row.usage.get(*counter).is_some_and(|figure| figure > 0))
    };
    let without = price.counters.iter().filter(|counter| !is_used(counter)).copied().collect();
    Ok(Fitted { report, hour, fit, basis, shown, without })
}

/// Rates in the units of a configuration, as people read them: six digits that count.
pub(crate) fn readable(rates: &Rates) -> impl Iterator<Item = (&'static str, String)> {
    let described: RateConfig = zennet_pricing::describe(rates);
    let entries: Vec<_> = described.entries().collect();
    entries.into_iter().map(|(name, price)| (name, rounded(&price.to_string())))
}

/// A decimal with six digits that count at most.
fn rounded(text: &str) -> String {
    let number: f64 = text.parse().unwrap_or_default();
    if number == 0.0 {
        return "0".into();
    }
    let digits = 5 - number.abs().log10().floor() as i32;
    let text = format!("{number:.*}", digits.clamp(0, 30) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zennet_primitives::amount::XEN;

    use super::*;
    use crate::{
        benchmark::report::{tests::host, Benchmark, Kind, Run},
        config::{self, Xen},
    };

    /// A host that does `cpu` microseconds or `faults` page faults a second, and parts of both.
    fn report() -> Report {
        let mut report = Report::new(0, Kind::Full, 0, host());
        for part in 0..=10 {
            let usage = BTreeMap::from([
                (Counter::CpuMicros, 200_000 * part),
                (Counter::PageFaults, 10_000 * (10 - part)),
            ]);
            let run = Run {
                usage,
                millis: 1000,
                units: BTreeMap::new(),
                worked_millis: 1000,
                beside_micros: 0,
            };
            let name = format!("mix-{part}");
            report.benchmarks.push(Benchmark { name, mix: None, runs: vec![run.clone(), run] });
        }
        report
    }

    fn price(hour: Balance) -> Price {
        Price { full_load_hour: Xen(hour), ..Price::default() }
    }

    #[test]
    fn full_use_of_either_resource_costs_the_hour() {
        let fitted = fitted(report(), &price(XEN)).unwrap();
        let shown: BTreeMap<_, _> = readable(&fitted.fit.rates).collect();
        // Two cores an hour, or 360 million faults, for one XEN.
        assert_eq!((shown["cpu_hour"].as_str(), shown.len()), ("0.5", 2));
        assert_eq!(shown["page_faults_million"], "0.00277778");
        assert!(fitted.fit.half_width < 1e-6, "{}", fitted.fit.half_width);
        assert!(fitted.without.contains(&Counter::DiskReadBytes));
    }

    #[test]
    fn a_price_without_a_benchmark_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let text = config::DEFAULT.replace("# [price]", "[price]");
        let text = text.replace("# full_load_hour", "full_load_hour");
        let (head, rest) = text.split_once("\n[rates]").unwrap();
        let (_, tail) = rest.split_once("\n[price]").unwrap();
        let text = format!("{head}\n[price]{tail}");
        let config = Config::parse(&text, &dir.path().join("provider.toml")).unwrap();
        let error = of(&config).err().unwrap().to_string();
        assert!(error.contains("run `provider-agent benchmark`"), "{error}");
        report().store(&config.data_dir).unwrap();
        assert!(of(&config).unwrap().rates.priced().count() > 0);
    }

    #[test]
    fn a_price_too_small_for_a_second_and_too_few_benchmarks_are_refused() {
        assert!(matches!(fitted(report(), &price(3599)), Err(RatesError::TooCheap)));
        let mut few = report();
        few.benchmarks.truncate(5);
        assert!(matches!(fitted(few, &price(XEN)), Err(RatesError::Basis(_))));
    }

    #[test]
    fn numbers_are_rounded_to_six_digits_that_count() {
        for (text, shown) in [
            ("0.0277777777777", "0.0277778"),
            ("123456789", "123456789"),
            ("0.5", "0.5"),
            ("0", "0"),
            ("12.3456789", "12.3457"),
        ] {
            assert_eq!(rounded(text), shown, "{text}");
        }
    }
}
