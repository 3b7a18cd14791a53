//! `cancel`: ends leases of the running `submit`.

use std::time::Duration;

use anyhow::{bail, Result};
use clap::Args;
use tokio::time::{sleep, Instant};

use crate::{
    context::Context,
    control::{client::ask, Request, Verb},
    output::{Cancelled, Machine},
};

/// How often the running submit is asked whether it is done.
const POLL: Duration = Duration::from_millis(300);

/// End leases of the running submit and settle them
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli cancel zn-2
  publisher-cli cancel --all")]
pub(crate) struct Opts {
    /// Name of a machine
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    machine: Option<String>,
    /// End all of them
    #[arg(long)]
    all: bool,
    /// How long to wait until they are settled
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = crate::units::time)]
    wait: Duration,
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let machine = opts.machine.filter(|_| !opts.all);
    let request = Request { verb: Verb::Cancel, machine, provider: None };
    let Some(answer) = ask(&data_dir, &request).await? else {
        bail!("no `publisher-cli submit` runs in {}: nothing to cancel", data_dir.display());
    };
    let mut told = answer.machines;
    let list = Request { verb: Verb::List, machine: None, provider: None };
    let deadline = Instant::now() + opts.wait;
    while told.iter().any(|machine| machine.phase != "closed") {
        if Instant::now() >= deadline {
            eprintln!("not all are settled yet: `publisher-cli list` shows how far they are");
            break;
        }
        sleep(POLL).await;
        // The submit ends with its last lease; it had settled all then.
        let Some(now) = ask(&data_dir, &list).await? else { break };
        update(&mut told, &now.machines);
    }
    context.out.data(&Cancelled { machines: told })?;
    Ok(())
}

fn update(told: &mut [Machine], now: &[Machine]) {
    for machine in told {
        if let Some(newer) = now.iter().find(|newer| newer.lease == machine.lease) {
            *machine = newer.clone();
        }
    }
}
