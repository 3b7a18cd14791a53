//! What `provider-agent status`, `history` and `offers` show, and the socket of the running daemon
//! that gives it and takes the operator's word on offers: a request, which is a line of JSON, and an
//! answer. No request at all asks for the status.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use serde::{de::DeserializeOwned, Deserialize, Serialize};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::Semaphore,
    time::timeout,
};
use tracing::debug;
use zennet_lease::Provider;
use zennet_primitives::{amount::Balance, AccountId, Hash};

use crate::{
    capacity::{Capacity, Totals},
    desk::Desk,
    ending::{Ending, Teller},
    history::{self, History, Query},
    lease_name::LeaseName,
    ledger::Heads,
    offers::{OfferList, OfferStatus, MOST_LISTED},
    ssh::bind,
    store::{PastLease, Store},
    trial::Trial,
    volumes::{Volume, Volumes},
};

/// Name of the socket in the data folder.
const SOCKET: &str = "status.sock";
/// How long one answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Longest answer that is read, bytes.
const MOST_BYTES: u64 = 128 << 20;
/// Longest request, bytes.
const MOST_REQUEST: u64 = 4096;
/// Connections that are answered at once.
const CLIENTS: usize = 16;
/// Past leases in one answer.
const MOST_PAST: usize = 50;

/// A lease under way. Amounts are in the smallest coin unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeaseStatus {
    pub(crate) announcement: String,
    pub(crate) publisher: String,
    pub(crate) phase: String,
    pub(crate) frozen: bool,
    pub(crate) channel: Option<String>,
    /// Unix time, seconds.
    pub(crate) began_at: u64,
    /// Price of all usage so far and of what is to be prepaid.
    pub(crate) due: Balance,
    /// Amount of the best voucher.
    pub(crate) paid: Balance,
    /// What the channel locks at present.
    pub(crate) deposit: Option<Balance>,
    /// When the lease time ends, Unix time in seconds, once the machine runs.
    #[serde(default)]
    pub(crate) ends_at: Option<u64>,
    /// When it ends since this host goes out of service, Unix time in seconds.
    #[serde(default)]
    pub(crate) leaves_at: Option<u64>,
    pub(crate) vouchers: u32,
    /// Whether its publisher is connected, as far as the lease needs it.
    #[serde(default)]
    pub(crate) connected: bool,
    pub(crate) usage: serde_json::Value,
}

impl LeaseStatus {
    pub(crate) fn of(
        name: LeaseName,
        publisher: &AccountId,
        began_at: u64,
        provider: &Provider,
    ) -> (Hash, LeaseStatus) {
        let phase = provider.phase();
        let status = LeaseStatus {
            announcement: format!("{:?}", name.announcement),
            publisher: publisher.to_string(),
            frozen: phase == zennet_lease::Phase::Serving { frozen: true },
            phase: phase.name().into(),
            channel: provider.channel().map(|c| format!("{:?}", c.channel)),
            began_at,
            due: provider.due(),
            paid: provider.paid(),
            deposit: provider.scope().map(|scope| scope.deposit),
            ends_at: provider.ends_at().map(|ms| ms / 1000),
            leaves_at: provider.leaves_at().map(|ms| ms / 1000),
            vouchers: provider.vouchers(),
            connected: !provider.wants_connection(),
            usage: PastLease::usage_of(provider.usage()),
        };
        (name.key, status)
    }
}

/// The leases under way, as their drivers last reported them.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<Mutex<Leases>>);

#[derive(Clone, Default)]
pub(crate) struct Leases {
    pub(crate) current: BTreeMap<Hash, LeaseStatus>,
    pub(crate) gone: Gone,
}

/// What leases came to that left the board since the daemon's start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Gone {
    pub(crate) leases: u64,
    pub(crate) vouchers: u64,
    pub(crate) paid: Balance,
}

impl Board {
    pub(crate) fn update(&self, (key, status): (Hash, LeaseStatus)) {
        self.lock().current.insert(key, status);
    }

    pub(crate) fn remove(&self, key: &Hash) {
        let mut leases = self.lock();
        if let Some(lease) = leases.current.remove(key) {
            let gone = &mut leases.gone;
            gone.leases += 1;
            gone.vouchers += u64::from(lease.vouchers);
            gone.paid = gone.paid.saturating_add(lease.paid);
        }
    }

    /// A lease has ended, and what is left of its machine is removed still.
    pub(crate) fn removing(&self, key: &Hash) {
        if let Some(lease) = self.lock().current.get_mut(key) {
            (lease.phase, lease.frozen) = ("removing".into(), false);
        }
    }

