//! `resume`: goes on with the machines of a run that died.

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    recover::settle_all,
    submit::{keep, listen},
};
use crate::{
    context::{addresses, Context, Lock},
    control::registry::Registry,
    events::Event,
    lease::{recover::Recovery, seats::Seats},
    order::{report::Report, run::Order},
    ssh::{files::Files, keys::ClientKey, ports::Ports, readings::Logins},
    store::Store,
};

/// Go on with the machines of a run that died
#[derive(Args, Debug)]
#[command(after_help = "Example:
  publisher-cli resume

After a crash or a reboot the machines of the last `submit` still stand, frozen, until their
providers give up. This listens where that run did, so that they find it again; each machine has the
port and the name that it had. Ctrl-C ends the leases as with `submit`. Leases that cannot go on are
settled.")]
pub(crate) struct Opts {}

pub(crate) async fn run(_: &Opts, context: &Context) -> Result<()> {
    let config = context.config()?;
    let key = context.key(&config)?;
    let lock = Lock::take(&config.data_dir)?;
    let store = Store::open(&config.data_dir)?;
    let chain = context.chain(&config).await?;
    let recovery = Recovery::new(chain.clone(), key.clone(), store.clone());
    let open = recovery.open().await?;
    if open.is_empty() {
        eprintln!("every lease of this folder is settled");
        return Ok(());
    }
    let live = open.iter().filter(|earlier| earlier.is_live()).count();
    if live == 0 {
        return settle_all(open, &recovery, &chain, context).await;
    }
    let run = store.run()?.context(
        "the store does not say where its leases can be found: `publisher-cli recover` gets the \
         deposits back",
    )?;
    let machines = u32::try_from(live).unwrap_or(u32::MAX);
    let client_key = ClientKey::from_seed(run.ssh_seed)?;
    let files = Files {
        config: run.ssh_config.into(),
        known_hosts: std::path::absolute(config.data_dir.join("known_hosts"))?,
        identity: std::path::absolute(config.data_dir.join("id_ed25519"))?,
    };
    client_key.write(&files.identity)?;
    files.write(&[])?;
    let address = addresses(&chain);
    let mut report = Report::new(context.out, address.clone(), files);
    report.tell(&Event::Resuming { machines: live });
    let endpoint = listen(&config, run.peer_seed, &run.listen, machines)
        .await
        .context("the address of the last run, which providers dial, cannot be listened on")?;
    let order = Order {
        chain,
        key,
        wanted: None,
        seats: Seats::new(0, None),
        logins: Logins::new(),
        endpoint,
        ports: Ports::from(config.ssh_port_base),
        client_key,
        registry: Registry::new(store.clone(), address),
        store,
    };
    let outcome = keep(order, recovery, &mut report, &config).await;
    drop(lock);
    outcome
}
