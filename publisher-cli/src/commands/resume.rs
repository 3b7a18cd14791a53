//! `resume`: goes on with the order of a run that died or was left.

use anyhow::{Context as _, Result};
use clap::Args;
use zennet_chain_client::AccountKey;

use super::recover::settle_all;
use crate::{
    config::Config,
    context::{addresses, Context, Lock},
    control::registry::Registry,
    daemon,
    event_log::EventLog,
    events::Event,
    lease::{recover::Recovery, seats::Seats},
    order::{
        report::{Report, Totals},
        run::{Announcing, Order},
        sought::{Announcer, Sought},
        spec::announced,
        start::{listen, Open},
    },
    ssh::{files::Files, keys::ClientKey, login::Logins, ports::Ports},
    store::Store,
    teller::Teller,
};

/// Go on with the machines of a run that died
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli resume
  publisher-cli resume --detach

After a crash or a reboot the machines of the last `submit` still stand, frozen, until their
providers give up. This listens where that run did, so that they find it again; each machine has the
port and the name that it had. If some were still missing, it announces these once more, and looks
for them as long as `submit --timeout` said. Ctrl-C and `publisher-cli stop` end the leases as with
`submit`. Leases that cannot go on are settled.

With --detach the order goes on in the background. This returns when all machines are back, or with
exit code 6 after a minute in which only some are: the rest is waited for all the same.")]
pub(crate) struct Opts {
    /// Go on in the background once all machines are back
    #[arg(long)]
    detach: bool,
    /// What --detach starts
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) daemon: bool,
}

pub(crate) async fn run(opts: &Opts, context: &Context) -> Result<()> {
    let config = context.config()?;
    let key = context.key(&config)?;
    let lock = Lock::take(&config.data_dir)?;
    if is_nothing_left(&config)? {
        eprintln!("every lease of this folder is settled, and nothing is looked for");
        return Ok(());
    }
    if opts.detach {
        return daemon::start(lock, &config.data_dir, context.out).await;
    }
    let _bounded = opts.daemon.then(|| daemon::bound_log(&config.data_dir));
    let teller = Teller::new(context.out, EventLog::open(&config.data_dir)?);
    let mut totals = None;
    let outcome = Box::pin(go_on(config, key, context, &teller, &mut totals)).await;
    teller.finished(totals, &outcome);
    outcome
}

/// Whether there is nothing to go on with, as the store knows it.
fn is_nothing_left(config: &Config) -> Result<bool> {
    let store = Store::open(&config.data_dir)?;
    let looks = store.run()?.is_some_and(|run| run.sought.is_some());
    Ok(!looks && store.unfinished()?.is_empty())
}

async fn go_on(
    config: Config,
    key: AccountKey,
    context: &Context,
    teller: &Teller,
    totals: &mut Option<Totals>,
) -> Result<()> {
    let store = Store::open(&config.data_dir)?;
    let chain = context.chain(&config).await?;
    let recovery = Recovery::new(chain.clone(), key.clone(), store.clone());
    let found = recovery.found().await?;
    let run = store.run()?;
    let sought = run.as_ref().and_then(|run| run.sought.clone());
    if found.live() == 0 && found.unclear.is_empty() && sought.is_none() {
        return settle_all(found.open, &recovery, &chain, teller).await;
    }
    let run = run.context(
        "the store does not say where its leases can be found: `publisher-cli recover` gets the \
         deposits back",
    )?;
    let client_key = ClientKey::from_seed(run.ssh_seed)?;
    let files = Files {
        config: run.ssh_config.clone().into(),
        known_hosts: std::path::absolute(config.data_dir.join("known_hosts"))?,
        identity: std::path::absolute(config.data_dir.join("id_ed25519"))?,
    };
    client_key.write(&files.identity)?;
    files.write(&[])?;
    let address = addresses(&chain);
    let mut report = Report::new(teller.clone(), address.clone(), files);
    let open = Open::at(&config.data_dir, Registry::new(store.clone(), address))?;
    let machines = sought.as_ref().map_or(0, |sought| sought.machines as usize);
    let under_way = found.live() + found.unclear.len();
    let wanted = machines.saturating_sub(under_way);
    report.tell(&Event::Resuming { machines: found.live(), wanted });
    let most = machines.max(found.open.len() + found.unclear.len());
    let endpoint = listen(&config, run.peer_seed, &run.listen, most)
        .await
        .context("the address of the last run, which providers dial, cannot be listened on")?;
    let seats = sought.as_ref().map_or_else(|| Seats::new(0, None), Sought::seats);
    let selection = run.selection.clone();
    let timeout = sought.as_ref().map(Sought::timeout).unwrap_or_default();
    let announcing = match sought {
        Some(sought) => {
            let announcer = Announcer {
                chain: chain.clone(),
                key: key.clone(),
                store: store.clone(),
                teller: teller.clone(),
            };
            let dialed = announced(&config, &endpoint)?;
            let announcing = announcer.announce_free(run, sought, dialed, seats.clone());
            Some(Box::pin(announcing) as Announcing)
        }
        None => None,
    };
    let order = Order {
        chain,
        key,
        machines,
        timeout,
        resumes: true,
        wanted: None,
        seats,
        logins: Logins::new(),
        selection,
        recheck: config.recheck,
        job: None,
        endpoint,
        ports: Ports::from(config.ssh_port_base),
        client_key,
        registry: open.registry.clone(),
        store,
    };
    open.keep(order, announcing, (found, recovery), &mut report, totals).await
}
