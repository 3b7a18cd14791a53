//! What is kept of leases, how it is asked for, and how it decides about providers.
//!
//! ```text
//!  driver ── journal ──► store: one row a lease ──► `history`
//!                          │
//!                          └─ OwnHistory ─┐
//!  anything that implements Reputation ───┴─► screen ─► meetings
//! ```

pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod public;
pub(crate) mod screen;
pub(crate) mod show;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use zennet_chain_client::{is_fault, Answer, Deed, Ending, Record, Reputation};
use zennet_primitives::{amount::Balance, pow::Role, AccountId};

use self::lease::PastLease;
use crate::store::{Store, StoredLease};
use zennet_time::unix_secs;

/// Days that the faults of a provider count for.
pub(crate) const FAULT_DAYS: u64 = 30;

/// Which leases are asked for.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Those with this provider.
    pub(crate) provider: Option<[u8; 32]>,
    /// The one of this number.
    pub(crate) lease: Option<u64>,
    /// The newest ones up to this number.
    pub(crate) limit: u32,
}

/// What own leases with one provider came to.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(crate) struct OwnRecord {
    /// Address.
    pub(crate) provider: String,
    /// Leases that ended.
    pub(crate) leases: u64,
    /// Time that machines could be used.
    pub(crate) secs: u64,
    /// What they paid.
    pub(crate) paid: Balance,
    /// Leases that ended by its fault since `faults_since`.
    pub(crate) faults: u64,
    /// Unix time.
    pub(crate) faults_since: u64,
}

/// Leases, and the record of the provider that was asked for.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug, Default)]
pub(crate) struct History {
    /// The newest first.
    pub(crate) leases: Vec<PastLease>,
    /// Of all leases with it, whatever else was asked.
    pub(crate) record: Option<OwnRecord>,
}

/// Answers from a store.
pub(crate) fn of_store(
    store: &Store,
    query: &Query,
    address: impl Fn(&AccountId) -> String,
) -> Result<History> {
    let provider = query.provider.map(AccountId::new);
    let wanted = |lease: &StoredLease| {
        provider.as_ref().is_none_or(|provider| *provider == lease.terms.provider)
            && query.lease.is_none_or(|id| id == lease.id)
    };
    let found = store.newest(query.limit as usize, wanted)?;
    let leases = found.iter().map(|lease| PastLease::new(lease, &address)).collect();
    let record = match &provider {
        Some(provider) => {
            let faults_since = faults_since();
            let record = OwnHistory::load(store)?.of(provider, faults_since);
            Some(OwnRecord {
                provider: address(provider),
                leases: record.leases,
                secs: record.secs.unwrap_or_default(),
                paid: record.paid,
                faults: record.faults.unwrap_or_default(),
                faults_since,
            })
        }
        None => None,
    };
    Ok(History { leases, record })
}

/// What a provider's record gets from a lease, once that has ended.
pub(crate) fn deed(lease: &StoredLease) -> Option<Deed> {
    let ended = lease.ended?;
    let ending = Ending {
        reason: ended.reason,
        said_by_it: lease.journal.closed_by == Some(Role::Provider),
        own_absence: lease.journal.own_absence(),
    };
    Some(Deed {
        // Rows of before events were kept tell only when the lease began.
        ended_at: lease.journal.ended_at().unwrap_or(lease.since),
        secs: lease.journal.secs(),
        paid: ended.settled.unwrap_or(lease.figures.paid),
        fault: lease.odd_result || is_fault(Role::Provider, ending),
    })
}

/// The first Unix time, in seconds, at which faults still count.
fn faults_since() -> u64 {
    unix_secs().saturating_sub(FAULT_DAYS * 24 * 3600)
}

/// The own store as a source of records of providers, as it was when it was loaded: within one
/// order no provider is met twice.
pub(crate) struct OwnHistory {
    deeds: Vec<(AccountId, Deed)>,
}

impl OwnHistory {
    /// Reads every lease.
    pub(crate) fn load(store: &Store) -> Result<Self> {
        let leases = store.leases()?;
        let deeds = leases.into_iter().filter_map(|lease| {
            let deed = deed(&lease)?;
            Some((lease.terms.provider, deed))
        });
        Ok(OwnHistory { deeds: deeds.collect() })
    }

