use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{identifier, offers::short};
use crate::{
    config::{self, Config},
    status,
};

/// Offers that one command may name.
pub(super) const MOST_NAMES: usize = 32;

/// Serve offers before all others, as soon as there is room.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent accept 1f2e3d4c
  provider-agent accept 1f2e3d4c 5b6a7988 --json

It holds until the announcement is gone, also over a new start of the daemon, and takes back a
`refuse`. Offers that the filter refuses cannot be accepted. With accept = \"manual\" in [market]
nothing else is served.")]
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
    speak(opts.ids, opts.config, opts.json, true, out)
}

/// Has the daemon take a word, and tells on which offers it was.
pub(super) fn speak(
    ids: Vec<String>,
    config: Option<PathBuf>,
    json: bool,
    accept: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(config)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let offers = runtime.block_on(status::speak_of(&config.data_dir, ids, accept))?;
    for offer in offers {
        if json {
            serde_json::to_writer(&mut *out, &offer)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{} {}", short(&offer), if accept { "accepted" } else { "refused" })?;
        }
        if !accept && offer.leases > 0 {
            eprintln!("{}: {} leases of it are under way and go on", short(&offer), offer.leases);
        }
    }
    Ok(0)
}
