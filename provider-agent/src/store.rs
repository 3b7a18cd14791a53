//! The durable store: leases under way, past leases, benchmarks. One process at a time.
//!
//! All writing goes through one thread that commits together whatever waits, so that many leases
//! share the cost of one sync. A write is durable when its call returns.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use zennet_primitives::{amount::Balance, close::CloseReason, usage::Usage, Hash};

/// Name of the file in the data folder.
const FILE: &str = "leases.redb";
/// Past leases that are kept; older ones make room.
const MOST_PAST: u64 = 10_000;
/// Writes that may wait.
const QUEUE: usize = 256;

const LEASES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("leases");
const PAST: TableDefinition<u64, &[u8]> = TableDefinition::new("past");
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");

/// Why the store cannot be used.
#[derive(Clone, Debug, Error)]
pub(crate) enum StoreError {
    #[error("the store {0} is in use by another provider-agent: stop that one, or configure another data_dir")]
    InUse(PathBuf),
    #[error("cannot use the store {path}: {message}; check the disk and its free space")]
    Unusable { path: PathBuf, message: String },
    #[error("writing to the store failed: {0}; check the disk and its free space")]
    Write(String),
    #[error("a record of the store cannot be read: {0}")]
    Corrupt(String),
    #[error("the store {path} belongs to {what} {found}, this is {expected}: configure another data_dir")]
    Foreign { path: PathBuf, what: &'static str, found: String, expected: String },
}

/// A lease that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PastLease {
    pub(crate) announcement: String,
    pub(crate) publisher: String,
    pub(crate) channel: Option<String>,
    /// Unix time, seconds.
    pub(crate) began_at: u64,
    /// Unix time, seconds.
    pub(crate) ended_at: u64,
    pub(crate) reason: CloseReason,
    pub(crate) due: Balance,
    pub(crate) paid: Balance,
    /// What the channel paid on chain, where it was settled.
    pub(crate) settled: Option<Balance>,
    pub(crate) vouchers: u32,
    pub(crate) usage: serde_json::Value,
}

impl PastLease {
    pub(crate) fn usage_of(usage: Option<Usage>) -> serde_json::Value {
        usage.and_then(|u| serde_json::to_value(u).ok()).unwrap_or_default()
    }
}

enum Write {
    Save(Hash, Vec<u8>),
    Finish(Hash, Option<Vec<u8>>),
    Fact(&'static str, Vec<u8>),
}

type Request = (Write, oneshot::Sender<Result<(), StoreError>>);

/// The opened store; clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    database: Arc<Database>,
    writes: mpsc::Sender<Request>,
}

