//! What was measured.

use std::{collections::BTreeMap, time::Instant};

use serde_json::{json, Map, Value};

use super::plan::Kind;
use crate::{blocks::Seen, feed::Tally, node::Sample};

/// The blocks of one kind of transaction.
pub(crate) struct Phase {
    kind: Kind,
    tally: Tally,
    begin: Option<Moment>,
    end: Option<Moment>,
    signed: usize,
    done: u64,
    failed: BTreeMap<String, u64>,
    block_secs: Vec<f64>,
    build_millis: Vec<f64>,
    finality_secs: Vec<f64>,
}

/// When a block was final, and the node's figures after it.
struct Moment {
    final_at: Option<Instant>,
    sample: Sample,
}

impl Moment {
    fn of(block: &Seen) -> Self {
        Self { final_at: block.final_at, sample: block.sample.clone() }
    }
}

impl Phase {
    pub(crate) fn new(kind: Kind, tally: Tally) -> Self {
        Self {
            kind,
            tally,
            begin: None,
            end: None,
            signed: 0,
            done: 0,
            failed: BTreeMap::new(),
            block_secs: Vec::new(),
            build_millis: Vec::new(),
            finality_secs: Vec::new(),
        }
    }

    /// Counts a block, which came after another one.
    pub(crate) fn add(&mut self, before: &Seen, block: &Seen) {
        self.begin.get_or_insert_with(|| Moment::of(before));
        self.end = Some(Moment::of(block));
        self.signed += block.signed;
        self.done += self.kind.done(&block.deeds);
        for (error, count) in &block.deeds.failed {
            *self.failed.entry(error.clone()).or_default() += count;
        }
        let since = block.sample.since(&before.sample);
        self.block_secs.push((block.at - before.at).as_secs_f64());
        self.build_millis.push(since.built_secs * 1000.0);
        let finality = block.final_at.map(|final_at| final_at - block.at);
        self.finality_secs.extend(finality.map(|finality| finality.as_secs_f64()));
    }

    pub(crate) fn blocks(&self) -> usize {
        self.block_secs.len()
    }

    /// From the block before the first to the last one.
    fn secs(&self) -> f64 {
        self.block_secs.iter().sum()
    }

    /// The same, between the times at which they were final.
    fn final_secs(&self) -> Option<f64> {
        let (begin, end) = (self.begin.as_ref()?.final_at?, self.end.as_ref()?.final_at?);
        Some((end - begin).as_secs_f64())
    }

    pub(crate) fn transactions_per_sec(&self) -> f64 {
        self.signed as f64 / self.secs()
    }

    fn done_per_sec(&self) -> f64 {
        self.done as f64 / self.secs()
    }

    fn spent(&self) -> Sample {
        match (&self.begin, &self.end) {
            (Some(begin), Some(end)) => end.sample.since(&begin.sample),
            _ => Sample::default(),
        }
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let spent = self.spent();
        format!(
            "{:?}: {:.0} /s in {} blocks; {:.0} us of building and {:.0} us of the node a transaction",
            self.kind,
            self.done_per_sec(),
            self.blocks(),
            spent.built_secs * 1e6 / self.signed as f64,
            spent.cpu_secs * 1e6 / self.signed as f64,
        )
    }

    fn json(&self) -> Value {
        let spent = self.spent();
        let (signed, secs) = (self.signed as f64, self.secs());
        let per_sec = |secs: f64| round(self.done as f64 / secs, 1);
        json!({
            "secs": round(secs, 1),
            "blocks": self.blocks(),
            "transactions": self.signed,
            "done": self.done,
            "failed": self.failed,
            "taken": self.tally.taken,
            "refused": self.tally.refused,
            "per_sec": per_sec(secs),
            "final_per_sec": self.final_secs().map(per_sec),
            "transactions_per_sec": round(self.transactions_per_sec(), 1),
            "block_secs": distribution(&self.block_secs),
            "finality_secs": distribution(&self.finality_secs),
            "build_millis": distribution(&self.build_millis),
            "build_micros_per_transaction": round(spent.built_secs * 1e6 / signed, 1),
            "node_cpu_percent": round(spent.cpu_secs / secs * 100.0, 1),
            "node_cpu_micros_per_transaction": round(spent.cpu_secs * 1e6 / signed, 1),
            "ends": spent.ends,
        })
    }
}

/// All phases as one object, the rates first.
pub(crate) fn summary(phases: &[Phase], peak_rss_mib: f64) -> Value {
    let mut all = Map::new();
    for phase in phases {
        all.insert(format!("{}_per_sec", name(phase.kind)), round(phase.done_per_sec(), 1).into());
    }
    let every =
        |of: fn(&Phase) -> &Vec<f64>| phases.iter().flat_map(of).copied().collect::<Vec<_>>();
    let finality = distribution(&every(|phase| &phase.finality_secs));
    all.insert("finality_secs_p50".into(), finality["p50"].clone());
    all.insert("finality_secs".into(), finality);
    all.insert("block_secs".into(), distribution(&every(|phase| &phase.block_secs)));
    all.insert("node_peak_rss_mib".into(), round(peak_rss_mib, 0).into());
    let kinds: Map<_, _> = phases.iter().map(|phase| (name(phase.kind), phase.json())).collect();
    all.insert("kinds".into(), kinds.into());
    all.into()
}

/// The name of a kind in figures: as on the command line, with low lines.
fn name(kind: Kind) -> String {
    use clap::ValueEnum;
    kind.to_possible_value().map_or_else(String::new, |value| value.get_name().replace('-', "_"))
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// Median, 95th percentile and the greatest.
fn distribution(values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let last = sorted.len().checked_sub(1)?;
        Some(round(sorted[(last as f64 * part).ceil() as usize], 3))
    };
    json!({ "p50": at(0.5), "p95": at(0.95), "max": at(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_names_the_middle_the_high_and_the_worst() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(distribution(&values), json!({ "p50": 51.0, "p95": 96.0, "max": 100.0 }));
        assert_eq!(distribution(&[]), json!({ "p50": null, "p95": null, "max": null }));
    }

    #[test]
    fn kinds_have_the_names_that_the_figures_have() {
        assert_eq!(name(Kind::OpenBatch), "open_batch");
        assert_eq!(name(Kind::Transfer), "transfer");
    }
}
