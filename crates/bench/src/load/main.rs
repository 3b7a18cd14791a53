//! Providers without machines: many in one process, to load a publisher.
//!
//! They have accounts with coin and mined identities on the node that is named, follow its
//! announcements, dial, negotiate, wait for final channels, tick, take vouchers and close channels,
//! all by the real protocol. What they do not have is containers: a machine is a set of counters
//! that grow with time, and an ssh server that answers the publisher's readings with them.
//!
//! One of them may lie: its reports have more of a counter than is true, while its ssh server tells
//! the truth, or its rates are not those of the benchmarks that it shows. A line of JSON for each
//! lease that ended says what was told, what was true and what was paid, in the units of the
//! counters and in the smallest coin unit.

mod accounts;
mod channels;
mod lease;
mod lie;
mod machine;
mod provider;
mod ssh;

use std::{iter::repeat, sync::Arc, time::Duration};

use anyhow::Result;
use clap::Parser;
use tokio::signal::unix::{signal, SignalKind};
use tracing_subscriber::EnvFilter;
use zennet_chain_client::{AccountKey, Chain};

use self::{
    channels::Channels,
    lie::Lie,
    provider::{Grounds, Provider},
};

/// Pause after an error of the node.
const PAUSE: Duration = Duration::from_secs(2);

/// Play providers without machines, on a development chain
#[derive(Parser, Debug)]
struct Opts {
    /// The node, such as ws://127.0.0.1:9944
    #[arg(long)]
    node: String,
    /// Secret of an account that funds the providers
    #[arg(long, default_value = "//Alice")]
    bank: String,
    /// How many providers
    #[arg(long, default_value_t = 50)]
    providers: u32,
    /// Machines that each of them has
    #[arg(long, default_value_t = 20)]
    machines: u32,
    /// What the first of them lies about: a counter of which it reports more than is true, such as
    /// cpu_micros:5 for five percent, or `benchmarks` that do not give its rates
    #[arg(long, value_name = "WHAT")]
    lie: Option<Lie>,
}

fn main() -> Result<()> {
    let opts = Opts::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(opts))
}

async fn run(opts: Opts) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        ended = play(&opts) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

async fn play(opts: &Opts) -> Result<()> {
    let chain = Chain::connect(&opts.node, None).await?;
    let bank = AccountKey::from_uri(&opts.bank)?;
    let keys = accounts::make(&chain, &bank, opts.providers).await?;
    let grounds = Arc::new(Grounds {
        chain: chain.clone(),
        channels: Channels::start(chain.clone()),
        clock: zennet_time::Clock::start(),
        machines: opts.machines,
    });
    let mut providers = Vec::new();
    for (key, lie) in keys.into_iter().zip([opts.lie].into_iter().chain(repeat(None))) {
        providers.push(Arc::new(Provider::new(grounds.clone(), key, lie)?));
    }
    println!("ready");
    provider::answer_all(&chain, &providers).await
}
