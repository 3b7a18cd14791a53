use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;

/// Print a completion script for a shell.
#[derive(Args)]
#[command(
    after_help = "Example:\n  provider-agent completions bash > ~/.local/share/bash-completion/completions/provider-agent"
)]
pub(super) struct Opts {
    shell: Shell,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    clap_complete::generate(opts.shell, &mut Arguments::command(), "provider-agent", out);
    Ok(0)
}
