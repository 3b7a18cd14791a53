//! Measures a real chain: how many transactions it takes, and what announcements leave behind.
//!
//! `genesis` makes a chain to measure on, `rates` loads it with transactions, `prune` has announcements
//! expire, and `compact` makes databases comparable. Unlike the agents these programs know the
//! runtime's own types.

mod blocks;
mod feed;
mod genesis;
mod node;
mod population;
mod prune;
mod rates;
mod transactions;

use anyhow::Result;
use clap::Parser;

/// Measure a real chain
#[derive(Parser, Debug)]
enum Opts {
    /// Put accounts, announcements and channels into a raw chain specification, from stdin to stdout
    Genesis(genesis::Opts),
    /// Measure transactions on a chain that `genesis` prepared
    Rates(rates::Opts),
    /// Announce, wait for the expiry, and compare the state with what it was
    Prune(prune::Opts),
    /// Copy a database without what its files keep for later use
    Compact(prune::Compact),
}

fn main() -> Result<()> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match Opts::parse() {
        Opts::Genesis(opts) => genesis::run(&opts),
        Opts::Rates(opts) => runtime()?.block_on(rates::run(opts)),
        Opts::Prune(opts) => runtime()?.block_on(prune::run(opts)),
        Opts::Compact(opts) => prune::compact(&opts),
    }
}
