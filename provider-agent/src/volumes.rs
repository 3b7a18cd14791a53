//! Volumes: what outlasts a machine. Which there are, who uses them, and until when they are kept.
//!
//! A volume belongs to a publisher and has a name. A lease takes it before its contract is signed.
//! With its end it is settled how long the volume is kept: for as long as the last voucher paid for,
//! and at least for what the contract promises in any case. It is given back when nothing is left of
//! the lease's machine, so that no two machines ever have it. The file systems themselves are the
//! engine's matter (`containers/volume.rs`).

use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{error, info};
use zennet_primitives::{contract::Terms, AccountId};

use crate::{
    config,
    store::{Store, StoreError},
};

/// Why a lease does not get its volume.
#[derive(Debug, Error)]
pub(crate) enum VolumeError {
    #[error("the volume is in use by the lease {0}")]
    InUse(String),
    #[error("the volume has {found} MiB already, {asked} MiB were agreed on")]
    Larger { found: u32, asked: u32 },
    #[error("{asked} MiB are needed for volumes and {free} MiB of volumes.max_mib are free")]
    NoRoom { asked: u32, free: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A volume as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    /// Address of the publisher.
    pub(crate) publisher: String,
    pub(crate) name: String,
    pub(crate) mib: u32,
    /// Short name of the lease that has it at present.
    pub(crate) used_by: Option<String>,
    /// Unix time in seconds; while a lease has it, it is kept in any case.
    pub(crate) kept_until: u64,
    /// Its size before the lease that has it, which may come to nothing.
    #[serde(default)]
    pub(crate) before_mib: Option<u32>,
}

impl Volume {
    fn given_back(self) -> Volume {
        let mib = self.before_mib.unwrap_or(self.mib);
        Volume { mib, used_by: None, before_mib: None, ..self }
    }
}

/// The volume of a lease: where it stands below the folder of volumes, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) mib: u32,
}

impl Place {
    /// That of the terms' volume. Terms are checked before they are signed: the name is a word.
    pub(crate) fn of(terms: &Terms) -> Option<Place> {
        let volume = terms.volume.as_ref()?;
        let name = std::str::from_utf8(&volume.name).ok()?;
        let path = format!("{}/{name}", folder(&terms.publisher));
        Some(Place { path, mib: terms.quote.resources.volume_mib })
    }
}

fn folder(publisher: &AccountId) -> String {
    hex::encode(AsRef::<[u8]>::as_ref(publisher))
}

/// The volumes of this provider; clones share them.
#[derive(Clone)]
pub(crate) struct Volumes {
    store: Store,
    most_mib: u32,
    keep_unpaid_secs: u32,
    /// By path.
    rows: Arc<Mutex<BTreeMap<String, Volume>>>,
    /// Held while a change is stored.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl Volumes {
    /// Reads what is there.
    pub(crate) fn open(store: &Store, config: &config::Volumes) -> Result<Volumes, StoreError> {
        Ok(Volumes {
            rows: Arc::new(Mutex::new(store.volumes()?)),
            store: store.clone(),
            most_mib: config.max_mib,
            keep_unpaid_secs: config.keep_unpaid_secs,
            changing: Arc::default(),
        })
    }

