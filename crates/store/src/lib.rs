//! A [`redb`] database that lives on after a full disk.
//!
//! After a write that failed, redb refuses everything until it is opened anew. [`Durable`] does
//! that, so that a daemon goes on as soon as there is room again. What a failed write was to change
//! is not changed, and whoever asked for it is told.
//!
//! A commit waits for the disk. [`Writer`] puts what many have to write into one.

#[cfg(test)]
mod tests;
mod writer;

pub use writer::{WriteError, Writer};

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
