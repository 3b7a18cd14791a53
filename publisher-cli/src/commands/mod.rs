//! The command line: one module a verb.

mod account;
mod cancel;
mod completions;
mod extend;
mod history;
mod identity;
mod init;
mod list;
mod logs;
mod recover;
mod relay;
mod resume;
mod stop;
mod submit;
mod usage;
mod verify;
mod volume;
mod wanted;

use std::{
    env,
    io::{self, IsTerminal},
    path::PathBuf,
};

use anyhow::{bail, Result};
use clap::{ArgAction, Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{context::Context, failure::EXIT_CODES, output::Out};

/// Rents machines on a Zennet chain and pays for them while they run.
#[derive(Parser, Debug)]
#[command(
    name = "publisher-cli",
    version,
    after_help = EXIT_CODES,
    after_long_help = EXIT_CODES,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Global {
    /// Folder of publisher.toml [default: $XDG_CONFIG_HOME/zennet/publisher]
    #[arg(long, global = true, env = "ZENNET_PUBLISHER_DIR", hide_env_values = true)]
    dir: Option<PathBuf>,
    /// Print data as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    /// Say more on stderr; twice says even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(init::Opts),
    Account(account::Opts),
    Identity(identity::Opts),
    Submit(Box<submit::Opts>),
    Verify(Box<verify::Opts>),
    List(list::Opts),
    Usage(usage::Opts),
    History(history::Opts),
    Extend(extend::Opts),
    Volume(volume::Opts),
    Cancel(cancel::Opts),
    Stop(stop::Opts),
    Logs(logs::Opts),
    Resume(resume::Opts),
    Recover(recover::Opts),
    Relay(relay::Opts),
    Completions(completions::Opts),
}

impl Cli {
    /// Whether this is what `--detach` starts.
    pub(crate) fn is_daemon(&self) -> bool {
        match &self.command {
            Command::Submit(opts) => opts.daemon,
            Command::Resume(opts) => opts.daemon,
            _ => false,
        }
    }

    /// Sends logs to stderr; RUST_LOG goes before --verbose.
    pub(crate) fn start_logging(&self) {
        let level = match self.global.verbose {
            0 => "warn,subxt=error,libp2p_swarm=error",
            1 => "info,publisher_cli=debug",
            _ => "debug",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            // A terminal that is gone must not end the program before its leases.
            .log_internal_errors(false)
            .init();
    }
}

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    // The events of a daemon are read from the log: in words they would be among its warnings.
    let json = cli.global.json || cli.is_daemon();
    let Cli { global, command } = cli;
    let dir = match global.dir {
        Some(dir) => dir,
        None => default_dir(env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME"))?,
    };
    let context = Context { dir, out: Out { json } };
    match command {
        Command::Init(opts) => init::run(&opts, &context),
        Command::Account(opts) => account::run(opts, &context).await,
        Command::Identity(opts) => identity::run(opts, &context).await,
        Command::Submit(opts) => submit::run(*opts, &context).await,
        Command::Verify(opts) => verify::run(*opts, &context).await,
        Command::List(opts) => list::run(&opts, &context).await,
        Command::Usage(opts) => usage::run(opts, &context).await,
        Command::History(opts) => history::run(&opts, &context).await,
        Command::Extend(opts) => extend::run(opts, &context).await,
        Command::Volume(opts) => volume::run(opts, &context).await,
        Command::Cancel(opts) => cancel::run(opts, &context).await,
        Command::Stop(opts) => stop::run(&opts, &context).await,
        Command::Logs(opts) => logs::run(&opts, &context).await,
        Command::Resume(opts) => resume::run(&opts, &context).await,
        Command::Recover(opts) => recover::run(&opts, &context).await,
        Command::Relay(opts) => relay::run(opts, &context).await,
        Command::Completions(opts) => completions::run(&opts),
    }
}

fn default_dir(
    xdg: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
) -> Result<PathBuf> {
    let base = match (xdg.filter(|dir| !dir.is_empty()), home) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, Some(home)) => PathBuf::from(home).join(".config"),
        (None, None) => bail!("neither HOME nor XDG_CONFIG_HOME is set: name a folder with --dir"),
    };
    Ok(base.join("zennet").join("publisher"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_folder_follows_the_conventions_of_the_system() {
        let dir = default_dir(Some("/x".into()), Some("/h".into())).unwrap();
        assert_eq!(dir, PathBuf::from("/x/zennet/publisher"));
        let dir = default_dir(Some("".into()), Some("/h".into())).unwrap();
        assert_eq!(dir, PathBuf::from("/h/.config/zennet/publisher"));
        assert!(default_dir(None, None).is_err());
    }
}
