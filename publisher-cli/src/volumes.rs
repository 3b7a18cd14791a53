//! Volumes that providers keep for this publisher, as far as its own leases tell.
//!
//! Nobody else is asked: the contract says how long a provider keeps a volume, and the stored lease
//! when that time began. A provider that has lost or sold it shows so when it is hired again.

use std::{collections::BTreeMap, fmt};

use anyhow::bail;
use serde::{Deserialize, Serialize};
use zennet_primitives::{contract::Volume, AccountId};

use crate::{
    order::spec::Spec,
    store::{Store, StoredLease},
};

/// A volume at one provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) provider: AccountId,
    pub(crate) mib: u32,
    /// Name of the machine that had it last.
    pub(crate) machine: String,
    /// Until when it is kept, Unix time in seconds; nothing while a lease has it.
    pub(crate) until: Option<u64>,
    /// The lease that had it last.
    lease: u64,
}

/// The same as `volume list` prints it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its name.
    pub(crate) volume: String,
    /// Address of the provider.
    pub(crate) provider: String,
    /// Its size.
    pub(crate) mib: u32,
    /// Name of the machine that has it, or had it last.
    pub(crate) machine: String,
    /// Until when it is kept, Unix time in seconds; nothing while the machine has it.
    pub(crate) kept_until: Option<u64>,
}

