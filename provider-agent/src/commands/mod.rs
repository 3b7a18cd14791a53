//! The command line. Data goes to stdout, everything said to a person to stderr.

mod accept;
mod benchmark;
mod completions;
mod history;
mod init;
mod leave;
mod offers;
mod rates;
mod record;
mod refuse;
mod relay;
mod run;
mod status;
mod sweep;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    agent::RunError,
    benchmark::{rig::RigError, BenchmarkError},
    config::ConfigError,
    rates::RatesError,
    status::StatusError,
    store::StoreError,
};

/// Rents out this host's containers on the Zennet market.
#[derive(Parser)]
#[command(name = "provider-agent", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  provider-agent init                    write a configuration and a key
  provider-agent run                     serve until Ctrl-C
  provider-agent status --json | jq .leases
  provider-agent history --since 7d      past leases and what they paid
  provider-agent offers                  announcements, and what each is expected to earn
  provider-agent accept 1f2e3d4c         serve one of them before all others
  provider-agent relay serve             carry connections to publishers behind routers
  provider-agent leave                   go out of service, after the promised notice
  provider-agent benchmark               measure this host, for rates by [price]
  provider-agent rates                   what publishers are asked for
  provider-agent sweep                   remove what a killed daemon left

Exit codes:
  0  done
  1  something else failed
  2  wrong arguments
  3  the configuration or the key cannot be used
  4  the chain cannot be reached, is another one, or refused
  5  the store is in use or cannot be used
  6  the container engine, the guest bundle or the required firewall is missing
  7  no daemon is running; `status` shows the store then
  8  the command that `record` ran failed; its status is in what it printed";

#[derive(Subcommand)]
enum Command {
    Init(init::Opts),
    Run(run::Opts),
    Status(status::Opts),
    History(Box<history::Opts>),
    Offers(offers::Opts),
    Accept(accept::Opts),
    Refuse(refuse::Opts),
    Relay(relay::Opts),
    Leave(leave::Opts),
    Benchmark(Box<benchmark::Opts>),
    Rates(rates::Opts),
    Record(record::Opts),
    Sweep(sweep::Opts),
    Completions(completions::Opts),
}

/// Reads the arguments, does what they say, and gives the exit code.
pub(crate) fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let mut out = std::io::stdout().lock();
    let outcome = match command {
        Command::Init(opts) => init::run(opts, &mut out),
        Command::Run(opts) => run::run(opts),
        Command::Status(opts) => status::run(opts, &mut out),
        Command::History(opts) => history::run(*opts, &mut out),
        Command::Offers(opts) => offers::run(opts, &mut out),
        Command::Accept(opts) => accept::run(opts, &mut out),
        Command::Refuse(opts) => refuse::run(opts, &mut out),
        Command::Relay(opts) => relay::run(opts, &mut out),
        Command::Leave(opts) => leave::run(opts, &mut out),
        Command::Benchmark(opts) => benchmark::run(*opts, &mut out),
        Command::Rates(opts) => rates::run(opts, &mut out),
        Command::Record(opts) => record::run(opts, &mut out),
        Command::Sweep(opts) => sweep::run(opts, &mut out),
        Command::Completions(opts) => completions::run(opts, &mut out),
    };
    let outcome = outcome.and_then(|code| Ok(out.flush().map(|()| code)?));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// Exit code when no daemon runs.
const NOT_RUNNING: u8 = 7;

/// Reads the first digits of an announcement's hash.
fn identifier(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    match digits.len() {
        4..=64 if is_hex => Ok(digits),
        _ => Err("write 4 to 64 hex digits, as `offers`, `history` and logs show them".into()),
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<RunError>() {
        return match error {
            RunError::Config(_)
            | RunError::Key(_)
            | RunError::Rates(_)
            | RunError::Uncounted(_)
            | RunError::Genesis(_) => 3,
            RunError::Chain(zennet_chain_client::ChainError::BadAddress(_)) => 3,
            RunError::Chain(_) => 4,
            RunError::Store(_) | RunError::Unsettled(_) => 5,
            RunError::Engine(_) => 6,
            RunError::Socket(_)
            | RunError::Metrics(..)
            | RunError::Endpoint(_)
            | RunError::Signals(_) => 1,
        };
    }
    if let Some(error) = error.downcast_ref::<BenchmarkError>() {
        return match error {
            BenchmarkError::Key(_) | BenchmarkError::Memory { .. } => 3,
            BenchmarkError::Store(_) | BenchmarkError::Status(StatusError::Store(_)) => 5,
            BenchmarkError::Rig(RigError::Engine(_)) => 6,
            _ => 1,
        };
    }
    if let Some(StatusError::NotRunning(_)) = error.downcast_ref() {
        return NOT_RUNNING;
    }
    let config = error.is::<ConfigError>()
        || error.is::<RatesError>()
        || error.is::<zennet_chain_client::KeyError>()
        || error.is::<zennet_transport::SecretError>();
    let store =
        error.is::<StoreError>() || matches!(error.downcast_ref(), Some(StatusError::Store(_)));
    match (config, store) {
        (true, _) => 3,
        (_, true) => 5,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_kind_of_failure_has_its_code() {
        let code = |error: RunError| exit_code(&error.into());
        assert_eq!(code(ConfigError::NoHome.into()), 3);
        assert_eq!(code(RunError::Genesis("x".into())), 3);
        assert_eq!(code(crate::trial::Uncounted("x".into()).into()), 3);
        let unreachable = zennet_chain_client::ChainError::Unreachable {
            url: "ws://x".into(),
            reason: "refused".into(),
        };
        assert_eq!(code(unreachable.into()), 4);
        assert_eq!(code(StoreError::InUse("x".into()).into()), 5);
        assert_eq!(code(crate::containers::EngineError::NoBundle("x".into()).into()), 6);
        assert_eq!(exit_code(&ConfigError::NoHome.into()), 3);
        assert_eq!(exit_code(&StatusError::NotRunning("x".into()).into()), NOT_RUNNING);
        assert_eq!(exit_code(&anyhow::anyhow!("other")), 1);
    }
}
