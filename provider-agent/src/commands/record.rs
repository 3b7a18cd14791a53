use std::{ffi::OsString, io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;
use zennet_time::unix_secs;

use super::rates::quiet_logs;
use crate::{
    benchmark::{self, composite::Record, report::figures},
    config::{self, Config},
};

/// Exit code when the recorded command failed.
const COMMAND_FAILED: u8 = 8;

/// Run a command in a machine of its own, and print what it used as a line of JSON.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent record -- gzip -9 -k /usr/bin/python3
  provider-agent record --image my-tests:latest -- \\
      sh -c 'phoronix-test-suite batch-run pts/compress-gzip' >>usage.jsonl

The machine has all that [capacity] offers and is metered as a lease's machine is. What the command
prints goes to stderr, or to --output. Its user is root, its folder the machine's root. It reads
nothing from stdin.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Image of the machine [default: filter.default_image].
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// File for what the command prints.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Run though leases have machines here, which it disturbs and which disturb it.
    #[arg(long)]
    force: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(opts.config)?)?;
    quiet_logs();
    let image = opts.image.unwrap_or_else(|| config.filter.default_image.clone());
    let words = opts.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let recording = async {
        match &opts.output {
            Some(path) => {
                let file = tokio::fs::File::create(path).await;
                let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
                let made = benchmark::record(&config, &image, opts.force, opts.command, &mut file);
                anyhow::Ok(made.await?)
            }
            None => {
                let mut errors = tokio::io::stderr();
                let made =
                    benchmark::record(&config, &image, opts.force, opts.command, &mut errors);
                Ok(made.await?)
            }
        }
    };
    let recorded = runtime.block_on(recording);
    runtime.shutdown_background();
    let recorded = recorded?;
    let record = Record {
        command: words,
        status: recorded.status,
        ended_at: unix_secs(),
        millis: recorded.millis,
        usage: figures(&recorded.usage),
    };
    serde_json::to_writer(&mut *out, &record)?;
    writeln!(out)?;
    Ok(if record.status == 0 { 0 } else { COMMAND_FAILED })
}
