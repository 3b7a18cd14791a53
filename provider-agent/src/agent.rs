//! The daemon: sets everything up, settles what an earlier run left, ends in order.

use std::{
    collections::HashSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::Serialize;
use thiserror::Error;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout, Instant},
};
use tracing::{error, info, info_span, warn, Instrument};
use zennet_chain_client::{AccountKey, Chain, ChainError, Head, HeadStream, KeyError};
use zennet_primitives::{AccountId, Hash};
use zennet_time::{unix_secs, Anchor, Clock};
use zennet_transport::{Endpoint, Limits};

use crate::{
    answers::{short, Answers},
    bench,
    capacity::Capacity,
    config::{Config, ConfigError},
    containers::{Engine, EngineError},
    desk::Desk,
    driver::Shared,
    ending::{endings, listen_to_signals, Ending, Endings},
    filter::Policy,
    ledger::{Account, Heads, WatchPolicy},
    machine::{self, container_name, MACHINES},
    meet::{settle_old, Grounds, Old},
    metrics,
    prices::Prices,
    rates::{self, RatesError},
    status::{self, Board},
    store::{Store, StoreError},
    trial::{self, Trial, Uncounted},
    volumes::Volumes,
};

/// How long the daemon waits for its leases when it ends. What is not settled by then is settled
/// by the next start.
const FAREWELL: Duration = Duration::from_secs(90);
/// How long an ended daemon without an engine waits for the settlement of old leases.
const SETTLE_ONLY: Duration = Duration::from_secs(60);
/// How long the store is waited for: while no daemon runs, `status` reads it for a moment.
const STORE_PATIENCE: Duration = Duration::from_secs(3);
/// How long the engine is waited for while machines of an earlier run may be left on it.
const ENGINE_PATIENCE: Duration = Duration::from_secs(300);
/// How often volumes are looked through.
const JANITOR: Duration = Duration::from_secs(30);
/// Fact in the store: the boot, milliseconds since then, and milliseconds of the clock of leases.
const CLOCK: &str = "clock";
/// Pause before the chain is followed again, or the engine asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// Why the daemon did not run, or stopped.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Rates(#[from] RatesError),
    #[error(transparent)]
    Uncounted(#[from] Uncounted),
    #[error("genesis = {0:?} is no hash: write 0x and 64 hex digits")]
    Genesis(String),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the status socket cannot be made: {0}")]
    Socket(std::io::Error),
    #[error("metrics.listen = {0} cannot be listened on: {1}")]
    Metrics(SocketAddr, std::io::Error),
    #[error("the network endpoint cannot be made: {0}")]
    Endpoint(String),
    #[error("signals cannot be listened to: {0}")]
    Signals(std::io::Error),
    #[error(
        "{0} leases are not settled: `provider-agent run` goes on with them, --force removes their \
         machines"
    )]
    Unsettled(usize),
}

