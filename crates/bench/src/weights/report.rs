//! What is declared beside what was measured, and which of it is stale.

use serde_json::{json, Value};

use crate::{
    declared::Declared,
    measure::{Line, Measured, Name},
};

/// A call at its largest components, on the machine of FRAME's weights.
pub(crate) struct Row {
    pub(crate) declared: Declared,
    pub(crate) measured: Measured,
}

pub(crate) struct Report {
    /// How many times too high or too low a declared time may be.
    pub(crate) factor: f64,
    /// How many times slower than the machine of FRAME's weights this one is.
    pub(crate) machine: f64,
    /// The same by each call of FRAME's pallets.
    pub(crate) references: Vec<(Name, f64)>,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    fn picos(&self) -> f64 {
        self.measured.time.at(&self.measured.largest())
    }

    fn reads(&self) -> u64 {
        self.measured.reads.at(&self.measured.largest()).round() as u64
    }

    fn writes(&self) -> u64 {
        self.measured.writes.at(&self.measured.largest()).round() as u64
    }

    /// Declared time to what was measured.
    fn ratio(&self) -> f64 {
        self.declared.picos as f64 / self.picos()
    }

    /// Why this weight is stale, if it is. A call may take less of the database than is declared:
    /// a benchmark need not go everywhere. It may not take more.
    fn stale(&self, factor: f64) -> Option<String> {
        let (declared, ratio) = (&self.declared, self.ratio());
        if ratio > factor || ratio < 1.0 / factor {
            let (says, takes) = (micros(declared.picos as f64), micros(self.picos()));
            return Some(format!("declared as {says} µs, takes {takes} µs: {ratio:.2} times"));
        }
        let most = |count: u64| (count as f64 * factor) as u64;
        for (what, says, takes) in
            [("reads", declared.reads, self.reads()), ("writes", declared.writes, self.writes())]
        {
            if says < takes || says > most(takes) {
                return Some(format!("declared with {says} {what}, has {takes}"));
            }
        }
        None
    }

    /// The largest components: `n=16`.
    fn at(&self) -> String {
        let component = |(parameter, _, most): &(_, u32, u32)| format!("{parameter}={most}");
        self.measured.components.iter().map(component).collect::<Vec<_>>().join(" ")
    }

    fn json(&self, factor: f64) -> Value {
        let names = self.measured.components.iter().map(|(parameter, ..)| parameter.to_string());
        let names: Vec<_> = names.collect();
        let line = |line: &Line| {
            let slopes = names.iter().cloned().zip(line.slopes.iter().map(|slope| json!(slope)));
            json!({ "base": line.base, "slopes": slopes.collect::<serde_json::Map<_, _>>() })
        };
        json!({
            "call": self.measured.name.to_string(),
            "at": self.at(),
            "declared_micros": rounded(self.declared.picos as f64 / 1e6),
            "measured_micros": rounded(self.picos() / 1e6),
            "ratio": rounded(self.ratio()),
            "reads": { "declared": self.declared.reads, "counted": self.reads() },
            "writes": { "declared": self.declared.writes, "counted": self.writes() },
            "measured_picos": line(&self.measured.time),
            "stale": self.stale(factor),
        })
    }
}

impl Report {
    /// How many weights are stale.
    pub(crate) fn stale(&self) -> usize {
        self.rows.iter().filter(|row| row.stale(self.factor).is_some()).count()
    }

    /// The smallest and the largest of what the calls of FRAME's pallets say of this machine.
    fn spread(&self) -> (f64, f64) {
        let ratios = self.references.iter().map(|(_, ratio)| *ratio);
        (ratios.clone().fold(f64::INFINITY, f64::min), ratios.fold(0.0, f64::max))
    }

    pub(crate) fn print(&self) {
        let (least, most) = self.spread();
        println!(
            "This machine takes {:.2} times as long as that of FRAME's weights: the median of {} \
             calls, {least:.2} to {most:.2}.",
            self.machine,
            self.references.len()
        );
        println!(
            "{:<42}{:>8}{:>12}{:>12}{:>7}{:>14}{:>14}",
            "", "", "declared µs", "measured µs", "ratio", "reads", "writes"
        );
        for row in &self.rows {
            println!(
                "{:<42}{:>8}{:>12}{:>12}{:>7.2}{:>14}{:>14}",
                row.measured.name.to_string(),
                row.at(),
                micros(row.declared.picos as f64),
                micros(row.picos()),
                row.ratio(),
                of(row.reads(), row.declared.reads),
                of(row.writes(), row.declared.writes),
            );
        }
        for row in &self.rows {
            if let Some(why) = row.stale(self.factor) {
                eprintln!("stale: {} is {why}", row.measured.name);
            }
        }
    }

    pub(crate) fn json(&self) -> Value {
        let references = self.references.iter().map(|(name, ratio)| {
            json!({ "call": name.to_string(), "measured_to_declared": rounded(*ratio) })
        });
        let calls = self.rows.iter().map(|row| row.json(self.factor));
        json!({
            "machine": rounded(self.machine),
            "factor": self.factor,
            "references": references.collect::<Vec<_>>(),
            "calls": calls.collect::<Vec<_>>(),
            "stale": self.stale(),
        })
    }
}

fn of(counted: u64, declared: u64) -> String {
    format!("{counted} of {declared}")
}

fn micros(picos: f64) -> String {
    format!("{:.1}", picos / 1e6)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call that takes 100 µs, three reads and two writes.
    fn row(picos: u64, reads: u64, writes: u64) -> Row {
        let constant = |base| Line { base, slopes: Vec::new() };
        let measured = Measured {
            name: Name::new("pallet_some", "call"),
            components: Vec::new(),
            time: constant(100e6),
            reads: constant(3.0),
            writes: constant(2.0),
        };
        Row { declared: Declared { picos, reads, writes }, measured }
    }

    #[test]
    fn a_time_is_stale_when_it_is_off_by_more_than_the_factor() {
        for (picos, is_stale) in
            [(49_000_000, true), (51_000_000, false), (199_000_000, false), (201_000_000, true)]
        {
            assert_eq!(row(picos, 3, 2).stale(2.0).is_some(), is_stale, "{picos}");
        }
    }

    #[test]
    fn an_access_that_is_not_declared_is_stale() {
        assert_eq!(row(100_000_000, 3, 2).stale(2.0), None);
        assert!(row(100_000_000, 2, 2).stale(2.0).is_some());
        assert!(row(100_000_000, 3, 1).stale(2.0).is_some());
        assert_eq!(row(100_000_000, 6, 4).stale(2.0), None);
        assert!(row(100_000_000, 7, 2).stale(2.0).is_some());
    }
}