    /// Gives back what leases have that are not there any more, and that nobody released.
    pub(crate) async fn release_all_but(
        &self,
        live: &HashSet<String>,
        now: u64,
    ) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let gone = |row: &Volume| row.used_by.as_ref().is_some_and(|lease| !live.contains(lease));
        for (path, row) in self.rows_where(gone) {
            let kept_until = row.kept_until.max(now + u64::from(self.keep_unpaid_secs));
            self.put(path, Some(Volume { kept_until, ..row.given_back() })).await?;
        }
        Ok(())
    }

    /// Size of the largest volume that a publisher can have here: an idle one of its own may grow
    /// by all that is free, but none takes the place of another.
    pub(crate) fn available(&self, publisher: &AccountId) -> u32 {
        let own = folder(publisher);
        let rows = self.rows();
        let idle = rows.iter().filter(|(path, row)| {
            row.used_by.is_none() && path.split('/').next() == Some(own.as_str())
        });
        let largest = idle.map(|(_, row)| row.mib).max().unwrap_or(0);
        self.most_mib.saturating_sub(sum(rows.values())).saturating_add(largest)
    }

    /// Gives a lease the volume of its terms, a new one where there is none of the name. One that
    /// it has already stays as it is.
    pub(crate) async fn take(
        &self,
        terms: &Terms,
        lease: &str,
    ) -> Result<Option<Place>, VolumeError> {
        let Some(place) = Place::of(terms) else { return Ok(None) };
        let _changing = self.changing.lock().await;
        let (found, taken) = {
            let rows = self.rows();
            let others = rows.iter().filter(|(path, _)| **path != place.path);
            (rows.get(&place.path).cloned(), sum(others.map(|(_, row)| row)))
        };
        match found.as_ref() {
            Some(Volume { used_by: Some(user), .. }) if user == lease => return Ok(Some(place)),
            Some(Volume { used_by: Some(other), .. }) => {
                return Err(VolumeError::InUse(other.clone()));
            }
            Some(Volume { mib, .. }) if *mib > place.mib => {
                return Err(VolumeError::Larger { found: *mib, asked: place.mib });
            }
            Some(_) | None => (),
        }
        let free = self.most_mib.saturating_sub(taken);
        if place.mib > free {
            return Err(VolumeError::NoRoom { asked: place.mib, free });
        }
        let row = Volume {
            publisher: terms.publisher.to_string(),
            name: place.path.rsplit('/').next().unwrap_or_default().to_owned(),
            mib: place.mib,
            used_by: Some(lease.to_owned()),
            kept_until: found.as_ref().map_or(0, |row| row.kept_until),
            before_mib: found.map(|row| row.mib),
        };
        self.put(place.path.clone(), Some(row)).await?;
        Ok(Some(place))
    }

    /// Keeps the volume of a lease that has served for some time beyond it; the lease has it still.
    pub(crate) async fn keep(
        &self,
        terms: &Terms,
        lease: &str,
        kept_secs: u32,
        now: u64,
    ) -> Result<(), StoreError> {
        let Some(place) = Place::of(terms) else { return Ok(()) };
        let _changing = self.changing.lock().await;
        let found = self.rows().get(&place.path).cloned();
        let Some(row) = found.filter(|row| row.used_by.as_deref() == Some(lease)) else {
            return Ok(());
        };
        let kept_until = row.kept_until.max(now + u64::from(kept_secs));
        info!(volume = row.name, kept_until, "volume kept");
        self.put(place.path, Some(Volume { kept_until, before_mib: None, ..row })).await
    }

    /// Takes back what a lease has, of whose machine nothing is left. Where that never ran, all is
    /// as before, and what was new is not kept.
    pub(crate) async fn release(&self, lease: &str) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        for (path, row) in self.rows_where(|row| row.used_by.as_deref() == Some(lease)) {
            self.put(path, Some(row.given_back())).await?;
        }
        Ok(())
    }

    /// Volumes whose time is over.
    pub(crate) fn expired(&self, now: u64) -> Vec<String> {
        let over = |row: &Volume| row.used_by.is_none() && row.kept_until <= now;
        self.rows_where(over).into_iter().map(|(path, _)| path).collect()
    }

    /// Forgets a volume and has its files put away, unless a lease has taken it meanwhile; whether it
    /// did. No lease can take it before it is done.
    pub(crate) async fn forget<F: Future<Output = ()>>(
        &self,
        path: &str,
        now: u64,
        put_away: impl FnOnce() -> F,
    ) -> bool {
        let _changing = self.changing.lock().await;
        if !self.expired(now).iter().any(|expired| expired == path) {
            return false;
        }
        put_away().await;
        match self.put(path.to_owned(), None).await {
            Ok(()) => true,
            Err(error) => {
                error!(%error, path, "a volume that is not kept any more stays");
                false
            }
        }
    }

    /// All of them, as they are shown.
    pub(crate) fn list(&self) -> Vec<Volume> {
        self.rows().values().cloned().collect()
    }

    /// Every path that has a volume.
    pub(crate) fn paths(&self) -> HashSet<String> {
        self.rows().keys().cloned().collect()
    }

    async fn put(&self, path: String, row: Option<Volume>) -> Result<(), StoreError> {
        self.store.put_volume(path.clone(), row.as_ref()).await?;
        match row {
            Some(row) => self.rows().insert(path, row),
            None => self.rows().remove(&path),
        };
        Ok(())
    }

    fn rows_where(&self, wanted: impl Fn(&Volume) -> bool) -> Vec<(String, Volume)> {
        let rows = self.rows();
        rows.iter().filter(|(_, row)| wanted(row)).map(|(p, r)| (p.clone(), r.clone())).collect()
    }

    /// Rows are replaced as a whole, so a panic elsewhere leaves them sound.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Volume>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum<'a>(rows: impl Iterator<Item = &'a Volume>) -> u32 {
    rows.fold(0, |sum: u32, row| sum.saturating_add(row.mib))
}

#[cfg(test)]
mod tests;
