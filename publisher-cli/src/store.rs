//! The durable store: every lease that money depends on, and what became of it.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use codec::{Decode, DecodeAll, Encode};
use redb::{
    DatabaseError, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use zennet_primitives::{amount::Balance, close::CloseReason, contract::Terms, usage::Usage};
use zennet_store::{Durable, Writer};

use crate::{
    history::journal::{Happening, Journal},
    order::{best::Selection, sought::Sought},
    ssh::readings::Totals,
};

const LEASES: TableDefinition<u64, &[u8]> = TableDefinition::new("leases/1");
/// The run that leases go on with; one row.
const RUNS: TableDefinition<&str, &[u8]> = TableDefinition::new("runs/1");
/// Volumes that are not wanted any more, and the lease up to which they are not.
const FORGOTTEN: TableDefinition<&str, u64> = TableDefinition::new("forgotten/1");
/// Leases whose machine gave another result than most.
const ODD: TableDefinition<u64, ()> = TableDefinition::new("odd/1");
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers/1");

/// Key of the next lease's number.
const NEXT_LEASE: &str = "next-lease";

/// Key of the last run.
const LAST_RUN: &str = "last";

/// Time from the beginning of one commit of leases to the next one's: many leases share one.
const COMMIT_GAP: Duration = Duration::from_millis(25);

/// Longest that a command which only looks may have the store, and the pause between two tries.
const LOOKED_AT: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Leases that are kept for `history`; ended ones make room.
const KEPT: u64 = 10_000;

/// Ended leases that `list` shows.
const LISTED: usize = 200;

/// A lease as it is stored. In its row the journal follows the rest; rows of earlier versions have
/// none.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct StoredLease {
    /// Its number in this folder.
    pub(crate) id: u64,
    /// Name of its machine.
    pub(crate) name: String,
    /// Seed of the key that signs its vouchers.
    pub(crate) session_seed: [u8; 32],
    /// The state machine, SCALE-encoded.
    pub(crate) machine: Vec<u8>,
    /// The signed terms.
    pub(crate) terms: Terms,
    /// Seconds since 1970 when it was first stored.
    pub(crate) since: u64,
    /// Transactions that its channel is known to have had.
    pub(crate) transactions: u32,
    /// Local port of its machine.
    pub(crate) port: Option<u16>,
    /// How it ended, when it has.
    pub(crate) ended: Option<Ended>,
    /// Figures of both sides, as of the last writing.
    pub(crate) figures: Figures,
    /// What was read inside its machine.
    pub(crate) readings: Totals,
    /// What happened to it.
    #[codec(skip)]
    pub(crate) journal: Journal,
    /// Whether its machine gave another result than most; this has a table of its own, since a
    /// driver may be writing the row.
    #[codec(skip)]
    pub(crate) odd_result: bool,
}

impl StoredLease {
    fn to_row(&self) -> Vec<u8> {
        (self, &self.journal).encode()
    }

    fn from_row(mut row: &[u8]) -> Result<Self, codec::Error> {
        let mut lease = StoredLease::decode(&mut row)?;
        if !row.is_empty() {
            lease.journal = Journal::decode(&mut row)?;
        }
        Ok(lease)
    }

    /// The lease with its end.
    pub(crate) fn over(mut self, ended: Ended) -> Self {
        self.ended = Some(ended);
        self.journal.note(Happening::Ended);
        self
    }
}

/// What a later run needs to be found by the providers of this one, and to log in.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Run {
    /// Seed of the transport's key: providers dial its peer id.
    pub(crate) peer_seed: [u8; 32],
    /// Addresses that were listened on, with the ports that the system chose.
    pub(crate) listen: Vec<String>,
    /// Seed of the ssh key that the machines let in.
    pub(crate) ssh_seed: [u8; 32],
    /// Where the ssh configuration is written.
    pub(crate) ssh_config: String,
    /// What it still looks for. In its row this follows the rest.
    #[codec(skip)]
    pub(crate) sought: Option<Sought>,
    /// Which of its machines are to stay; at the end of its row.
    #[codec(skip)]
    pub(crate) selection: Option<Selection>,
}

impl Run {
    fn to_row(&self) -> Vec<u8> {
        (self, SOUGHT_FORM, &self.sought, &self.selection).encode()
    }

    /// Reads a row. What an earlier version looked for is not looked for any more, its leases are
    /// found all the same.
    fn from_row(mut row: &[u8]) -> Result<Self, codec::Error> {
        let mut run = Run::decode(&mut row)?;
        if !row.is_empty() {
            (run.sought, run.selection) = sought_of(row).unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read what the last run was looking for");
                (None, None)
            });
        }
        Ok(run)
    }
}

/// Form in which a row has what is looked for. Earlier forms have no number and begin with 0 or 1.
const SOUGHT_FORM: u8 = 3;