impl Store {
    /// Opens the store in a data folder, which is made when absent, and locks it.
    pub(crate) fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let path = data_dir.join(FILE);
        let unusable =
            |e: &dyn ToString| StoreError::Unusable { path: path.clone(), message: e.to_string() };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(|e| unusable(&e))?;
        let database = Database::create(&path).map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.clone()),
            e => unusable(&e),
        })?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(|e| unusable(&e))?;
        let make_tables = || -> Result<(), redb::Error> {
            let write = database.begin_write()?;
            write.open_table(LEASES)?;
            write.open_table(PAST)?;
            write.open_table(FACTS)?;
            write.commit()?;
            Ok(())
        };
        make_tables().map_err(|e| unusable(&e))?;
        let database = Arc::new(database);
        let (writes, requests) = mpsc::channel(QUEUE);
        let writer = database.clone();
        thread::Builder::new()
            .name("store".into())
            .spawn(move || write_all(&writer, requests))
            .map_err(|e| unusable(&e))?;
        Ok(Store { path, database, writes })
    }

    /// Whether a data folder has a store.
    pub(crate) fn exists(data_dir: &Path) -> bool {
        data_dir.join(FILE).exists()
    }

    /// Ties the store to a chain and an account, or refuses when it belongs to others.
    pub(crate) async fn belongs_to(&self, genesis: Hash, account: &str) -> Result<(), StoreError> {
        for (key, what, expected) in [
            ("genesis", "the chain", format!("{genesis:?}")),
            ("account", "the account", account.to_owned()),
        ] {
            match self.fact::<String>(key)? {
                Some(found) if found != expected => {
                    let path = self.path.clone();
                    return Err(StoreError::Foreign { path, what, found, expected });
                }
                Some(_) => (),
                None => self.put_fact(key, &expected).await?,
            }
        }
        Ok(())
    }

    /// Saves the state of a lease; durable when this returns.
    pub(crate) async fn save(&self, id: Hash, state: Vec<u8>) -> Result<(), StoreError> {
        self.write(Write::Save(id, state)).await
    }

    /// Removes a lease and, where it came to one, files it under the past; durable when this returns.
    pub(crate) async fn finish(
        &self,
        id: Hash,
        past: Option<&PastLease>,
    ) -> Result<(), StoreError> {
        let past = past.map(serde_json::to_vec).transpose();
        self.write(Write::Finish(id, past.map_err(|e| StoreError::Write(e.to_string()))?)).await
    }

    /// Notes a fact.
    pub(crate) async fn put_fact<T: Serialize>(
        &self,
        key: &'static str,
        value: &T,
    ) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|e| StoreError::Write(e.to_string()))?;
        self.write(Write::Fact(key, bytes)).await
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let gone = || StoreError::Write("the store's thread ended".into());
        let (reply, answer) = oneshot::channel();
        self.writes.send((write, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The leases that are under way, with their saved states.
    pub(crate) fn leases(&self) -> Result<Vec<(Hash, Vec<u8>)>, StoreError> {
        self.read(|read| {
            let table = read.open_table(LEASES)?;
            let all = table.iter()?.map(|entry| {
                let (id, state) = entry?;
                Ok((Hash(*id.value()), state.value().to_vec()))
            });
            all.collect()
        })
    }

    /// Past leases, newest first, `most` of them.
    pub(crate) fn past(&self, most: usize) -> Result<Vec<PastLease>, StoreError> {
        let rows: Vec<Vec<u8>> = self.read(|read| {
            let table = read.open_table(PAST)?;
            let rows = table.iter()?.rev().take(most);
            rows.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        })?;
        rows.iter().map(|row| from_json(row)).collect()
    }

    /// A fact that was noted before.
    pub(crate) fn fact<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let bytes = self.read(|read| {
            Ok(read.open_table(FACTS)?.get(key)?.map(|value| value.value().to_vec()))
        })?;
        bytes.map(|bytes| from_json(&bytes)).transpose()
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let outcome = self.database.begin_read().map_err(redb::Error::from);
        outcome.and_then(|read| query(&read)).map_err(|e| StoreError::Corrupt(e.to_string()))
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))
}

/// The writer's thread: takes all that waits, commits it as one, answers each.
fn write_all(database: &Database, mut requests: mpsc::Receiver<Request>) {
    let mut batch = Vec::new();
    while requests.blocking_recv_many(&mut batch, QUEUE) > 0 {
        let (writes, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let outcome = commit(database, &writes).map_err(|e| StoreError::Write(e.to_string()));
        for reply in replies {
            // Whoever no longer waits has no use for the answer.
            let _ = reply.send(outcome.clone());
        }
    }
}

fn commit(database: &Database, writes: &[Write]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut leases = transaction.open_table(LEASES)?;
        let mut past = transaction.open_table(PAST)?;
        let mut facts = transaction.open_table(FACTS)?;
        for write in writes {
            match write {
                Write::Save(id, state) => {
                    leases.insert(&id.0, &state[..])?;
                }
                Write::Finish(id, ended) => {
                    leases.remove(&id.0)?;
                    if let Some(ended) = ended {
                        let next = past.last()?.map_or(0, |(number, _)| number.value() + 1);
                        past.insert(next, &ended[..])?;
                        past.retain_in(..next.saturating_sub(MOST_PAST - 1), |_, _| false)?;
                    }
                }
                Write::Fact(key, value) => {
                    facts.insert(*key, &value[..])?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