/// Runs the daemon until it is told to end.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    let genesis = config.genesis.as_deref().map(parse_hash).transpose()?;
    let prices = Prices::from(rates::of(&config)?);
    let key = AccountKey::load(&config.key_file)?;
    let store = open_store(&config.data_dir).await?;
    let (teller, endings) = endings();
    listen_to_signals(teller.clone()).map_err(RunError::Signals)?;
    let chain = Chain::connect(&config.node_url, genesis).await?;
    let account = key.account();
    let address = chain.address(&account);
    store.belongs_to(chain.genesis(), &address).await?;
    info!(address, node = config.node_url, genesis = ?chain.genesis(), "connected to the chain");
    let heads = follow(&chain).await?;
    let shared = Shared {
        store: store.clone(),
        board: Board::default(),
        key: key.clone(),
        clock: clock(&store).await?,
        volumes: Volumes::open(&store, &config.volumes)?,
    };
    let capacity = Capacity::new(&config.capacity);
    let desk = Desk::open(store.clone(), config.market.max_offers)?;
    let tried = Arc::new(OnceLock::new());
    let source = Arc::new(status::Source {
        address: address.clone(),
        node_url: config.node_url.clone(),
        genesis: format!("{:?}", chain.genesis()),
        heads: heads.clone(),
        capacity: capacity.clone(),
        board: shared.board.clone(),
        store: store.clone(),
        volumes: shared.volumes.clone(),
        teller,
        desk: desk.clone(),
        trial: tried.clone(),
    });
    let _socket = status::listen(&config.data_dir, source.clone()).map_err(RunError::Socket)?;
    let _metrics = match show_metrics(&config, source).await {
        // An address that is not there yet does not keep paid machines from coming back.
        Err(error) if !earlier(&store)?.is_empty() => {
            warn!(%error, "no figures are shown until the next start");
            None
        }
        shown => shown?,
    };
    let watch = WatchPolicy {
        wait_for_finality: config.lease.wait_for_finality,
        expiry_margin: config.lease.min_challenge_blocks,
        block_ms: chain.constants().block_ms,
        settle_loss: config.lease.settle_loss_xen.0,
        tip_percent: config.lease.tip_percent,
    };
    let ledger = Account::open(chain.clone(), key);
    let old = earlier(&store)?;
    let names: HashSet<String> = old.iter().map(|old| old.name.short(&account)).collect();
    let kept: HashSet<String> = old
        .iter()
        .filter(|old| old.lease.provider.leaves_machine())
        .map(|old| old.name.short(&account))
        .collect();

    let ready = async {
        let engine = engine(&config, &account, &kept, endings.clone()).await?;
        let mut stopped = endings.clone();
        // Leases that go on are not kept waiting, and no finding ends them: they have their rates.
        if !old.is_empty() {
            return Ok((engine, trial::known(&config, &store).unwrap_or_default()));
        }
        let trial = tokio::select! {
            trial = trial::of_this_boot(&config, &prices.rates, &store, &engine) => trial,
            // What it leaves is removed with everything else.
            _ = stopped.begun() => Trial::default(),
        };
        trial.admit(&prices.rates)?;
        Ok::<_, RunError>((engine, trial))
    };
    let engine = match ready.await {
        Ok((engine, trial)) => {
            // It is set here alone.
            let _ = tried.set(trial);
            Arc::new(engine)
        }
        Err(error) => {
            if !old.is_empty() {
                warn!(leases = old.len(), "settling leases of the last run before ending");
                let mut settling = JoinSet::new();
                for old in old {
                    let span = info_span!("lease", announcement = short(&old.name.announcement));
                    let (shared, ledger, heads) = (shared.clone(), ledger.clone(), heads.clone());
                    let settled = settle_old(old, shared, ledger, heads, watch, endings.clone());
                    settling.spawn(settled.instrument(span));
                }
                let _ = timeout(SETTLE_ONLY, join_all(&mut settling)).await;
            }
            return Err(error);
        }
    };
    let folders = config.data_dir.join(MACHINES);
    machine::clear_folders(&folders, &kept);
    let volumes = shared.volumes.clone();
    volumes.release_all_but(&names, unix_secs()).await?;
    engine.clear_volumes(&volumes.paths()).await;
    let _janitor = Janitor(tokio::spawn(remove_expired(volumes.clone(), engine.clone())));
    let capabilities = bench::capabilities(&config, &store, engine.wall()).await;
    let policy = Policy::new(&config, account.clone(), prices, capabilities, Chain::parse_address)?;
    let policy = if engine.has_volumes() { policy.with_volumes(volumes) } else { policy };
    let limits =
        Limits { allow_private: config.filter.allow_private_endpoints, ..Default::default() };
    let endpoint = Endpoint::dialer(limits).map_err(|e| RunError::Endpoint(e.to_string()))?;
    let endpoint = Arc::new(endpoint);
    let grounds = Arc::new(Grounds {
        shared,
        chain: chain.clone(),
        ledger,
        heads,
        policy,
        engine: engine.clone(),
        endpoint,
        folders: folders.clone(),
        watch,
        endings: endings.clone(),
    });
    let mut answers = Answers::new(grounds, capacity, desk, config.market)?;
    for old in old {
        answers.resume(old);
    }
    let served = answers.serve(endings.clone()).await;
    farewell(&mut answers, endings.clone()).await;
    // However this ended: a machine that the next start goes on with stays.
    if earlier(&store)?.iter().any(|old| old.lease.provider.leaves_machine()) {
        return Ok(served?);
    }
    if let Err(error) = leave_nothing(&engine, &folders).await {
        error!(%error, "containers may be left behind; the next start removes them");
    }
    Ok(served?)
}

async fn show_metrics(
    config: &Config,
    source: Arc<status::Source>,
) -> Result<Option<metrics::Server>, RunError> {
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let server = metrics::listen(address, source).await;
    server.map(Some).map_err(|error| RunError::Metrics(address, error))
}

/// Waits for the end of all leases. After a notice they run on for as long as was promised.
async fn farewell(answers: &mut Answers, mut endings: Endings) {
    if endings.get() == Ending::Leave {
        info!("leaving: leases end after their notice; no announcement is answered any more");
        tokio::select! {
            () = answers.end() => return,
            _ = endings.beyond(Ending::Leave) => (),
        }
    }
    info!("ending: leases are settled, or left to the next start");
    if timeout(FAREWELL, answers.end()).await.is_err() {
        warn!("some leases are not settled yet; the next start settles them");
    }
}

/// Ends with what it is for.
struct Janitor(JoinHandle<()>);

impl Drop for Janitor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Deletes volumes whose time is over.
async fn remove_expired(volumes: Volumes, engine: Arc<Engine>) {
    loop {
        for path in volumes.expired(unix_secs()) {
            // What is put away and not deleted yet is deleted by the next start.
            if volumes.forget(&path, unix_secs(), || engine.put_volume_away(&path)).await {
                engine.clear_put_away().await;
                info!(volume = path, "volume deleted: its time was over");
            }
        }
        sleep(JANITOR).await;
    }
}

/// What was left on this host and has been removed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Rests {
    pub(crate) machines: usize,
    pub(crate) network: bool,
}

