use std::{io::IsTerminal, path::PathBuf};

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::{
    agent::{self, RunError},
    config::{self, Config},
};

/// Serve until Ctrl-C: then all leases end in order; a second Ctrl-C ends at once. SIGTERM leaves the
/// machines, frozen, to the next start.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent run
  RUST_LOG=debug provider-agent run --config /srv/zennet/provider.toml
  provider-agent run --log-json 2>> provider.log

What is not settled when the daemon ends is settled by its next start.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log one JSON object a line.
    #[arg(long)]
    log_json: bool,
}

pub(super) fn run(opts: Opts) -> anyhow::Result<u8> {
    let config = config::path_or_default(opts.config).and_then(|path| Config::load(&path));
    let config = config.map_err(RunError::from)?;
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,libp2p=warn,subxt=warn"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if opts.log_json {
        logs.json().init();
    } else {
        logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(agent::run(config));
    // Work on other threads, such as a name's resolution, is not waited for.
    runtime.shutdown_background();
    outcome?;
    Ok(0)
}
