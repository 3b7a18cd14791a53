use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{
    accept::{speak, MOST_NAMES},
    identifier,
};

/// Serve no machine of offers any more; leases under way go on.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent refuse 1f2e3d4c
  provider-agent refuse 1f2e3d4c 5b6a7988 --json

It holds until the announcement is gone, also over a new start of the daemon, and takes back an
`accept`.")]
pub(super) struct Opts {
    /// First hex digits of the offers' identifiers, as `offers` shows them.
    #[arg(required = true, num_args = 1..=MOST_NAMES, value_name = "ID", value_parser = identifier)]
    ids: Vec<String>,
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object for each offer.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    speak(opts.ids, opts.config, opts.json, false, out)
}