    /// All that stands there.
    pub(crate) fn copy(&self) -> Leases {
        self.lock().clone()
    }

    pub(crate) fn leases(&self) -> Vec<LeaseStatus> {
        self.lock().current.values().cloned().collect()
    }

    /// Each change is complete in itself, so a panic elsewhere leaves it sound.
    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole answer. Its field names are stable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) running: bool,
    /// What follows is known only of a daemon that runs.
    pub(crate) daemon: Option<Daemon>,
    pub(crate) leases: Vec<LeaseStatus>,
    /// Leases that a stopped daemon has still to settle.
    pub(crate) unsettled: u64,
    /// Newest first.
    pub(crate) past: Vec<PastLease>,
    /// What is kept between leases.
    #[serde(default)]
    pub(crate) volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Daemon {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) address: String,
    pub(crate) node_url: String,
    pub(crate) genesis: String,
    pub(crate) best: u32,
    pub(crate) finalized: u32,
    pub(crate) capacity: Totals,
    pub(crate) used: Totals,
    /// What a trial of this host's counters found; nothing before it is over.
    #[serde(default)]
    pub(crate) trial: Option<Trial>,
}

/// What the socket's answers are made from.
pub(crate) struct Source {
    pub(crate) address: String,
    pub(crate) node_url: String,
    pub(crate) genesis: String,
    pub(crate) heads: Heads,
    pub(crate) capacity: Capacity,
    pub(crate) board: Board,
    pub(crate) store: Store,
    pub(crate) volumes: Volumes,
    pub(crate) teller: Teller,
    pub(crate) desk: Desk,
    pub(crate) trial: Arc<OnceLock<Trial>>,
}

impl Source {
    fn report(&self) -> Result<Report, crate::store::StoreError> {
        Ok(Report {
            running: true,
            daemon: Some(Daemon {
                version: env!("CARGO_PKG_VERSION").into(),
                pid: std::process::id(),
                address: self.address.clone(),
                node_url: self.node_url.clone(),
                genesis: self.genesis.clone(),
                best: self.heads.best.borrow().number,
                finalized: self.heads.finalized.borrow().number,
                capacity: self.capacity.total(),
                used: self.capacity.used(),
                trial: self.trial.get().cloned(),
            }),
            leases: self.board.leases(),
            unsettled: 0,
            past: self.store.past(MOST_PAST)?,
            volumes: self.volumes.list(),
        })
    }
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Status,
    History(Query),
    /// The daemon goes out of service, after the notice of each lease or at once.
    Leave {
        now: bool,
    },
    /// The first offers up to a number.
    Offers(usize),
    /// Offers by the first digits of their identifiers.
    Accept(Vec<String>),
    Refuse(Vec<String>),
}

/// The socket; it is removed when dropped.
pub(crate) struct Socket {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
        // A file that stays is replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Answers every connection. The store's lock makes this the only daemon here.
pub(crate) fn listen(data_dir: &Path, source: Arc<Source>) -> io::Result<Socket> {
    let listener = bind(data_dir, SOCKET, 0o600)?;
    let task = tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CLIENTS));
        while let Ok(place) = places.clone().acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else { return };
            let source = source.clone();
            tokio::spawn(async move {
                let answered = timeout(ANSWER_WAIT, answer(stream, source)).await;
                if !matches!(answered, Ok(Ok(()))) {
                    debug!("a status answer was not taken");
                }
                drop(place);
            });
        }
    });
    Ok(Socket { path: data_dir.join(SOCKET), task })
}

async fn answer(mut stream: UnixStream, source: Arc<Source>) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(MOST_REQUEST)).read_line(&mut line).await?;
    let request = if line.is_empty() { Ok(Request::Status) } else { serde_json::from_str(&line) };
    let answered = match request {
        Ok(Request::Status) => in_full(move || to_bytes(source.report())),
        Ok(Request::History(query)) => {
            in_full(move || to_bytes(history::of_store(&source.store, &query)))
        }
        Ok(Request::Offers(limit)) => in_full(move || {
            to_bytes(Ok::<_, String>(source.desk.book().list(limit.min(MOST_LISTED))))
        }),
        Ok(Request::Accept(names)) => speak(source, names, true),
        Ok(Request::Refuse(names)) => speak(source, names, false),
        Ok(Request::Leave { now }) => in_full(move || {
            source.teller.tell(if now { Ending::Stop } else { Ending::Leave });
            to_bytes(source.report())
        }),
        Err(error) => in_full(move || to_bytes(Err::<(), _>(format!("bad request: {error}")))),
    };
    let bytes = answered.await??;
    write.write_all(&bytes).await?;
    write.shutdown().await
}

