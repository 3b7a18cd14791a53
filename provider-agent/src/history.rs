//! What is kept of past leases, how it is asked for, and how it decides about publishers.
//!
//! ```text
//!  driver ── journal ──► store: one PastLease a lease ──► `history`, `status`
//!                          │
//!                          └─ OwnHistory ─┐
//!  chain ── PublicReputation ─────────────┼─► screen ─► answers
//!  anything that implements Reputation ───┘
//! ```

pub(crate) mod journal;
pub(crate) mod public;
pub(crate) mod screen;
pub(crate) mod show;
pub(crate) mod terms;

use serde::{Deserialize, Serialize};
use zennet_chain_client::{is_fault, Answer, Chain, Deed, Ending, Record, Reputation};
use zennet_primitives::{amount::Balance, pow::Role, AccountId};

use self::journal::{Entry, Happening};
use crate::store::{PastLease, Store, StoreError};

/// Most leases of one answer.
pub(crate) const MOST: usize = 10_000;

/// Which past leases are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Query {
    /// Those with this publisher, by its address as the store writes it.
    pub(crate) publisher: Option<String>,
    /// Those that ended at this Unix time or later, seconds.
    pub(crate) since: Option<u64>,
    /// Those whose announcement begins with these hex digits.
    pub(crate) lease: Option<String>,
    /// The newest ones up to this number.
    pub(crate) limit: usize,
    /// Unix time, seconds, from which the publisher's faults count.
    pub(crate) faults_since: u64,
}

impl Query {
    fn wants(&self, lease: &PastLease) -> bool {
        let digits = lease.announcement.trim_start_matches("0x");
        self.publisher.as_ref().is_none_or(|publisher| *publisher == lease.publisher)
            && self.since.is_none_or(|since| lease.ended_at >= since)
            && self.lease.as_ref().is_none_or(|wanted| digits.starts_with(wanted.as_str()))
    }
}

/// The answer. Its field names are stable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    /// Newest first.
    pub(crate) leases: Vec<PastLease>,
    /// Of the publisher that was asked for: all of its leases, whatever else was asked.
    pub(crate) record: Option<OwnRecord>,
}

/// What own leases with one publisher came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnRecord {
    pub(crate) publisher: String,
    pub(crate) leases: u64,
    /// Time that machines could be used.
    pub(crate) secs: u64,
    /// In the smallest coin unit.
    pub(crate) paid: Balance,
    /// Leases that ended by its fault since `faults_since`.
    pub(crate) faults: u64,
    /// Unix time, seconds.
    pub(crate) faults_since: u64,
}

/// Answers from a store.
pub(crate) fn of_store(store: &Store, query: &Query) -> Result<History, StoreError> {
    let leases = store.past_where(query.limit.min(MOST), |lease| query.wants(lease))?;
    let account = query.publisher.as_ref().and_then(|text| Chain::parse_address(text).ok());
    let record = account.map(|account| {
        let record = store.record(&account, query.faults_since);
        OwnRecord {
            publisher: account.to_string(),
            leases: record.leases,
            secs: record.secs.unwrap_or_default(),
            paid: record.paid,
            faults: record.faults.unwrap_or_default(),
            faults_since: query.faults_since,
        }
    });
    Ok(History { leases, record })
}

impl PastLease {
    /// When the machine could first be used, Unix time in seconds.
    pub(crate) fn ready_at(&self) -> Option<u64> {
        let ready = |entry: &&Entry| entry.event == Happening::Ready;
        self.events.iter().find(ready).map(|entry| entry.at_ms / 1000)
    }

    /// Time that the machine could be used. Records of before events were kept tell only when the
    /// lease began.
    pub(crate) fn secs(&self) -> u64 {
        let began = if self.terms.is_none() { Some(self.began_at) } else { self.ready_at() };
        began.map_or(0, |began| self.ended_at.saturating_sub(began))
    }

    /// Whether this daemon was away, and the publisher never came back to it.
    fn own_absence(&self) -> bool {
        let mut told = self.events.iter().rev().map(|entry| entry.event);
        let last = told.find(|e| matches!(e, Happening::Restarted | Happening::Back));
        last == Some(Happening::Restarted)
    }

    /// What the publisher's record gets from this lease.
    pub(crate) fn deed(&self) -> Deed {
        let ending = Ending {
            reason: self.reason,
            said_by_it: self.closed_by == Some(Role::Publisher),
            own_absence: self.own_absence(),
        };
        Deed {
            ended_at: self.ended_at,
            secs: self.secs(),
            paid: self.settled.unwrap_or(self.paid),
            fault: is_fault(Role::Publisher, ending),
        }
    }
}

/// The first Unix time, in seconds, of the last `days` days.
pub(crate) fn days_ago(days: u32) -> u64 {
    zennet_time::unix_secs().saturating_sub(u64::from(days) * 24 * 3600)
}

