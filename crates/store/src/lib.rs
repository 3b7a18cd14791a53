//! A [`redb`] database that lives on after a full disk.
//!
//! After a write that failed, redb refuses everything until it is opened anew. [`Durable`] does
//! that, so that a daemon goes on as soon as there is room again. What a failed write was to change
//! is not changed, and whoever asked for it is told.

use std::{
    path::Path,
    sync::{PoisonError, RwLock},
};

use redb::{Database, DatabaseError, Error, ReadTransaction, ReadableDatabase, WriteTransaction};

type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// An open database.
pub struct Durable {
    opener: Opener,
    /// Absent from a failure until it could be opened again.
    database: RwLock<Option<Database>>,
}

impl Durable {
    /// Opens a database, which is made where there is none.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let path = path.to_owned();
        Self::with(Box::new(move || Database::create(&path)))
    }

    fn with(opener: Opener) -> Result<Self, DatabaseError> {
        let database = RwLock::new(Some(opener()?));
        Ok(Durable { opener, database })
    }

    /// Reads from one consistent state.
    pub fn read<T>(
        &self,
        query: impl FnOnce(&ReadTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with_database(|database| query(&database.begin_read()?))
    }

    /// Changes the state, durably when this returns, or not at all.
    pub fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with_database(|database| {
            let transaction = database.begin_write()?;
            let changed = change(&transaction)?;
            transaction.commit()?;
            Ok(changed)
        })
    }

    fn with_database<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.ensure_open()?;
        let outcome = {
            // A panic elsewhere leaves the database as it was: redb rolls back.
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            match &*database {
                Some(database) => work(database),
                None => Err(Error::DatabaseClosed),
            }
        };
        if let Err(error @ (Error::Io(_) | Error::PreviousIo)) = &outcome {
            tracing::warn!(%error, "the store failed, it is opened anew");
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        outcome
    }

    fn ensure_open(&self) -> Result<(), Error> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some((self.opener)()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::OpenOptions,
        io,
        sync::{
            atomic::{AtomicBool, Ordering},
            Arc,
        },
    };

    use redb::{backends::FileBackend, Builder, StorageBackend, TableDefinition};

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
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
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
}
