//! Which providers are dealt with, by what sources tell of their past.

use std::sync::Arc;

use anyhow::Result;
use thiserror::Error;
use zennet_chain_client::{Reputation, ReputationError};
use zennet_primitives::AccountId;

use super::{OwnHistory, FAULT_DAYS};
use crate::store::Store;

/// Judges providers. The default one has nothing against anybody.
#[derive(Clone, Default)]
pub(crate) struct Screen {
    sources: Vec<Arc<dyn Reputation>>,
    max_faults: u64,
}

/// Why a provider is turned away.
#[derive(Debug, Error)]
pub(crate) enum Unwelcome {
    #[error(
        "{found} leases with it ended by its fault in the last {FAULT_DAYS} days, at most {most} \
         may: see `publisher-cli history --provider`, or raise --max-faults"
    )]
    Faults { found: u64, most: u64 },
    #[error("its record cannot be had: {0}")]
    NoRecord(#[from] ReputationError),
}

impl Screen {
    /// Asks the own history.
    pub(crate) fn new(store: &Store, max_faults: u32) -> Result<Self> {
        let own = OwnHistory::load(store)?;
        Ok(Screen { sources: vec![Arc::new(own)], max_faults: max_faults.into() })
    }

    /// Refuses a provider with too many faults by any source.
    pub(crate) async fn admit(&self, provider: &AccountId) -> Result<(), Unwelcome> {
        for source in &self.sources {
            let faults = source.record(provider).await?.faults;
            if let Some(found) = faults.filter(|found| *found > self.max_faults) {
                return Err(Unwelcome::Faults { found, most: self.max_faults });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::ended;
    use zennet_primitives::close::CloseReason;
    use zennet_time::unix_secs;

    #[tokio::test]
    async fn a_provider_that_failed_too_often_lately_is_turned_away() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let now = unix_secs();
        store.put(&ended(1, 4, CloseReason::MachineFailed, now - 31 * 24 * 3600)).unwrap();
        store.put(&ended(2, 4, CloseReason::MachineFailed, now)).unwrap();
        store.put(&ended(3, 4, CloseReason::ConnectionLost, now)).unwrap();
        let failing = AccountId::new([4; 32]);
        let generous = Screen::new(&store, 2).unwrap();
        assert!(generous.admit(&failing).await.is_ok());
        let strict = Screen::new(&store, 1).unwrap();
        let refusal = strict.admit(&failing).await.unwrap_err();
        assert!(matches!(refusal, Unwelcome::Faults { found: 2, most: 1 }), "{refusal}");
        assert!(strict.admit(&AccountId::new([5; 32])).await.is_ok());
        assert!(Screen::default().admit(&failing).await.is_ok());
    }
}
