//! The durable store: leases under way, past leases, benchmarks. One process at a time.
//!
//! All writing goes through one [`Writer`], so that many leases share the cost of one sync. A write
//! is durable when its call returns.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redb::{DatabaseError, ReadableTable, TableDefinition, WriteTransaction};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use thiserror::Error;
use tracing::warn;
use zennet_chain_client::{Chain, Deed, Record};
use zennet_primitives::{
    amount::Balance, close::CloseReason, pow::Role, usage::Usage, AccountId, Hash,
};
use zennet_store::{Durable, Writer};

use crate::{
    history::{
        journal::Entry,
        terms::{TermsRecord, VoucherRecord},
    },
    volumes::Volume,
};

/// Name of the file in the data folder.
const FILE: &str = "leases.redb";
/// Past leases that are kept; older ones make room.
const MOST_PAST: u64 = 10_000;

const LEASES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("leases");
const PAST: TableDefinition<u64, &[u8]> = TableDefinition::new("past");
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");
/// By publisher and name.
const VOLUMES: TableDefinition<&str, &[u8]> = TableDefinition::new("volumes");

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

/// A lease that has ended. Records of earlier versions lack the later fields.
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
    /// Whose word ended it.
    #[serde(default)]
    pub(crate) closed_by: Option<Role>,
    #[serde(default)]
    pub(crate) terms: Option<TermsRecord>,
    /// The last one: proof of what was promised.
    #[serde(default)]
    pub(crate) voucher: Option<VoucherRecord>,
    /// In the order of their times.
    #[serde(default)]
    pub(crate) events: Vec<Entry>,
    /// Events in the middle that were not kept.
    #[serde(default)]
    pub(crate) events_left_out: u32,
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
    Volume(String, Option<Vec<u8>>),
}

/// The opened store; clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    database: Arc<Durable>,
    writer: Arc<Writer<Write>>,
    deeds: Deeds,
}

/// Past leases, oldest first, as far as records of publishers are made of them: filters ask often.
type Deeds = Arc<Mutex<VecDeque<(AccountId, Deed)>>>;

/// Files a lease under its publisher.
fn note_deed(deeds: &Deeds, past: &PastLease) {
    // The daemon wrote it; a text that is no address belongs to nobody.
    let Ok(publisher) = Chain::parse_address(&past.publisher) else { return };
    let mut deeds = deeds.lock().unwrap_or_else(PoisonError::into_inner);
    if deeds.len() as u64 >= MOST_PAST {
        deeds.pop_front();
    }
    deeds.push_back((publisher, past.deed()));
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
        let database = Durable::open(&path).map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.clone()),
            e => unusable(&e),
        })?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(|e| unusable(&e))?;
        let made = database.write(|write| {
            write.open_table(LEASES)?;
            write.open_table(PAST)?;
            write.open_table(FACTS)?;
            write.open_table(VOLUMES)?;
            Ok(())
        });
        made.map_err(|e| unusable(&e))?;
        let database = Arc::new(database);
        // Whoever is paid waits for each write, so none waits for others to come.
        let writer =
            Writer::start(database.clone(), Duration::ZERO, change).map_err(|e| unusable(&e))?;
        let writer = Arc::new(writer);
        let store = Store { path, database, writer, deeds: Deeds::default() };
        store.each_past(|past| note_deed(&store.deeds, &past))?;
        Ok(store)
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
        let row = past.map(serde_json::to_vec).transpose();
        let row = row.map_err(|e| StoreError::Write(e.to_string()))?;
        self.write(Write::Finish(id, row)).await?;
        if let Some(past) = past {
            note_deed(&self.deeds, past);
        }
        Ok(())
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

    /// Stores a volume, or that it is none any more; durable when this returns.
    pub(crate) async fn put_volume(
        &self,
        path: String,
        volume: Option<&Volume>,
    ) -> Result<(), StoreError> {
        let row = volume.map(serde_json::to_vec).transpose();
        self.write(Write::Volume(path, row.map_err(|e| StoreError::Write(e.to_string()))?)).await
    }

    /// Every volume, by its path.
    pub(crate) fn volumes(&self) -> Result<BTreeMap<String, Volume>, StoreError> {
        let rows = self.read(|read| {
            let table = read.open_table(VOLUMES)?;
            let all = table.iter()?.map(|entry| {
                let (path, row) = entry?;
                Ok((path.value().to_owned(), row.value().to_vec()))
            });
            all.collect::<Result<Vec<_>, redb::Error>>()
        })?;
        rows.into_iter().map(|(path, row)| Ok((path, from_json(&row)?))).collect()
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        self.writer.write(write).await.map_err(|error| StoreError::Write(error.to_string()))
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
        self.past_where(most, |_| true)
    }

    /// The newest past leases of those that are wanted, `most` of them.
    pub(crate) fn past_where(
        &self,
        most: usize,
        wanted: impl Fn(&PastLease) -> bool,
    ) -> Result<Vec<PastLease>, StoreError> {
        let mut corrupt = None;
        let found = self.read(|read| {
            let mut found = Vec::new();
            for entry in read.open_table(PAST)?.iter()?.rev() {
                if found.len() >= most {
                    break;
                }
                match from_json::<PastLease>(entry?.1.value()) {
                    Ok(past) if wanted(&past) => found.push(past),
                    Ok(_) => (),
                    Err(error) => {
                        corrupt = Some(error);
                        break;
                    }
                }
            }
            Ok(found)
        })?;
        corrupt.map_or(Ok(found), Err)
    }

    /// Every past lease, oldest first, one at a time.
    fn each_past(&self, mut each: impl FnMut(PastLease)) -> Result<(), StoreError> {
        self.read(|read| {
            for entry in read.open_table(PAST)?.iter()? {
                let (number, row) = entry?;
                match from_json(row.value()) {
                    Ok(past) => each(past),
                    Err(error) => warn!(number = number.value(), %error, "a past lease is lost"),
                }
            }
            Ok(())
        })
    }

    /// What the leases with a publisher came to; its faults count from a Unix time on.
    pub(crate) fn record(&self, publisher: &AccountId, faults_since: u64) -> Record {
        let deeds = self.deeds.lock().unwrap_or_else(PoisonError::into_inner);
        let own = deeds.iter().filter(|(account, _)| account == publisher);
        Record::of(own.map(|(_, deed)| *deed), faults_since)
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
        self.database.read(query).map_err(|e| StoreError::Corrupt(e.to_string()))
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn change(transaction: &WriteTransaction, writes: &[Write]) -> Result<(), redb::Error> {
    let mut leases = transaction.open_table(LEASES)?;
    let mut past = transaction.open_table(PAST)?;
    let mut facts = transaction.open_table(FACTS)?;
    let mut volumes = transaction.open_table(VOLUMES)?;
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
            Write::Volume(path, Some(row)) => {
                volumes.insert(path.as_str(), &row[..])?;
            }
            Write::Volume(path, None) => {
                volumes.remove(path.as_str())?;
            }
        }
    }
    Ok(())
}
