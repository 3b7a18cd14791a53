//! What benchmarks come to, as a table and as JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;
use zennet_pricing::format_xen;
use zennet_primitives::amount::Balance;

use super::report::{Figures, HostDetails, Kind};
use crate::rates::{readable, Fitted};

/// Milliseconds of the hour that prices are shown for.
const HOUR: u128 = 3_600_000;

/// Part of all processors that may be busy beside a benchmark: the kernel's work for its disk and
/// network is among it.
const BUSY: f64 = 0.25;

/// One benchmark at these rates. Prices are for an hour, in the smallest coin unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) mix: Option<String>,
    pub(crate) runs: usize,
    pub(crate) millis: u64,
    pub(crate) usage: Figures,
    pub(crate) units: BTreeMap<String, u64>,
    /// What an hour is to cost.
    pub(crate) wanted: Balance,
    /// What its counters come to.
    pub(crate) predicted: Balance,
    /// By which part of its price the rates from all other benchmarks miss it.
    pub(crate) error: f64,
}

/// What a report comes to at a price, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Findings {
    pub(crate) made_at: u64,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) host: HostDetails,
    /// Processors that the rest of the host kept busy meanwhile.
    pub(crate) processors_beside: f64,
    /// Of an hour of full load, in the smallest coin unit.
    pub(crate) full_load_hour: Balance,
    /// XEN for each unit that people use.
    pub(crate) rates: BTreeMap<&'static str, String>,
    /// Counters that were to be priced and that no benchmark has a figure of.
    pub(crate) without: Vec<&'static str>,
    /// Part of its price by which a program may cost more or less, with 95 % confidence.
    pub(crate) half_width: f64,
    pub(crate) condition: f64,
    pub(crate) rows: Vec<Line>,
}

impl Findings {
    pub(crate) fn of(fitted: &Fitted) -> Findings {
        let Fitted { report, hour, fit, without, .. } = fitted;
        let found = fit.predictions.iter().zip(&fit.errors);
        let lines = report.benchmarks.iter().zip(found).map(|(benchmark, (prices, error))| {
            let (usage, millis) = benchmark.total();
            let mut units: BTreeMap<String, u64> = BTreeMap::new();
            for (task, count) in benchmark.runs.iter().flat_map(|run| &run.units) {
                let sum = units.entry(task.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
            Line {
                name: benchmark.name.clone(),
                mix: benchmark.mix.clone(),
                runs: benchmark.runs.len(),
                millis,
                usage: super::report::figures(&usage),
                units,
                wanted: an_hour(prices.0, millis),
                predicted: an_hour(prices.1, millis),
                error: *error,
            }
        });
        Findings {
            made_at: report.made_at,
            kind: report.kind,
            seed: report.seed,
            host: report.host.clone(),
            processors_beside: report.processors_beside(),
            full_load_hour: *hour,
            rates: readable(&fit.rates).collect(),
            without: without.iter().map(|counter| counter.name()).collect(),
            half_width: fit.half_width,
            condition: fit.condition,
            rows: lines.collect(),
        }
    }
}

/// A price of some time as that of an hour.
pub(crate) fn an_hour(price: Balance, millis: u64) -> Balance {
    price.saturating_mul(HOUR) / u128::from(millis.max(1))
}

/// How far one price is from another, as a part of it.
pub(crate) fn off(predicted: Balance, wanted: Balance) -> f64 {
    predicted as f64 / (wanted as f64).max(1.0) - 1.0
}

/// Writes the table for people.
pub(crate) fn show(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<14} {:>4} {:>6} {:>14} {:>14} {:>8} {:>9}",
        "BENCHMARK", "RUNS", "SECS", "WANTED XEN/H", "PREDICTED", "OFF", "LEFT OUT"
    )?;
    for line in &findings.rows {
        writeln!(
            out,
            "{:<14} {:>4} {:>6} {:>14} {:>14} {:>+7.1}% {:>8.1}%",
            line.name.chars().take(14).collect::<String>(),
            line.runs,
            line.millis / 1000,
            short(line.wanted),
            short(line.predicted),
            off(line.predicted, line.wanted) * 100.0,
            line.error * 100.0
        )?;
    }
    writeln!(out)?;
    show_rates(findings, out)
}

/// Writes the rates, and how sure they are.
pub(crate) fn show_rates(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    let hour = format_xen(findings.full_load_hour);
    writeln!(out, "at {hour} XEN for an hour of full load:")?;
    for (name, price) in &findings.rates {
        writeln!(out, "  {name:<20} {price:>14} XEN")?;
    }
    if !findings.without.is_empty() {
        writeln!(out, "  free, since no benchmark used it: {}", findings.without.join(", "))?;
    }
    if findings.processors_beside > BUSY * f64::from(findings.host.threads) {
        writeln!(
            out,
            "other programs kept {:.1} of {} processors busy meanwhile: these rates are too high; run \
             the benchmark again without them",
            findings.processors_beside, findings.host.threads
        )?;
    }
    writeln!(
        out,
        "a program's price is within {:.1} % of its time's, with 95 % confidence; condition {:.1}",
        findings.half_width * 100.0,
        findings.condition
    )
}

/// An amount in XEN with six digits after the point.
fn short(amount: Balance) -> String {
    format_xen(amount.saturating_add(500_000) / 1_000_000 * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_busy_with_other_things_is_said_to_be() {
        let findings = |processors_beside| Findings {
            made_at: 0,
            kind: Kind::Quick,
            seed: 0,
            host: super::super::report::tests::host(),
            processors_beside,
            full_load_hour: 1,
            rates: BTreeMap::new(),
            without: vec![],
            half_width: 0.1,
            condition: 1.0,
            rows: vec![],
        };
        let text = |processors| {
            let mut out = Vec::new();
            show_rates(&findings(processors), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(text(0.6).contains("0.6 of 2 processors"), "{}", text(0.6));
        assert!(!text(0.4).contains("other programs"), "{}", text(0.4));
    }

    #[test]
    fn prices_are_shown_for_an_hour() {
        assert_eq!(an_hour(1_000, 1_800_000), 2_000);
        assert_eq!(an_hour(u128::MAX, 0), u128::MAX);
        assert!((off(110, 100) - 0.1).abs() < 1e-9 && off(0, 0) == -1.0);
        assert_eq!(short(50_000_499_999), "0.05");
        assert_eq!(short(50_000_500_000), "0.050001");
    }
}
