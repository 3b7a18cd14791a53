//! `recover`: settles what an earlier run left open.

use anyhow::Result;
use clap::Args;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use zennet_chain_client::Chain;

use crate::{
    context::{addresses, Context, Lock},
    event_log::EventLog,
    events::Event,
    failure::Failure,
    lease::{
        driver::{Earlier, Lines},
        recover::{Found, Recovery},
        status::Status,
    },
    order::{report::ending, start::forget_sought},
    store::Store,
    teller::Teller,
};

/// Close the channels of leases that an earlier run left open
#[derive(Args, Debug)]
#[command(after_help = "Example:
  publisher-cli recover

This gives machines up that may still be live: `publisher-cli resume` goes on with them, and looks
for those that were still missing, which this does not. The deposit of a lease stays locked until its
channel is closed on chain: a request, the time that the provider has to answer it, and the refund.")]
pub(crate) struct Opts {}

pub(crate) async fn run(_: &Opts, context: &Context) -> Result<()> {
    let config = context.config()?;
    let key = context.key(&config)?;
    let _lock = Lock::take(&config.data_dir)?;
    let store = Store::open(&config.data_dir)?;
    let chain = context.chain(&config).await?;
    let recovery = Recovery::new(chain.clone(), key, store.clone());
    let Found { open, unclear } = recovery.found().await?;
    for lease in &unclear {
        eprintln!("the channel of {} (#{}) may still be opened: try later", lease.name, lease.id);
    }
    // What is given up is not looked for either.
    forget_sought(&store);
    let teller = Teller::new(context.out, EventLog::open(&config.data_dir)?);
    settle_all(open, &recovery, &chain, &teller).await
}

/// Settles leases, and waits until all are.
pub(super) async fn settle_all(
    open: Vec<Earlier>,
    recovery: &Recovery,
    chain: &Chain,
    teller: &Teller,
) -> Result<()> {
    if open.is_empty() {
        eprintln!("no lease is left to settle");
        return Ok(());
    }
    eprintln!(
        "settling {} leases; this takes as long as their providers have to answer",
        open.len()
    );
    let address = addresses(chain);
    let mut settling = JoinSet::new();
    for earlier in open {
        let recovery = recovery.clone();
        settling.spawn(async move {
            let (status, _snapshot) = watch::channel(Status::new(earlier.lease.id));
            let (_stop, stops) = mpsc::channel(1);
            let (news, mut heard) = mpsc::channel(16);
            let listening = tokio::spawn(async move { while heard.recv().await.is_some() {} });
            let (_wish, wishes) = mpsc::channel(1);
            let (_rejoined, links) = mpsc::channel(1);
            let lines = Lines { stops, wishes, status, news, links };
            let settled = recovery.settle(earlier, lines).await;
            listening.abort();
            settled
        });
    }
    let mut unsettled = 0;
    while let Some(status) = settling.join_next().await {
        let event = ending(&status??, |account| address(account));
        unsettled += usize::from(!matches!(event, Event::Settled { .. }));
        teller.tell(&event);
    }
    if unsettled > 0 {
        return Err(Failure::Unsettled(unsettled).into());
    }
    Ok(())
}