impl Held {
    /// As `volume list` prints it.
    pub(crate) fn shown(&self, address: impl Fn(&AccountId) -> String) -> Shown {
        Shown {
            volume: self.name.clone(),
            provider: address(&self.provider),
            mib: self.mib,
            machine: self.machine.clone(),
            kept_until: self.until,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown { volume, provider, mib, machine, kept_until } = self;
        match kept_until {
            None => write!(f, "{volume}  {mib} MiB at {provider}, in use by {machine}"),
            Some(until) => {
                let left = until.saturating_sub(zennet_time::unix_secs());
                write!(f, "{volume}  {mib} MiB at {provider}, kept for {left} s, last in {machine}")
            }
        }
    }
}

/// The volumes of a store, by name and provider, but for those that are forgotten.
pub(crate) fn held(store: &Store, now: u64) -> anyhow::Result<Vec<Held>> {
    let forgotten = store.forgotten()?;
    let mut latest = BTreeMap::new();
    for lease in store.leases()? {
        if let Some(held) = Held::of(&lease) {
            latest.insert((held.name.clone(), held.provider.clone()), held);
        }
    }
    let is_there = |held: &Held| {
        held.until.is_none_or(|until| until > now)
            && forgotten.get(&key(&held.name, &held.provider)).is_none_or(|at| *at < held.lease)
    };
    Ok(latest.into_values().filter(is_there).collect())
}

/// Providers that keep the volume which an order names; its size is theirs where none was given.
pub(crate) fn keepers(store: &Store, spec: &mut Spec) -> anyhow::Result<Vec<AccountId>> {
    let Some(volume) = &spec.volume else { return Ok(Vec::new()) };
    let mut found = held(store, zennet_time::unix_secs())?;
    found.retain(|held| held.name.as_bytes() == &volume.name[..]);
    let name = String::from_utf8_lossy(&volume.name);
    let largest = found.iter().map(|held| held.mib).max();
    match (spec.needs.volume_mib, largest) {
        (None, None) => bail!("no volume {name} is kept: give its size, as in --volume {name}:1G"),
        (None, Some(mib)) => spec.needs.volume_mib = Some(mib),
        (Some(asked), Some(mib)) if asked < mib => {
            bail!("the volume {name} has {mib} MiB: it can grow, but not shrink to {asked} MiB")
        }
        (Some(_), _) => (),
    }
    Ok(found.into_iter().map(|held| held.provider).collect())
}

/// Forgets the volumes of a name, at one provider or at all; gives them.
pub(crate) fn forget(
    store: &Store,
    name: &str,
    which: impl Fn(&AccountId) -> bool,
    now: u64,
) -> anyhow::Result<Vec<Held>> {
    let mut found = held(store, now)?;
    found.retain(|held| held.name == name && which(&held.provider));
    for held in &found {
        store.forget(&key(&held.name, &held.provider), held.lease)?;
    }
    Ok(found)
}

fn key(name: &str, provider: &AccountId) -> String {
    format!("{name}@{}", hex::encode(AsRef::<[u8]>::as_ref(provider)))
}

impl Held {
    /// That of a lease; nothing where it has none, or where its machine never ran.
    fn of(lease: &StoredLease) -> Option<Held> {
        let Volume { name, .. } = lease.terms.volume.as_ref()?;
        let until = match lease.ended {
            None => None,
            Some(_) => {
                lease.figures.usage?;
                let ended_at = lease.journal.entries.last()?.at_ms / 1000;
                Some(ended_at.saturating_add(lease.figures.kept_secs.into()))
            }
        };
        Some(Held {
            name: String::from_utf8(name.to_vec()).ok()?,
            provider: lease.terms.provider.clone(),
            mib: lease.terms.quote.resources.volume_mib,
            machine: lease.name.clone(),
            until,
            lease: lease.id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::journal::Happening,
        store::tests::{lease, terms},
    };
    use zennet_primitives::usage::Usage;

    fn with_volume(id: u64, provider: u8, ended: bool) -> StoredLease {
        let mut lease = lease(id, ended);
        lease.terms = terms();
        lease.terms.provider = AccountId::new([provider; 32]);
        lease.terms.quote.resources.volume_mib = 64;
        let name = b"data".to_vec().try_into().unwrap();
        lease.terms.volume = Some(Volume { name, keep_secs: 100 });
        lease.figures.usage = Some(Usage::default());
        lease.figures.kept_secs = 100;
        if ended {
            lease.journal.note_at(Happening::Ended, 5_000);
        }
        lease
    }

    fn store(leases: &[StoredLease]) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        leases.iter().for_each(|lease| store.put(lease).unwrap());
        (dir, store)
    }

    fn found(store: &Store, now: u64) -> Vec<(u64, Option<u64>)> {
        held(store, now).unwrap().iter().map(|held| (held.lease, held.until)).collect()
    }

    #[test]
    fn the_latest_lease_with_a_volume_tells_how_long_it_is_kept() {
        let mut never_ran = with_volume(4, 9, true);
        never_ran.figures.usage = None;
        let leases = [
            lease(1, true),
            with_volume(2, 7, true),
            with_volume(3, 8, true),
            never_ran,
            with_volume(5, 8, false),
        ];
        let (_dir, store) = store(&leases);
        assert_eq!(found(&store, 104), [(2, Some(105)), (5, None)]);
        assert_eq!(found(&store, 105), [(5, None)]);
    }

    #[test]
    fn an_order_takes_the_size_of_the_volume_that_is_kept_and_never_shrinks_it() {
        let (_dir, store) = store(&[with_volume(1, 7, false)]);
        let order = |name: &str, mib| {
            let mut spec = crate::order::spec::tests::spec();
            let name = name.as_bytes().to_vec().try_into().unwrap();
            spec.volume = Some(Volume { name, keep_secs: 1 });
            spec.needs.volume_mib = mib;
            keepers(&store, &mut spec).map(|found| (found.len(), spec.needs.volume_mib))
        };
        assert_eq!(order("data", None).unwrap(), (1, Some(64)));
        assert_eq!(order("data", Some(128)).unwrap(), (1, Some(128)));
        assert!(order("data", Some(63)).unwrap_err().to_string().contains("not shrink"));
        assert!(order("other", None).unwrap_err().to_string().contains("give its size"));
        assert_eq!(order("other", Some(1)).unwrap(), (0, Some(1)));
    }

    #[test]
    fn what_is_forgotten_is_not_shown_until_a_later_lease_has_it() {
        let (_dir, store) = store(&[with_volume(1, 7, true), with_volume(2, 8, true)]);
        let none = forget(&store, "other", |_| true, 10).unwrap();
        assert_eq!(none, []);
        let gone = forget(&store, "data", |provider| *provider == AccountId::new([7; 32]), 10);
        assert_eq!(gone.unwrap().len(), 1);
        assert_eq!(found(&store, 10), [(2, Some(105))]);
        store.put(&with_volume(3, 7, true)).unwrap();
        assert_eq!(found(&store, 10).len(), 2);
    }
}
