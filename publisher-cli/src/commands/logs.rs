//! `logs`: what happened to the orders of a folder.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::time::sleep;
use zennet_time::utc;

use crate::{
    context::Context,
    control::client::runs,
    event_log::{Follower, Told},
};

/// How often new events are looked for.
const POLL: Duration = Duration::from_millis(200);

/// Show what happened to the orders of this folder
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli logs -n 20
  publisher-cli logs -f
  publisher-cli logs --json | jq 'select(.event == \"lost\")'

Times are UTC. With --json each line is an event as `submit --json` prints it, with the time at which
it was told (at_ms, Unix milliseconds) and in words (text). Warnings of an order in the background
are in data/daemon.log.")]
pub(crate) struct Opts {
    /// Go on until the running order is over
    #[arg(short, long)]
    follow: bool,
    /// The newest events up to this number [default: all that are kept]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
}

fn line(told: &Told, json: bool) -> String {
    if json {
        return told.json.clone();
    }
    let why = told.error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
    format!("{}  {}{why}", utc(told.at_ms / 1000), told.text)
}

pub(crate) async fn run(opts: &Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let mut follower = Follower::from_begin(&data_dir).context("cannot read the events")?;
    let mut running = runs(&data_dir).await;
    let mut told = follower.read().context("cannot read the events")?;
    told.drain(..told.len().saturating_sub(opts.lines.unwrap_or(usize::MAX)));
    if told.is_empty() && !running {
        eprintln!("no order has run in {}", data_dir.display());
    }
    let mut over = false;
    loop {
        for told in &told {
            writeln!(io::stdout(), "{}", line(told, context.out.json))?;
        }
        if !opts.follow || over && !running {
            break;
        }
        // An order tells how it ended a little after nobody answers any more.
        over = !running;
        sleep(POLL).await;
        // Before the events are read, so that none of an order that is over is missed.
        running = runs(&data_dir).await;
        told = follower.read().context("cannot read the events")?;
    }
    if opts.follow {
        eprintln!("no order runs any more");
    }
    Ok(())
}
