//! What a provider says beside what is true.

use std::str::FromStr;

use anyhow::Result;
use serde_json::{json, Value};
use zennet_pricing::fit_report;
use zennet_primitives::{
    amount::{Balance, Rates, RATE_SCALE},
    close::CloseReason,
    report::{Basis, Report, ReportRow},
    usage::{Counter, Usage},
};

/// What each of the benchmarks that are shown is to earn, in the smallest coin unit a second.
const PRICE_PER_SEC: Balance = 100_000_000;

/// What a provider lies about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// It reports so many percent more of a counter than was used.
    Counter(Counter, u64),
    /// Its rates are dearer than those of the benchmarks that it shows.
    Benchmarks,
}

impl Lie {
    /// What is said to have been used.
    fn told(self, truth: Usage) -> Usage {
        let Lie::Counter(counter, percent) = self else { return truth };
        match truth.get(counter) {
            Some(value) => {
                let more = (value / 100).saturating_mul(percent);
                truth.with(counter, value.saturating_add(more))
            }
            None => truth,
        }
    }
}

impl FromStr for Lie {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "benchmarks" {
            return Ok(Lie::Benchmarks);
        }
        let wrong =
            || format!("expected COUNTER:PERCENT, such as cpu_micros:5, or benchmarks, not {text}");
        let (name, percent) = text.split_once(':').ok_or_else(wrong)?;
        let counter = Counter::ALL.into_iter().find(|counter| counter.name() == name);
        let percent = percent.parse().map_err(|_| wrong())?;
        Ok(Lie::Counter(counter.ok_or_else(wrong)?, percent))
    }
}

/// What a provider asks for: a unit of the coin for a microsecond of a processor, unless it lies
/// about where its rates come from.
pub(crate) fn prices(lie: Option<Lie>) -> Result<(Rates, Option<(Basis, Report)>)> {
    if lie != Some(Lie::Benchmarks) {
        return Ok((Rates::default().with(Counter::CpuMicros, RATE_SCALE), None));
    }
    let row = |part: u64| {
        let usage = Usage::default()
            .with(Counter::CpuMicros, 200_000 * part)
            .with(Counter::MemoryByteSecs, (10 - part) * (100 << 20));
        ReportRow { usage, millis: 1000 }
    };
    let rows = (0..=10).map(row).collect::<Vec<_>>();
    let report = Report { rows: rows.try_into().unwrap_or_default(), measured_at: 0 };
    let (fit, basis) = fit_report(&report, PRICE_PER_SEC)?;
    let dearer = fit.rates.get(Counter::CpuMicros) / 50 * 51;
    Ok((fit.rates.with(Counter::CpuMicros, dearer), Some((basis, report))))
}

/// The reports of one lease.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reports {
    lie: Option<Lie>,
    /// How many ticks were reported.
    ticks: u32,
    /// What was true at the last one.
    truth: Usage,
    told: Usage,
}

impl Reports {
    pub(crate) fn new(lie: Option<Lie>) -> Self {
        Reports { lie, ..Reports::default() }
    }

    /// What is reported at a tick, or at the end, of what was used.
    pub(crate) fn report(&mut self, tick: Option<u32>, truth: Usage) -> Usage {
        self.ticks = tick.unwrap_or(self.ticks);
        self.truth = truth;
        self.told = self.lie.map_or(truth, |lie| lie.told(truth));
        self.told
    }

    /// The account of a lease that ended.
    pub(crate) fn account(&self, provider: &str, reason: CloseReason, paid: Balance) -> Value {
        json!({
            "provider": provider,
            "lies": self.lie.is_some(),
            "ticks": self.ticks,
            "truth": self.truth,
            "told": self.told,
            "paid": paid,
            "close_reason": reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use zennet_pricing::verify_basis;

    use super::*;

    #[test]
    fn a_lie_is_about_its_counter_alone() {
        let truth = Usage::default().with(Counter::CpuMicros, 1000).with(Counter::NetTxBytes, 1000);
        let mut reports = Reports::new(Some("cpu_micros:5".parse().unwrap()));
        assert_eq!(reports.report(Some(3), truth), truth.with(Counter::CpuMicros, 1050));
        assert_eq!(Reports::new(None).report(Some(3), truth), truth);
        let account = reports.account("5F", CloseReason::Finished, 7);
        assert_eq!(account["ticks"], 3);
        assert_eq!(account["truth"]["cpu_micros"], 1000);
        assert_eq!(account["told"]["cpu_micros"], 1050);
        assert_eq!((&account["paid"], &account["lies"]), (&json!(7), &json!(true)));
    }

    #[test]
    fn a_lie_is_a_counter_with_a_percentage_or_about_benchmarks() {
        assert_eq!("benchmarks".parse(), Ok(Lie::Benchmarks));
        for wrong in ["cpu_micros", "cpu_micros:", "cpu_micros:-5", "cpu:5", ":5"] {
            assert!(wrong.parse::<Lie>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_that_are_said_to_come_from_benchmarks_do_not() {
        let (rates, shown) = prices(Some(Lie::Benchmarks)).unwrap();
        let (basis, report) = shown.unwrap();
        assert!(verify_basis(&basis, &rates, &report).is_err());
        assert!(prices(None).unwrap().1.is_none());
    }
}