/// What was looked for, and which machines were to stay.
fn sought_of(mut row: &[u8]) -> Result<(Option<Sought>, Option<Selection>), codec::Error> {
    if u8::decode(&mut row)? != SOUGHT_FORM {
        return Err("it was stored by an earlier version".into());
    }
    DecodeAll::decode_all(&mut row)
}

/// How a lease ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Ended {
    /// Why.
    pub(crate) reason: CloseReason,
    /// What the channel paid on chain; nothing where no channel was opened.
    pub(crate) settled: Option<Balance>,
}

/// Usage and payments of a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct Figures {
    /// Sum of the vouchers.
    pub(crate) paid: Balance,
    /// How many there are.
    pub(crate) vouchers: u32,
    /// Usage as the provider reads it.
    pub(crate) usage: Option<Usage>,
    /// Usage as read inside the machine.
    pub(crate) own_usage: Option<Usage>,
    /// Whether both agreed at last.
    pub(crate) agreed: bool,
    /// How long the provider keeps the volume beyond the lease, seconds.
    pub(crate) kept_secs: u32,
}

/// A handle on the store; clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    /// Leases that are written together with others.
    rows: Arc<Writer<(u64, Vec<u8>)>>,
    database: Arc<Durable>,
}

fn put_rows(write: &WriteTransaction, rows: &[(u64, Vec<u8>)]) -> Result<(), redb::Error> {
    let mut leases = write.open_table(LEASES)?;
    for (id, row) in rows {
        leases.insert(id, row.as_slice())?;
    }
    Ok(())
}

/// Makes the data folder, which nobody else may enter.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot make the data folder {}", dir.display()))
}

fn path(dir: &Path) -> PathBuf {
    dir.join("leases.redb")
}

/// Whether a folder has a store.
pub(crate) fn exists(dir: &Path) -> bool {
    path(dir).exists()
}

/// Opens the database, after a command that only looks at it where there is one.
fn open_patiently(path: &Path) -> Result<Durable, DatabaseError> {
    let began = Instant::now();
    loop {
        match Durable::open(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) if began.elapsed() < LOOKED_AT => {
                std::thread::sleep(LOOK_AGAIN);
            }
            opened => return opened,
        }
    }
}

