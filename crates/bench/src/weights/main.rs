//! Measures the benchmarks of this project's pallets in the compiled runtime, and compares the weights
//! that the pallets declare with what comes out; see `scripts/weights`.
//!
//! A weight is time on the machine on which the weights of FRAME's own pallets were measured. Calls of
//! those pallets are therefore measured too: the median of measured to declared time of all of them is
//! how much slower than that machine this one is, and all other times are divided by it. The rounds of
//! all calls take turns, so that a noisy machine disturbs them alike.

mod compiled;
mod declared;
mod measure;
mod report;
mod rewrite;

use std::{collections::HashMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{bail, ensure, Context, Result};
use clap::Parser;

use crate::{
    compiled::Compiled,
    declared::{Declared, PARTS, REFERENCES},
    measure::{median, Effort, Measured, Name, Series},
    report::{Report, Row},
};

/// Compare the weights that pallets declare with what their calls take
#[derive(Parser, Debug)]
struct Opts {
    /// The compiled runtime, with its benchmarks
    #[arg(long)]
    runtime: PathBuf,
    /// One pallet alone, as its folder is named
    #[arg(long)]
    pallet: Option<String>,
    /// How many times too high or too low a declared time may be
    #[arg(long, default_value_t = 2.0)]
    factor: f64,
    /// Repeat less
    #[arg(long)]
    quick: bool,
    /// Print what was measured as one JSON object, last
    #[arg(long)]
    json: bool,
    /// Write what was measured into the weights of the pallets in this folder
    #[arg(long)]
    write: Option<PathBuf>,
}

const FULL: Effort = Effort { rounds: 10, share: Duration::from_millis(150), steps: 8 };
/// What this program ends with when weights are stale.
const STALE: u8 = 3;

const QUICK: Effort = Effort { rounds: 5, share: Duration::from_millis(40), steps: 4 };

fn main() -> Result<ExitCode> {
    let opts = Opts::parse();
    ensure!(opts.factor > 1.0, "--factor must be above 1");
    let compiled = Compiled::load(&opts.runtime)?;
    let effort = if opts.quick { QUICK } else { FULL };
    let (mut names, mut series) = (Vec::new(), Vec::new());
    for benchmark in compiled.benchmarks()? {
        let name = benchmark.name();
        if is_reference(&name) {
            series.push(Series::at_largest(benchmark));
        } else if declared::is_ours(&name.pallet) {
            let chosen = is_chosen(&name, opts.pallet.as_deref());
            if chosen || is_part_of_chosen(&name, opts.pallet.as_deref()) {
                series.push(Series::new(benchmark, effort.steps));
            }
            if chosen {
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        bail!("no pallet of this name has benchmarks; see runtime/src/benches.rs");
    }
    let measured = measure::run(&compiled, series, effort)?;
    let report = compare(&names, measured, opts.factor)?;
    report.print();
    if let Some(folder) = &opts.write {
        rewrite::all(folder, &report.rows)?;
    }
    if opts.json {
        println!("{}", report.json());
    }
    let fails = report.stale() > 0 && opts.write.is_none();
    Ok(if fails { STALE.into() } else { ExitCode::SUCCESS })
}

fn is_reference(name: &Name) -> bool {
    REFERENCES.iter().any(|(pallet, call)| name.is(pallet, call))
}

fn is_chosen(name: &Name, pallet: Option<&str>) -> bool {
    pallet.is_none_or(|pallet| name.folder() == pallet.replace('_', "-"))
}

fn is_part_of_chosen(name: &Name, pallet: Option<&str>) -> bool {
    PARTS.iter().any(|(whole, part)| {
        name.is(part.0, part.1) && is_chosen(&Name::new(whole.0, whole.1), pallet)
    })
}

/// Puts what was measured beside what is declared, on the scale of the machine of FRAME's weights.
fn compare(names: &[Name], all: Vec<Measured>, factor: f64) -> Result<Report> {
    let mut references = Vec::new();
    for measured in all.iter().filter(|measured| is_reference(&measured.name)) {
        let declared = declared_at_largest(measured)?;
        let ratio = measured.time.at(&measured.largest()) / declared.picos as f64;
        references.push((measured.name.clone(), ratio));
    }
    ensure!(
        references.len() == REFERENCES.len(),
        "{} of the {} calls of FRAME that are measured to know this machine have no benchmark",
        REFERENCES.len() - references.len(),
        REFERENCES.len()
    );
    let machine = median(references.iter().map(|(_, ratio)| *ratio).collect());
    let mut by_name: HashMap<Name, Measured> =
        all.into_iter().map(|measured| (measured.name.clone(), measured)).collect();
    for ((pallet, call), (part_pallet, part_call)) in PARTS {
        let part = by_name.get(&Name::new(part_pallet, part_call)).cloned();
        if let Some(whole) = by_name.get_mut(&Name::new(pallet, call)) {
            whole.add(&part.with_context(|| format!("{part_pallet} has no {part_call}"))?);
        }
    }
    let rows = names.iter().map(|name| {
        let measured = by_name.remove(name).with_context(|| format!("{name} was not measured"))?;
        let declared = declared_at_largest(&measured)?;
        Ok(Row { declared, measured: measured.on_faster(machine) })
    });
    Ok(Report { factor, machine, references, rows: rows.collect::<Result<_>>()? })
}

fn declared_at_largest(measured: &Measured) -> Result<Declared> {
    let name = &measured.name;
    declared::declared(name, &measured.components).with_context(|| {
        format!("{name} has a benchmark and no weight; see crates/bench/src/weights/declared.rs")
    })
}