/// Removes what a daemon that was killed left on this host.
pub(crate) async fn sweep(config: &Config, force: bool) -> Result<Rests, RunError> {
    let account = AccountKey::load(&config.key_file)?.account();
    // Held to the end, so that no daemon starts meanwhile.
    let store = open_store(&config.data_dir).await?;
    let unsettled = store.leases()?.len();
    if unsettled > 0 && !force {
        return Err(RunError::Unsettled(unsettled));
    }
    let engine = Engine::connect(&config.docker, &config.isolation, owner(&account)).await?;
    Ok(leave_nothing(&engine, &config.data_dir.join(MACHINES)).await?)
}

/// Removes all machines, their network, its rules and their folders.
async fn leave_nothing(engine: &Engine, folders: &Path) -> Result<Rests, EngineError> {
    let machines = engine.sweep(&HashSet::new()).await;
    let network = engine.remove_network().await;
    machine::clear_folders(folders, &HashSet::new());
    Ok(Rests { machines: machines?, network })
}

/// How containers name the account that they belong to.
pub(crate) fn owner(account: &AccountId) -> String {
    hex::encode(AsRef::<[u8]>::as_ref(account))
}

pub(crate) async fn open_store(dir: &Path) -> Result<Store, StoreError> {
    let deadline = Instant::now() + STORE_PATIENCE;
    loop {
        match Store::open(dir) {
            Err(StoreError::InUse(_)) if Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            opened => return opened,
        }
    }
}

/// The clock of leases. Without any, nothing hangs on that of an earlier run, which the system's may have
/// been put right since.
async fn clock(store: &Store) -> Result<Clock, StoreError> {
    let earlier: Option<(String, u64, u64)> =
        if store.leases()?.is_empty() { None } else { store.fact(CLOCK)? };
    let earlier =
        earlier.map(|(boot, since_boot_ms, clock_ms)| Anchor { boot, since_boot_ms, clock_ms });
    let clock = Clock::after(earlier.as_ref());
    if let Some(Anchor { boot, since_boot_ms, clock_ms }) = clock.anchor() {
        if let Err(error) = store.put_fact(CLOCK, &(boot, since_boot_ms, clock_ms)).await {
            warn!(%error, "should this be killed and the system's clock be set, leases end early or late");
        }
    }
    Ok(clock)
}

async fn join_all<T: 'static>(tasks: &mut JoinSet<T>) {
    while tasks.join_next().await.is_some() {}
}

/// Connects to the engine and removes what no lease needs any more. Where machines of an earlier
/// run may be left on it, it is waited for: after a power failure it may start later than this.
async fn engine(
    config: &Config,
    account: &AccountId,
    kept: &HashSet<String>,
    mut endings: Endings,
) -> Result<Engine, EngineError> {
    let owner = owner(account);
    let deadline = Instant::now() + ENGINE_PATIENCE;
    let engine = loop {
        match Engine::connect(&config.docker, &config.isolation, owner.clone()).await {
            Err(error) if !kept.is_empty() && Instant::now() < deadline => {
                warn!(%error, "machines of an earlier run wait for the container engine");
            }
            connected => break connected?,
        }
        let stopped = timeout(PAUSE, endings.begun()).await.is_ok();
        if stopped {
            break Engine::connect(&config.docker, &config.isolation, owner).await?;
        }
    };
    let kept = kept.iter().map(|name| container_name(name)).collect();
    let left = engine.sweep(&kept).await?;
    if left > 0 {
        info!(containers = left, "removed what an earlier run left");
    }
    Ok(engine)
}

pub(crate) fn parse_hash(text: &str) -> Result<Hash, RunError> {
    let mut hash = Hash::zero();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut hash.0).map_err(|_| RunError::Genesis(text.into()))?;
    Ok(hash)
}

/// Follows both heads for as long as anyone looks.
async fn follow(chain: &Chain) -> Result<Heads, ChainError> {
    let (best, best_heads) = watch::channel(chain.best().await?);
    let (finalized, finalized_heads) = watch::channel(chain.finalized().await?);
    tokio::spawn(pass_on(chain.follow_best().await?, best));
    tokio::spawn(pass_on(chain.follow_finalized().await?, finalized));
    Ok(Heads { best: best_heads, finalized: finalized_heads })
}

async fn pass_on(mut stream: HeadStream, heads: watch::Sender<Head>) {
    while !heads.is_closed() {
        match stream.next().await {
            Some(Ok(head)) => {
                heads.send_replace(head);
            }
            Some(Err(error)) => {
                warn!(%error, "the chain cannot be followed now, trying again");
                sleep(PAUSE).await;
            }
            None => sleep(PAUSE).await,
        }
    }
}

/// The leases that an earlier run left.
fn earlier(store: &Store) -> Result<Vec<Old>, StoreError> {
    let mut found = Vec::new();
    for (key, stored) in store.leases()? {
        match Old::read(key, &stored) {
            Some(old) => found.push(old),
            None => error!(
                lease = short(&key),
                "a stored lease cannot be read and is left as it is; was it written by another version?"
            ),
        }
    }
    Ok(found)
}