/// The own store as a source of records of publishers.
pub(crate) struct OwnHistory {
    pub(crate) store: Store,
    /// Days that faults count for.
    pub(crate) fault_days: u32,
}

impl Reputation for OwnHistory {
    fn record<'a>(&'a self, counterparty: &'a AccountId) -> Answer<'a> {
        let record: Record = self.store.record(counterparty, days_ago(self.fault_days));
        Box::pin(async move { Ok(record) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::past;
    use zennet_primitives::{close::CloseReason, Hash};

    const ONE: [u8; 32] = [1; 32];

    fn lease(publisher: [u8; 32], ended_at: u64, reason: CloseReason) -> PastLease {
        PastLease {
            announcement: format!("{:?}", Hash::repeat_byte(publisher[0])),
            publisher: AccountId::new(publisher).to_string(),
            ended_at,
            ..past(reason)
        }
    }

    async fn store(dir: &std::path::Path) -> Store {
        let store = Store::open(dir).unwrap();
        for (publisher, ended_at, reason) in [
            (ONE, 10, CloseReason::NotPaid),
            ([2; 32], 20, CloseReason::Finished),
            (ONE, 30, CloseReason::NotPaid),
            (ONE, 40, CloseReason::Finished),
        ] {
            let ended = lease(publisher, ended_at, reason);
            store.finish(Hash::zero(), Some(&ended)).await.unwrap();
        }
        store
    }

    fn ends(history: &History) -> Vec<u64> {
        history.leases.iter().map(|lease| lease.ended_at).collect()
    }

    #[tokio::test]
    async fn leases_are_found_by_publisher_time_number_and_identifier() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path()).await;
        let all = Query { limit: 99, ..Query::default() };
        let found = |query: Query| ends(&of_store(&store, &query).unwrap());
        assert_eq!(found(all.clone()), [40, 30, 20, 10]);
        assert_eq!(found(Query { limit: 2, ..all.clone() }), [40, 30]);
        assert_eq!(found(Query { since: Some(20), ..all.clone() }), [40, 30, 20]);
        assert_eq!(found(Query { lease: Some("0202".into()), ..all.clone() }), [20]);
        let one = Some(AccountId::new(ONE).to_string());
        assert_eq!(found(Query { publisher: one, limit: 1, ..all }), [40]);
    }

    #[tokio::test]
    async fn the_record_of_a_publisher_survives_reopening_and_grows_with_each_lease() {
        let dir = tempfile::tempdir().unwrap();
        let account = AccountId::new(ONE);
        let first = store(dir.path()).await;
        let told = first.record(&account, 20);
        assert_eq!((told.leases, told.paid, told.faults), (3, 9, Some(1)));
        drop(first);
        let again = crate::store::tests::reopen(dir.path());
        assert_eq!(again.record(&account, 20), told);
        let worse = lease(ONE, 50, CloseReason::ConnectionLost);
        again.finish(Hash::zero(), Some(&worse)).await.unwrap();
        assert_eq!(again.record(&account, 20).faults, Some(2));
        assert_eq!(again.record(&AccountId::new([9; 32]), 0).leases, 0);
    }

    #[tokio::test]
    async fn the_record_is_of_all_leases_whatever_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path()).await;
        let publisher = Some(AccountId::new(ONE).to_string());
        let query = Query { publisher, limit: 1, ..Query::default() };
        let history = of_store(&store, &query).unwrap();
        let record = history.record.unwrap();
        assert_eq!((history.leases.len(), record.leases, record.faults), (1, 3, 2));
    }

    #[test]
    fn the_time_of_a_lease_counts_from_the_ready_machine() {
        let mut lease = lease(ONE, 100, CloseReason::Finished);
        assert_eq!(lease.secs(), 99, "an old record has its beginning only");
        lease.terms = Some(terms::tests::record());
        assert_eq!(lease.secs(), 0, "the machine was never ready");
        lease.events = vec![Entry { at_ms: 40_500, event: Happening::Ready }];
        assert_eq!((lease.secs(), lease.deed().secs), (60, 60));
    }

    #[test]
    fn a_publisher_that_left_while_this_daemon_was_away_gets_no_fault_for_it() {
        let mut lease = lease(ONE, 1, CloseReason::ConnectionLost);
        let after = |events: &[Happening]| {
            let entries = events.iter().map(|event| Entry { at_ms: 1, event: *event });
            entries.collect::<Vec<_>>()
        };
        lease.events = after(&[Happening::Ready, Happening::Restarted, Happening::Lost]);
        assert!(!lease.deed().fault);
        lease.events = after(&[Happening::Restarted, Happening::Back, Happening::Lost]);
        assert!(lease.deed().fault);
    }

    #[test]
    fn a_publisher_that_accuses_this_side_gets_no_fault_for_it() {
        let mut lease = lease(ONE, 1, CloseReason::ProtocolViolation);
        assert!(lease.deed().fault);
        lease.closed_by = Some(Role::Publisher);
        assert!(!lease.deed().fault);
    }
}
