//! `verify`: the same command on several providers' machines, and whether they agree.

use std::time::Duration;

use anyhow::{bail, Result};
use clap::Args;

use super::{submit::Begin, wanted::Wanted};
use crate::{
    context::{Context, Lock},
    order::compare::Job,
    ssh::remote::{shell_line, Bounds},
    units::{self, UnitError},
};

/// Most that a command may write, MiB: all of it is kept until the command has ended.
const MOST_OUTPUT: u32 = 64;

/// Most machines that are compared.
const MOST: i64 = 64;

/// Run a command on machines of different providers and compare what they come to
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli verify -k 3 -m 256M -- sha256sum /usr/bin/env
  publisher-cli verify -k 5 -m 1G --image zennet-os --run-for 10m -- 'seq 1000000 | md5sum'
  publisher-cli verify -k 3 -m 256M --json -- uname -m | jq 'select(.event == \"result\")'

One machine is hired from each of K providers, each runs the command once, as root and without input,
and all leases are settled. Compared are the SHA-256 of standard output and the exit code. A provider
whose result differs from that of more than half of all is named, and the lease counts as one that
ended by its fault: `history --provider` shows it, `submit --max-faults` turns it away. Where its
machine was made of another image than theirs, it is named, but not blamed. The exit code is 0 when
all agree and 10 when not, also where a machine gave no result.

The command should come to the same everywhere: no times, no random numbers, no names of hosts. A
command of one word is a line for the machine's shell. A run that dies is not repeated; `recover`
gets its deposits back.")]
pub(crate) struct Opts {
    /// How many machines, each of another provider
    #[arg(short, value_name = "K", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(2..=MOST))]
    k: u32,
    /// Time that the command may take on a machine
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = units::time)]
    run_for: Duration,
    /// Most that it may write to standard output, up to 64M
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = output_mib)]
    max_output: u32,
    #[command(flatten)]
    wanted: Wanted,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Parses the most that a command may write, in MiB.
fn output_mib(text: &str) -> Result<u32, UnitError> {
    match units::size_mib(text)? {
        mib if mib <= MOST_OUTPUT => Ok(mib),
        _ => Err(UnitError::OutOfRange { text: text.to_owned(), range: "from 1M to 64M" }),
    }
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let Opts { k, run_for, max_output, wanted, command } = opts;
    let spec = wanted.spec(k)?;
    if run_for >= Duration::from_secs(spec.lease.max_secs.into()) {
        bail!("--run-for must be shorter than --for: the leases would end before the command does");
    }
    let config = context.config()?;
    let key = context.key(&config)?;
    let _lock = Lock::take(&config.data_dir)?;
    let bounds = Bounds { time: run_for, stdout: u64::from(max_output) << 20 };
    let job = Some(Job { command: shell_line(&command), bounds });
    let per_provider = Some(1);
    let begin = Begin { wanted, spec, per_provider, selection: None, job, config, key };
    begin.run(context).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_may_write_is_bounded() {
        assert_eq!((output_mib("16M"), output_mib("64M")), (Ok(16), Ok(64)));
        assert!(matches!(output_mib("65M"), Err(UnitError::OutOfRange { .. })));
        assert!(matches!(output_mib("1"), Err(UnitError::Size(_))));
    }
}
