//! `stop`: ends the running order.

use std::time::{Duration, Instant};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use tokio::time::sleep;

use crate::{
    context::Context,
    control::{
        client::{ask, runs},
        Request, Verb,
    },
    daemon::show,
    event_log::Follower,
    failure::Failure,
};

/// How often the events are looked at.
const POLL: Duration = Duration::from_millis(100);

/// End the running order and settle its leases
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli stop
  publisher-cli stop --json

This does what Ctrl-C does where the order runs, in the background or not: it ends every lease, pays
what is owed and gets the rest of the deposits back. It waits until all are settled, prints how each
lease ended, and exits as the order does. To interrupt it leaves the order to end by itself.")]
pub(crate) struct Opts {}

pub(crate) async fn run(_: &Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let mut follower = Follower::from_now(&data_dir).context("cannot read the events")?;
    let begin = Instant::now();
    if ask(&data_dir, &Request { verb: Verb::Stop, machine: None, provider: None }).await?.is_none()
    {
        bail!(
            "no order runs in {}: `publisher-cli list` shows its leases, `resume` goes on with \
             those of a run that died",
            data_dir.display()
        );
    }
    let mut over = false;
    loop {
        // Before the events are read, so that none of an order that is over is missed.
        let running = runs(&data_dir).await;
        for told in follower.read().context("cannot read the events")? {
            show(&told, context.out, begin.elapsed());
            match (told.event.as_str(), told.exit_code) {
                ("finished", 0) => return Ok(()),
                ("finished", code) => {
                    return Err(Failure::Other { code, why: told.error.unwrap_or_default() }.into());
                }
                _ => {}
            }
        }
        if !running && over {
            bail!("the order ended without a word: `publisher-cli resume` goes on with it");
        }
        // It tells how it ended a little after nobody answers any more.
        over = !running;
        sleep(POLL).await;
    }
}
