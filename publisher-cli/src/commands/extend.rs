//! `extend`: makes a lease of the running `submit` last longer.

use std::time::Duration;

use anyhow::{bail, Result};
use clap::Args;
use tokio::time::{sleep, Instant};

use crate::{
    context::Context,
    control::{client::ask, Request, Verb},
    output::{Machine, Machines},
    units,
};

/// How often the running submit is asked how far it is.
const POLL: Duration = Duration::from_millis(300);

/// Make a lease of the running submit last longer
#[derive(Args, Debug)]
#[command(after_help = "Example:
  publisher-cli extend zn-2 --for 1h

The provider must grant it, and the chain must keep the channel for longer, which takes one
transaction. The deposit is topped up later, when it runs low, as `submit` was told. What is not
granted leaves the lease as it was.")]
pub(crate) struct Opts {
    /// Name of a machine
    machine: String,
    /// By how much, such as 30m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = units::time)]
    by: Duration,
    /// How long to wait until it holds
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = units::time)]
    wait: Duration,
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let secs = match u32::try_from(opts.by.as_secs()) {
        Ok(secs) if secs > 0 => secs,
        _ => bail!("--for must be at least 1s and at most {}s", u32::MAX),
    };
    let request = |verb| Request { verb, machine: Some(opts.machine.clone()), provider: None };
    let Some(answer) = ask(&data_dir, &request(Verb::Extend { secs })).await? else {
        bail!("no `publisher-cli submit` runs in {}: nothing to extend", data_dir.display());
    };
    let Some(mut machine) = answer.machines.into_iter().next() else {
        bail!("there is no such machine as {}", opts.machine);
    };
    let wanted = machine.lease_secs.saturating_add(secs);
    let deadline = Instant::now() + opts.wait;
    while machine.lease_secs < wanted {
        if Instant::now() >= deadline {
            bail!(
                "{} lasts {} s in all, as before: the running submit says why; it goes on to try",
                machine.machine,
                machine.lease_secs
            );
        }
        sleep(POLL).await;
        let Some(now) = ask(&data_dir, &request(Verb::List)).await? else {
            bail!("the running submit has ended, and so has {}", opts.machine);
        };
        machine = newer(machine, now.machines)?;
    }
    context.out.data(&Machines { machines: vec![machine] })?;
    Ok(())
}

/// The same lease as it stands now.
fn newer(before: Machine, now: Vec<Machine>) -> Result<Machine> {
    match now.into_iter().find(|machine| machine.lease == before.lease) {
        Some(machine) if machine.close_reason.is_none() => Ok(machine),
        Some(_) | None => bail!("{} has ended meanwhile", before.machine),
    }
}