/// Answers on a thread of its own: the store is read from disk.
fn in_full(
    answer: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
) -> tokio::task::JoinHandle<io::Result<Vec<u8>>> {
    tokio::task::spawn_blocking(answer)
}

/// Takes the operator's word, also where its client does not wait for the end of that.
fn speak(
    source: Arc<Source>,
    names: Vec<String>,
    accept: bool,
) -> tokio::task::JoinHandle<io::Result<Vec<u8>>> {
    tokio::spawn(async move { to_bytes(source.desk.speak(&names, accept).await) })
}

fn to_bytes<T: Serialize>(answer: Result<T, impl ToString>) -> io::Result<Vec<u8>> {
    serde_json::to_vec(&answer.map_err(|e| e.to_string())).map_err(io::Error::other)
}

/// Why a running daemon's report was not had.
#[derive(Debug, Error)]
pub(crate) enum StatusError {
    #[error("the daemon did not answer on {0}: {1}")]
    NoAnswer(PathBuf, String),
    #[error("the daemon could not answer: {0}")]
    Store(String),
    #[error("no provider-agent is running with data_dir {0}: start one with `provider-agent run`")]
    NotRunning(PathBuf),
    #[error("{0}")]
    Word(String),
}

/// Asks the running daemon for its status; nothing where none runs.
pub(crate) async fn ask(data_dir: &Path) -> Result<Option<Report>, StatusError> {
    exchange(data_dir, &Request::Status).await
}

/// Asks the running daemon for past leases; nothing where none runs.
pub(crate) async fn ask_history(
    data_dir: &Path,
    query: Query,
) -> Result<Option<History>, StatusError> {
    exchange(data_dir, &Request::History(query)).await
}

/// Tells the running daemon to go out of service, and gives its status; nothing where none runs.
pub(crate) async fn leave(data_dir: &Path, now: bool) -> Result<Option<Report>, StatusError> {
    exchange(data_dir, &Request::Leave { now }).await
}

/// Asks the running daemon for the first offers up to a number.
pub(crate) async fn ask_offers(data_dir: &Path, limit: usize) -> Result<OfferList, StatusError> {
    let found = exchange(data_dir, &Request::Offers(limit)).await?;
    found.ok_or_else(|| StatusError::NotRunning(data_dir.into()))
}

/// Has the running daemon accept or refuse offers.
pub(crate) async fn speak_of(
    data_dir: &Path,
    names: Vec<String>,
    accept: bool,
) -> Result<Vec<OfferStatus>, StatusError> {
    let request = if accept { Request::Accept(names) } else { Request::Refuse(names) };
    let taken = exchange(data_dir, &request).await.map_err(|error| match error {
        StatusError::Store(denied) => StatusError::Word(denied),
        other => other,
    });
    taken?.ok_or_else(|| StatusError::NotRunning(data_dir.into()))
}

async fn exchange<T: DeserializeOwned>(
    data_dir: &Path,
    request: &Request,
) -> Result<Option<T>, StatusError> {
    let path = data_dir.join(SOCKET);
    let no_answer = |e: &dyn ToString| StatusError::NoAnswer(path.clone(), e.to_string());
    let exchange = async {
        let mut stream = match connect(data_dir).await {
            Ok(stream) => stream,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None)
            }
            Err(e) => return Err(no_answer(&e)),
        };
        let mut line = serde_json::to_vec(request).map_err(|e| no_answer(&e))?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(|e| no_answer(&e))?;
        let mut bytes = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut bytes).await.map_err(|e| no_answer(&e))?;
        Ok(Some(bytes))
    };
    let answered = timeout(ANSWER_WAIT, exchange).await.map_err(|_| no_answer(&"too late"))?;
    let Some(bytes) = answered? else { return Ok(None) };
    let answer: Result<T, String> = serde_json::from_slice(&bytes).map_err(|e| no_answer(&e))?;
    answer.map(Some).map_err(StatusError::Store)
}

async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    use std::os::fd::AsRawFd;
    // As in `bind`: a path of any length.
    let held = fs::File::open(data_dir)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd())).await
}

/// What the store of a daemon that does not run tells.
pub(crate) fn of_store(store: &Store) -> Result<Report, crate::store::StoreError> {
    Ok(Report {
        running: false,
        daemon: None,
        leases: Vec::new(),
        unsettled: store.leases()?.len() as u64,
        past: store.past(MOST_PAST)?,
        volumes: store.volumes()?.into_values().collect(),
    })
}
