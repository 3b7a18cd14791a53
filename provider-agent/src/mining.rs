//! Proof of work on one thread, beside the machines: stamps for answers and the provider's identity.

use std::time::{Duration, Instant};

use tracing::{info, warn};
use zennet_chain_client::{search, Chain, ChainError, MiningProgress, Registered};
use zennet_primitives::{
    announcement::{acceptance_message, AnnouncementId},
    pow::{stamp_work, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

/// Threads that mine: the machines have the other cores.
const THREADS: usize = 1;

/// Time between two reports of progress.
const REPORT: Duration = Duration::from_secs(5);

/// Says now and then how a search goes.
fn report(what: &'static str) -> impl FnMut(MiningProgress) {
    let mut reported = Instant::now();
    move |now| {
        if reported.elapsed() < REPORT {
            return;
        }
        reported = Instant::now();
        info!(
            what,
            done = now.hashes,
            difficulty = now.difficulty,
            per_second = now.hashes_per_sec(),
            expected_secs = now.expected().map(|more| more.as_secs()),
            "mining; about expected_secs more are expected, however long it has taken"
        );
    }
}

/// The stamp on this provider's answer to an announcement. Its difficulty was bounded before.
pub(crate) async fn acceptance_stamp(
    genesis: Hash,
    announcement: AnnouncementId,
    provider: &AccountId,
    asked: Difficulty,
) -> Option<PowNonce> {
    let message = acceptance_message(genesis, announcement, provider);
    let work = move |nonce| stamp_work(message, nonce);
    search(work, asked, THREADS, None, report("stamp")).await
}

/// Makes sure that this provider's identity is mined and registered.
pub(crate) async fn ensure_identity(chain: &Chain, account: &AccountId) -> Result<(), ChainError> {
    loop {
        let report = report("identity");
        match chain.ensure_identity(Role::Provider, account, THREADS, report).await {
            Ok(Registered { block, took: Some(_), .. }) => info!(block, "identity registered"),
            Ok(_) => info!("identity is registered"),
            // Many register at the same time: a block takes a few.
            Err(error) if error.is_not_taken() => {
                warn!(%error, "no identity is registered, trying again");
                continue;
            }
            Err(error) => return Err(error),
        }
        return Ok(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::pow::meets;

    #[tokio::test]
    async fn a_stamp_meets_what_was_asked() {
        let (genesis, id, account) = (Hash::zero(), Hash::repeat_byte(1), AccountId::new([2; 32]));
        let nonce = acceptance_stamp(genesis, id, &account, 5000).await.unwrap();
        let message = acceptance_message(genesis, id, &account);
        assert!(meets(stamp_work(message, nonce), 5000));
    }
}
