use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use zennet_time::unix_secs;

use super::rates::{price_of, quiet_logs};
use crate::{
    benchmark::{
        self, composite, plot,
        report::{HostDetails, Kind, Report},
        table::{self, Findings},
        Wanted,
    },
    config::{self, Config},
    rates,
};

/// Measure what this host does at full load, from which the rates of a [price] follow.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent benchmark                      a quick one, a minute or two
  provider-agent benchmark --full               each mix three times 10 s, about twenty minutes
  provider-agent benchmark --stored --svg benchmark.svg
  provider-agent benchmark --full --xml composite.xml
  provider-agent benchmark --pts composite.xml --usage usage.jsonl
                                                results of the Phoronix Test Suite, with the
                                                counters that `provider-agent record` printed

One machine takes all that [capacity] offers and does known work in mixes at random, while it is
metered as a lease's machine is. The report replaces the one of before when it is complete; a daemon
that runs takes its new rates when it is started again. Ctrl-C leaves nothing behind.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Each mix once, 1.5 s; the default.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Each mix three times, 10 s each.
    #[arg(long)]
    full: bool,
    /// Run nothing: show the report that is stored.
    #[arg(long, conflicts_with_all = ["quick", "full", "seed", "force", "pts"])]
    stored: bool,
    /// What the mixes follow from; one at random otherwise.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run though leases have machines here, which it disturbs and which disturb it.
    #[arg(long)]
    force: bool,
    /// Price of an hour of full load that is shown, in XEN [default: that of [price], else 1].
    #[arg(long, value_name = "XEN")]
    price: Option<String>,
    /// Write a plot of predicted against wanted prices.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the results in the structure of phoronix-test-suite's composite.xml.
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,
    /// Add the results of a composite.xml to the stored report.
    #[arg(long, value_name = "FILE", requires = "usage", conflicts_with_all = ["quick", "full", "seed", "force"])]
    pts: Option<PathBuf>,
    /// Lines of `provider-agent record`, one for each result of the composite.xml.
    #[arg(long, value_name = "FILE", requires = "pts")]
    usage: Option<PathBuf>,
    /// Print one JSON object; amounts are in the smallest coin unit.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(opts.config.clone())?)?;
    let price = price_of(&config, opts.price.as_deref())?;
    let report = match (&opts.pts, &opts.usage) {
        (Some(pts), Some(usage)) => add(&config, pts, usage)?,
        _ if opts.stored => Report::load(&config.data_dir)?,
        _ => measure(&config, &opts)?,
    };
    if let Some(path) = &opts.xml {
        write(path, &composite::write(&report))?;
    }
    let fitted = rates::fitted(report, &price)?;
    let findings = Findings::of(&fitted);
    if let Some(path) = &opts.svg {
        write(path, &plot::svg(&findings))?;
    }
    if opts.json {
        serde_json::to_writer(&mut *out, &findings)?;
        writeln!(out)?;
    } else {
        table::show(&findings, out)?;
    }
    Ok(0)
}

fn measure(config: &Config, opts: &Opts) -> anyhow::Result<Report> {
    quiet_logs();
    let wanted = Wanted {
        kind: if opts.full { Kind::Full } else { Kind::Quick },
        seed: opts.seed.unwrap_or_else(rand::random),
        force: opts.force,
    };
    let mut told = |said: String| eprintln!("{said}");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let report = runtime.block_on(benchmark::run(config, wanted, &mut told));
    runtime.shutdown_background();
    let report = report?;
    store(&report, config)?;
    Ok(report)
}

/// Adds results of another suite to what is stored; those of the same names are replaced.
fn add(config: &Config, pts: &Path, usage: &Path) -> anyhow::Result<Report> {
    let found = composite::read(&composite::read_text(pts)?, &composite::read_text(usage)?)?;
    let mut report = if Report::path(&config.data_dir).exists() {
        Report::load(&config.data_dir)?
    } else {
        let threads = config.capacity.cpu_millis.div_ceil(1000).try_into().unwrap_or(u16::MAX);
        Report::new(unix_secs(), Kind::Full, 0, HostDetails::of(config, threads, None))
    };
    report.benchmarks.retain(|old| !found.iter().any(|new| new.name == old.name));
    report.benchmarks.extend(found);
    store(&report, config)?;
    Ok(report)
}

fn store(report: &Report, config: &Config) -> anyhow::Result<()> {
    let path = report.store(&config.data_dir)?;
    eprintln!("the report is in {}", path.display());
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