impl Store {
    /// Opens the store of a data folder and makes it where there is none.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = path(dir);
        let failed = || format!("cannot open the store {}", path.display());
        let database = open_patiently(&path).with_context(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).with_context(failed)?;
        let made = database.write(|write| {
            write.open_table(LEASES)?;
            write.open_table(NUMBERS)?;
            write.open_table(RUNS)?;
            write.open_table(FORGOTTEN)?;
            write.open_table(ODD)?;
            Ok(())
        });
        made.with_context(failed)?;
        let database = Arc::new(database);
        let rows = Writer::start(database.clone(), COMMIT_GAP, put_rows).with_context(failed)?;
        Ok(Store { rows: Arc::new(rows), database })
    }

    /// The number of a new lease; no number is ever given twice.
    pub(crate) fn next_lease(&self) -> Result<u64> {
        let next = self.database.write(|write| {
            let mut numbers = write.open_table(NUMBERS)?;
            let number = numbers.get(NEXT_LEASE)?.map_or(1, |n| n.value());
            numbers.insert(NEXT_LEASE, number.saturating_add(1))?;
            Ok(number)
        });
        Ok(next?)
    }

    /// Remembers the run durably.
    pub(crate) fn put_run(&self, run: &Run) -> Result<()> {
        let bytes = run.to_row();
        let put = self.database.write(|write| {
            write.open_table(RUNS)?.insert(LAST_RUN, bytes.as_slice())?;
            Ok(())
        });
        Ok(put?)
    }

    /// The last run, if there was one.
    pub(crate) fn run(&self) -> Result<Option<Run>> {
        let bytes = self
            .database
            .read(|read| Ok(read.open_table(RUNS)?.get(LAST_RUN)?.map(|run| run.value().to_vec())));
        bytes?.map(|bytes| Run::from_row(&bytes).context("the last run cannot be read")).transpose()
    }

    /// Forgets a volume that a lease had, durably.
    pub(crate) fn forget(&self, volume: &str, lease: u64) -> Result<()> {
        let put = self.database.write(|write| {
            write.open_table(FORGOTTEN)?.insert(volume, lease)?;
            Ok(())
        });
        Ok(put?)
    }

    /// Volumes that are not wanted any more, and the lease up to which they are not.
    pub(crate) fn forgotten(&self) -> Result<BTreeMap<String, u64>> {
        let rows = self.database.read(|read| {
            let table = read.open_table(FORGOTTEN)?;
            let rows = table.iter()?.map(|entry| {
                let (volume, lease) = entry?;
                Ok((volume.value().to_owned(), lease.value()))
            });
            rows.collect::<Result<_, redb::Error>>()
        });
        Ok(rows?)
    }

    /// Notes durably that the machines of leases gave other results than most.
    pub(crate) fn put_odd(&self, leases: &[u64]) -> Result<()> {
        let put = self.database.write(|write| {
            let mut table = write.open_table(ODD)?;
            leases.iter().try_for_each(|lease| table.insert(lease, ()).map(drop))?;
            Ok(())
        });
        Ok(put?)
    }

    /// Writes a lease durably, together with others that are written now.
    pub(crate) async fn keep(&self, lease: &StoredLease) -> Result<()> {
        Ok(self.rows.write((lease.id, lease.to_row())).await?)
    }

    /// Writes a lease durably.
    pub(crate) fn put(&self, lease: &StoredLease) -> Result<()> {
        let bytes = lease.to_row();
        let put = self.database.write(|write| {
            write.open_table(LEASES)?.insert(lease.id, bytes.as_slice())?;
            Ok(())
        });
        Ok(put?)
    }

    /// One lease.
    #[cfg(test)]
    pub(crate) fn lease(&self, id: u64) -> Result<Option<StoredLease>> {
        Ok(self.leases()?.into_iter().find(|lease| lease.id == id))
    }

    /// Every lease, the oldest first.
    pub(crate) fn leases(&self) -> Result<Vec<StoredLease>> {
        let leases = self.database.read(|read| {
            let (table, odd) = (read.open_table(LEASES)?, read.open_table(ODD)?);
            let mut leases = Vec::new();
            for entry in table.iter()? {
                let (id, bytes) = entry?;
                let odd_result = odd.get(id.value())?.is_some();
                match StoredLease::from_row(bytes.value()) {
                    Ok(lease) => leases.push(StoredLease { odd_result, ..lease }),
                    Err(error) => {
                        tracing::warn!(lease = id.value(), %error, "cannot read a stored lease");
                    }
                }
            }
            Ok(leases)
        });
        Ok(leases?)
    }

    /// The newest leases of those that are wanted, `most` of them, the newest first.
    pub(crate) fn newest(
        &self,
        most: usize,
        wanted: impl Fn(&StoredLease) -> bool,
    ) -> Result<Vec<StoredLease>> {
        let found = self.database.read(|read| {
            let (table, odd) = (read.open_table(LEASES)?, read.open_table(ODD)?);
            let mut found = Vec::new();
            for entry in table.iter()?.rev() {
                if found.len() >= most {
                    break;
                }
                let (id, bytes) = entry?;
                let odd_result = odd.get(id.value())?.is_some();
                match StoredLease::from_row(bytes.value()) {
                    Ok(lease) if wanted(&lease) => {
                        found.push(StoredLease { odd_result, ..lease });
                    }
                    Ok(_) => (),
                    Err(error) => {
                        tracing::warn!(lease = id.value(), %error, "cannot read a stored lease");
                    }
                }
            }
            Ok(found)
        });
        Ok(found?)
    }

    /// What `list` shows, the newest first: every unfinished lease and the latest others.
    pub(crate) fn listed(&self) -> Result<Vec<StoredLease>> {
        let mut leases = self.leases()?;
        leases.reverse();
        let mut ended = 0;
        leases.retain(|lease| {
            ended += usize::from(lease.ended.is_some());
            lease.ended.is_none() || ended <= LISTED
        });
        Ok(leases)
    }

    /// Leases whose channel may still hold the deposit.
    pub(crate) fn unfinished(&self) -> Result<Vec<StoredLease>> {
        Ok(self.leases()?.into_iter().filter(|lease| lease.ended.is_none()).collect())
    }

    /// Forgets the oldest ended leases, where there are too many.
    pub(crate) fn prune(&self) -> Result<()> {
        self.prune_to(KEPT)
    }

    /// The table knows its length, so that only what is forgotten, and what is unfinished before
    /// it, is read.
    fn prune_to(&self, kept: u64) -> Result<()> {
        let length = self.database.read(|read| Ok(read.open_table(LEASES)?.len()?))?;
        let surplus = usize::try_from(length.saturating_sub(kept)).unwrap_or(usize::MAX);
        if surplus == 0 {
            return Ok(());
        }
        let pruned = self.database.write(|write| {
            let (mut table, mut odd) = (write.open_table(LEASES)?, write.open_table(ODD)?);
            let mut oldest = Vec::new();
            for entry in table.iter()? {
                if oldest.len() >= surplus {
                    break;
                }
                let (id, bytes) = entry?;
                if StoredLease::from_row(bytes.value()).is_ok_and(|lease| lease.ended.is_some()) {
                    oldest.push(id.value());
                }
            }
            for id in oldest {
                table.remove(id)?;
                odd.remove(id)?;
            }
            Ok(())
        });
        Ok(pruned?)
    }
}
