use std::{io::Write, path::PathBuf};

use clap::Args;

use crate::{
    agent::{self, RunError},
    config::{self, Config},
};

/// Remove what a daemon that was killed left on this host: machines, network, rules, disks.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent sweep
  provider-agent sweep --force --json

The next `provider-agent run` finds its machines again and goes on with their leases. This is for a
host that serves no more. Leases that are not settled keep their vouchers in the store: a later run
claims them, but their machines are gone.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Remove machines of leases that are not settled, too.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = config::path_or_default(opts.config).and_then(|path| Config::load(&path));
    let config = config.map_err(RunError::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let removed = runtime.block_on(agent::sweep(&config, opts.force))?;
    if opts.json {
        serde_json::to_writer(&mut *out, &removed)?;
        writeln!(out)?;
    } else {
        let network = if removed.network { "and their network" } else { "and no network" };
        writeln!(out, "removed {} machines {network}", removed.machines)?;
    }
    Ok(0)
}
