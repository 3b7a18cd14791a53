use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex,
    },
    time::Duration,
};

use redb::{backends::FileBackend, Builder, ReadableTable, StorageBackend, TableDefinition};

use super::*;

const TABLE: TableDefinition<u64, u64> = TableDefinition::new("numbers");

/// A file on a disk that may be full.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> io::Result<()> {
        match self.full.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.file.write(offset, data)
    }
}

fn put(store: &Durable, key: u64) -> Result<(), Error> {
    store.write(|transaction| {
        transaction.open_table(TABLE)?.insert(key, key)?;
        Ok(())
    })
}

fn has(store: &Durable, key: u64) -> bool {
    store.read(|read| Ok(read.open_table(TABLE)?.get(key)?.is_some())).unwrap()
}

#[test]
fn a_disk_that_was_full_costs_what_failed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let full = Arc::new(AtomicBool::new(false));
    let disk = full.clone();
    let store = Durable::with(Box::new(move || {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let disk = Disk { file: FileBackend::new(file)?, full: disk.clone() };
        Builder::new().create_with_backend(disk)
    }))
    .unwrap();
    put(&store, 1).unwrap();
    full.store(true, Ordering::Relaxed);
    assert!(put(&store, 2).is_err());
    assert!(put(&store, 3).is_err());
    full.store(false, Ordering::Relaxed);
    put(&store, 4).unwrap();
    assert!(has(&store, 1) && has(&store, 4) && !has(&store, 2) && !has(&store, 3));
}

#[test]
fn a_change_that_is_given_up_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Durable::open(&dir.path().join("store")).unwrap();
    put(&store, 1).unwrap();
    let given_up: Result<(), Error> = store.write(|transaction| {
        transaction.open_table(TABLE)?.insert(2, 2)?;
        Err(Error::Unsupported)
    });
    assert!(given_up.is_err());
    assert!(has(&store, 1) && !has(&store, 2));
}

#[test]
fn one_at_a_time_has_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let _first = Durable::open(&path).unwrap();
    assert!(matches!(Durable::open(&path), Err(DatabaseError::DatabaseAlreadyOpen)));
}

const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");

/// Puts rows into one table.
fn rows_in(database: Durable) -> Writer<(u64, Vec<u8>)> {
    let make = |write: &WriteTransaction, rows: &[(u64, Vec<u8>)]| {
        let mut table = write.open_table(ROWS)?;
        for (key, row) in rows {
            table.insert(key, row.as_slice())?;
        }
        Ok(())
    };
    Writer::start(Arc::new(database), Duration::from_millis(25), make).unwrap()
}

/// What a file held at a moment in which the power fails: what was synced, and whatever the disk
/// had already taken of the rest.
#[derive(Debug, Default)]
struct Platter {
    current: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
    syncs: usize,
}

impl Platter {
    /// The file after the power failed, with a part of what was not synced.
    fn after_failure(&self, taken: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut file = self.synced.clone();
        for (_, (at, data)) in self.unsynced.iter().enumerate().filter(|(n, _)| taken(*n)) {
            put_at(&mut file, *at, data);
        }
        file
    }
}

fn put_at(file: &mut Vec<u8>, at: u64, data: &[u8]) {
    let at = usize::try_from(at).unwrap();
    file.resize(file.len().max(at + data.len()), 0);
    file[at..at + data.len()].copy_from_slice(data);
}

#[derive(Clone, Debug, Default)]
struct Volatile(Arc<Mutex<Platter>>);

impl StorageBackend for Volatile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap().current[at..at + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        let mut platter = self.0.lock().unwrap();
        platter.current.resize(len, 0);
        // The length itself is safe at once: what matters here is what the file holds.
        platter.synced.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.synced = platter.current.clone();
        platter.unsynced.clear();
        platter.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        put_at(&mut platter.current, offset, data);
        platter.unsynced.push((offset, data.to_vec()));
        Ok(())
    }
}

fn on(disk: Volatile) -> Durable {
    Durable::with(Box::new(move || Builder::new().create_with_backend(disk.clone()))).unwrap()
}

fn rows_of(file: Vec<u8>) -> BTreeMap<u64, Vec<u8>> {
    let platter = Platter { current: file.clone(), synced: file, ..Platter::default() };
    let store = on(Volatile(Arc::new(Mutex::new(platter))));
    let rows = store.read(|read| {
        let mut rows = BTreeMap::new();
        for entry in read.open_table(ROWS)?.iter()? {
            let (key, row) = entry?;
            rows.insert(key.value(), row.value().to_vec());
        }
        Ok(rows)
    });
    rows.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_whenever_the_power_fails() {
    const WRITERS: u64 = 16;
    const ROUNDS: u8 = 20;
    let disk = Volatile::default();
    let rows = Arc::new(rows_in(on(disk.clone())));
    // The last round of each writer that was answered.
    let answered = Arc::new(Mutex::new(BTreeMap::new()));
    let mut writers = tokio::task::JoinSet::new();
    for key in 0..WRITERS {
        let (rows, answered) = (rows.clone(), answered.clone());
        writers.spawn(async move {
            for round in 1..=ROUNDS {
                rows.write((key, vec![round; 2000])).await.unwrap();
                answered.lock().unwrap().insert(key, round);
            }
        });
    }
    let mut failures = 0;
    while !writers.is_empty() {
        // What is answered is looked at first: the disk may only be further.
        let promised = answered.lock().unwrap().clone();
        let seed = failures;
        let file = disk.0.lock().unwrap().after_failure(|n| (n + seed).is_multiple_of(2));
        if !promised.is_empty() {
            let found = rows_of(file);
            for (key, round) in promised {
                assert!(found[&key][0] >= round, "row {key} lost round {round}");
            }
            failures += 1;
        }
        tokio::task::yield_now().await;
        while let Some(done) = writers.try_join_next() {
            done.unwrap();
        }
    }
    assert!(failures > 3, "the power failed while rows were written");
    let syncs = disk.0.lock().unwrap().syncs;
    let puts = WRITERS as usize * usize::from(ROUNDS);
    assert!(syncs < puts, "{syncs} syncs for {puts} rows: they share commits");
}

#[tokio::test]
async fn every_row_of_a_group_that_failed_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let database = Durable::open(&dir.path().join("store")).unwrap();
    const OTHER: TableDefinition<u64, u64> = TableDefinition::new("rows");
    let made = database.write(|write| {
        write.open_table(OTHER)?;
        Ok(())
    });
    made.unwrap();
    let rows = rows_in(database);
    let (first, second) = tokio::join!(rows.write((1, vec![1])), rows.write((2, vec![2])));
    assert!(matches!(first, Err(WriteError::Failed(_))));
    assert!(matches!(second, Err(WriteError::Failed(_))));
}

#[tokio::test]
async fn the_database_is_free_as_soon_as_its_writer_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let rows = rows_in(Durable::open(&path).unwrap());
    rows.write((1, vec![1])).await.unwrap();
    drop(rows);
    assert!(Durable::open(&path).is_ok());
}