    fn of(&self, provider: &AccountId, faults_since: u64) -> Record {
        let own = self.deeds.iter().filter(|(account, _)| account == provider);
        Record::of(own.map(|(_, deed)| *deed), faults_since)
    }
}

impl Reputation for OwnHistory {
    fn record<'a>(&'a self, counterparty: &'a AccountId) -> Answer<'a> {
        let record = self.of(counterparty, faults_since());
        Box::pin(async move { Ok(record) })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{
        journal::{Happening, Journal},
        *,
    };
    use crate::store::{
        tests::{lease, terms},
        Ended,
    };
    use zennet_primitives::close::CloseReason;

    pub(crate) fn ended(id: u64, provider: u8, reason: CloseReason, at: u64) -> StoredLease {
        let mut journal = Journal::default();
        journal.note_at(Happening::Ready, (at - 60) * 1000);
        journal.note_at(Happening::Ended, at * 1000);
        let mut terms = terms();
        terms.provider = AccountId::new([provider; 32]);
        StoredLease {
            ended: Some(Ended { reason, settled: Some(5) }),
            terms,
            journal,
            ..lease(id, true)
        }
    }

    fn store(dir: &std::path::Path) -> Store {
        let store = Store::open(dir).unwrap();
        let now = unix_secs();
        store.put(&ended(1, 4, CloseReason::MachineFailed, now - 40 * 24 * 3600)).unwrap();
        store.put(&ended(2, 9, CloseReason::MachineFailed, now - 60)).unwrap();
        store.put(&ended(3, 4, CloseReason::ConnectionLost, now - 60)).unwrap();
        store.put(&ended(4, 4, CloseReason::Finished, now - 60)).unwrap();
        store.put(&lease(5, false)).unwrap();
        store
    }

    fn ids(history: &History) -> Vec<u64> {
        history.leases.iter().map(|lease| lease.lease).collect()
    }

    #[test]
    fn leases_are_found_by_provider_and_number_the_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let all = Query { provider: None, lease: None, limit: 99 };
        let found =
            |query: Query| ids(&of_store(&store, &query, |account| account.to_string()).unwrap());
        assert_eq!(found(all), [5, 4, 3, 2, 1]);
        assert_eq!(found(Query { limit: 2, ..all }), [5, 4]);
        assert_eq!(found(Query { provider: Some([9; 32]), ..all }), [2]);
        assert_eq!(found(Query { lease: Some(3), ..all }), [3]);
        assert!(found(Query { lease: Some(77), ..all }).is_empty());
    }

    #[test]
    fn the_record_of_a_provider_has_its_ended_leases_and_its_recent_faults() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let query = Query { provider: Some([4; 32]), lease: None, limit: 1 };
        let record = of_store(&store, &query, |_| "5F".into()).unwrap().record.unwrap();
        assert_eq!((record.provider.as_str(), record.leases, record.secs), ("5F", 3, 180));
        assert_eq!((record.paid, record.faults), (15, 1));
    }

    #[test]
    fn a_result_that_differs_is_a_fault_of_its_provider_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        for id in [1, 2] {
            store.put(&ended(id, 4, CloseReason::Finished, unix_secs())).unwrap();
        }
        store.put_odd(&[2]).unwrap();
        let query = Query { provider: Some([4; 32]), lease: None, limit: 9 };
        let history = of_store(&store, &query, |_| "5F".into()).unwrap();
        let marked: Vec<_> = history.leases.iter().map(|l| (l.lease, l.odd_result)).collect();
        assert_eq!((marked, history.record.unwrap().faults), (vec![(2, true), (1, false)], 1));
    }

    #[test]
    fn what_the_provider_accuses_this_side_of_is_not_its_fault() {
        let mut lease = ended(1, 4, CloseReason::ProtocolViolation, 100);
        assert!(deed(&lease).unwrap().fault);
        lease.journal.closed_by = Some(Role::Provider);
        assert!(!deed(&lease).unwrap().fault);
        assert_eq!(deed(&StoredLease { ended: None, ..lease }), None);
    }
}
