//! Which publishers are dealt with, by what sources tell of their past.

use std::sync::Arc;

use zennet_chain_client::{Chain, PublicHistory, PublicReputation, Reputation};
use zennet_primitives::{amount::Balance, pow::Role, AccountId};

use super::OwnHistory;
use crate::{config::Filter, filter::Refusal, store::Store};

/// Blocks of the chain that the public record is made of, where the node still has them.
pub(crate) const PUBLIC_BLOCKS: u32 = 10_000;

/// Judges publishers.
pub(crate) struct Screen {
    sources: Vec<Arc<dyn Reputation>>,
    max_faults: u64,
    fault_days: u32,
    min_settled: Balance,
}

impl Screen {
    /// Asks the own history, and the chain where the filter needs it.
    pub(crate) fn new(filter: &Filter, store: Store, chain: &Chain) -> Self {
        let fault_days = filter.fault_days;
        let mut screen = Screen {
            sources: vec![Arc::new(OwnHistory { store, fault_days })],
            max_faults: filter.max_faults.into(),
            fault_days,
            min_settled: filter.min_settled_xen.0,
        };
        if screen.min_settled > 0 {
            let history = Arc::new(PublicHistory::new(chain.clone(), PUBLIC_BLOCKS));
            screen.sources.push(Arc::new(PublicReputation { history, role: Role::Publisher }));
        }
        screen
    }

    /// Refuses a publisher with too many faults by any source, or that has settled too little by
    /// every source.
    pub(crate) async fn admit(&self, publisher: &AccountId) -> Result<(), Refusal> {
        let mut paid = 0;
        for source in &self.sources {
            let record = source.record(publisher).await;
            let record = record.map_err(|error| Refusal::NoRecord(error.to_string()))?;
            if let Some(found) = record.faults.filter(|found| *found > self.max_faults) {
                let (most, days) = (self.max_faults, self.fault_days);
                return Err(Refusal::Faults { found, most, days });
            }
            paid = record.paid.max(paid);
        }
        if paid < self.min_settled {
            return Err(Refusal::SettledTooLittle { found: paid, least: self.min_settled });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::past;
    use zennet_chain_client::{Answer, Record, ReputationError};
    use zennet_primitives::{close::CloseReason, Hash};

    struct Fixed(Option<Record>);

    impl Reputation for Fixed {
        fn record<'a>(&'a self, _: &'a AccountId) -> Answer<'a> {
            Box::pin(async {
                self.0.clone().ok_or_else(|| ReputationError::Source {
                    name: "ratings".into(),
                    reason: "too late".into(),
                })
            })
        }
    }

    fn known(paid: Balance, faults: Option<u64>) -> Option<Record> {
        Some(Record { leases: 1, secs: None, paid, faults })
    }

    async fn judged(sources: Vec<Option<Record>>, min_settled: Balance) -> Result<(), Refusal> {
        let source = |record| Arc::new(Fixed(record)) as Arc<dyn Reputation>;
        let sources = sources.into_iter().map(source).collect();
        let screen = Screen { sources, max_faults: 3, fault_days: 30, min_settled };
        screen.admit(&AccountId::new([1; 32])).await
    }

    #[tokio::test]
    async fn more_faults_than_allowed_by_any_source_turn_a_publisher_away() {
        assert_eq!(judged(vec![known(0, Some(3)), known(0, None)], 0).await, Ok(()));
        let refused = Err(Refusal::Faults { found: 4, most: 3, days: 30 });
        assert_eq!(judged(vec![known(0, Some(0)), known(9, Some(4))], 0).await, refused);
    }

    #[tokio::test]
    async fn enough_money_settled_by_one_source_is_enough() {
        assert_eq!(judged(vec![known(0, Some(0)), known(10, None)], 10).await, Ok(()));
        let refused = Err(Refusal::SettledTooLittle { found: 9, least: 10 });
        assert_eq!(judged(vec![known(9, Some(0)), known(8, None)], 10).await, refused);
    }

    #[tokio::test]
    async fn a_source_that_fails_is_named() {
        let refusal = judged(vec![None], 0).await.unwrap_err().to_string();
        assert!(refusal.contains("ratings") && refusal.contains("too late"), "{refusal}");
    }

    #[tokio::test]
    async fn the_own_history_turns_away_who_failed_too_often_lately() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let account = AccountId::new([1; 32]);
        let own = OwnHistory { store: store.clone(), fault_days: 30 };
        let screen =
            Screen { sources: vec![Arc::new(own)], max_faults: 1, fault_days: 30, min_settled: 0 };
        let now = zennet_time::unix_secs();
        let ended_at = [now - 31 * 24 * 3600, now - 60];
        for ended_at in ended_at {
            let publisher = account.to_string();
            let lease =
                crate::store::PastLease { publisher, ended_at, ..past(CloseReason::NotPaid) };
            store.finish(Hash::zero(), Some(&lease)).await.unwrap();
        }
        assert_eq!(screen.admit(&account).await, Ok(()), "the older fault is forgotten");
        let publisher = account.to_string();
        let again =
            crate::store::PastLease { publisher, ended_at: now, ..past(CloseReason::NotPaid) };
        store.finish(Hash::zero(), Some(&again)).await.unwrap();
        let refused = screen.admit(&account).await.unwrap_err();
        assert_eq!(refused, Refusal::Faults { found: 2, most: 1, days: 30 });
    }
}
