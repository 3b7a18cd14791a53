//! `completions`: scripts for shells.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "Example:
  publisher-cli completions bash > ~/.local/share/bash-completion/completions/publisher-cli")]
pub(crate) struct Opts {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(opts: &Opts) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(opts.shell, &mut super::Cli::command(), "publisher-cli", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(())
}
