use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use clap::Args;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use zennet_pricing::{format_xen, parse_xen};
use zennet_primitives::amount::XEN;

use crate::{
    benchmark::table::{self, Findings},
    config::{self, Config, Price, Xen},
    rates::{self, readable},
};

/// Show the rates that publishers are asked for: the table, or what benchmarks say at the [price].
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent rates
  provider-agent rates --price 0.2        what another price for an hour of full load would come to
  provider-agent rates --json | jq .rates.cpu_hour")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Price of an hour of full load, in XEN, instead of what is configured.
    #[arg(long, value_name = "XEN")]
    price: Option<String>,
    /// Print one JSON object; rates are in XEN for each unit.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut config = Config::load(&config::path_or_default(opts.config)?)?;
    if opts.price.is_some() {
        config.price = Some(price_of(&config, opts.price.as_deref())?);
    }
    let found = rates::of(&config)?;
    let shown: Vec<_> = readable(&found.rates).collect();
    let findings = found.fitted.as_ref().map(Findings::of);
    if opts.json {
        let rates: serde_json::Map<_, _> =
            shown.into_iter().map(|(name, price)| (name.to_owned(), price.into())).collect();
        let fitted = findings.as_ref().map(|found| {
            json!({
                "full_load_hour": format_xen(found.full_load_hour),
                "half_width": found.half_width,
                "condition": found.condition,
                "benchmarks": found.rows.len(),
                "made_at": found.made_at,
                "without": found.without,
            })
        });
        writeln!(out, "{}", json!({ "rates": rates, "benchmark": fitted }))?;
        return Ok(0);
    }
    match findings {
        Some(findings) => table::show_rates(&findings, out)?,
        None if shown.is_empty() => writeln!(out, "all use is free: [rates] has no price")?,
        None => shown
            .into_iter()
            .try_for_each(|(name, price)| writeln!(out, "  {name:<20} {price:>14} XEN"))?,
    }
    Ok(0)
}

/// The price that is asked for on the command line, configured, or else one XEN.
pub(super) fn price_of(config: &Config, asked: Option<&str>) -> anyhow::Result<Price> {
    let counters = config.price.as_ref().map(|price| price.counters.clone());
    let hour = match (asked, &config.price) {
        (Some(text), _) => Xen(parse_xen(text)?),
        (None, Some(price)) => price.full_load_hour,
        (None, None) => Xen(XEN),
    };
    Ok(Price { full_load_hour: hour, counters: counters.unwrap_or_else(config::counters) })
}

/// Logs for commands that say themselves what they do: only what goes wrong.
pub(super) fn quiet_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
