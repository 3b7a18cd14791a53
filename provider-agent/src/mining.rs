//! Proof of work on threads of its own: stamps for answers and the provider's identity.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;
use tracing::{info, warn};
use zennet_chain_client::{Chain, ChainError};
use zennet_primitives::{
    announcement::{acceptance_message, AnnouncementId},
    pow::{expected, identity_work, mine, stamp_work, Difficulty, PowNonce, Role},
    AccountId, Hash,
};

/// Hashes between two looks at the world.
const CHUNK: u64 = 1 << 18;
/// Time between two reports of progress.
const REPORT: Duration = Duration::from_secs(5);
/// Pause before the chain is asked again after it refused or failed.
const PAUSE: Duration = Duration::from_secs(2);

/// Searches in bounded pieces until there is a nonce, or until `go_on`, which is told how many
/// hashes were done, says no. It says how it goes.
async fn search(
    what: &'static str,
    work: impl Fn(PowNonce) -> Hash + Send + Sync + 'static,
    difficulty: Difficulty,
    mut go_on: impl AsyncFnMut(u64) -> bool,
) -> Option<PowNonce> {
    let work = Arc::new(work);
    let mut start: PowNonce = rand::random();
    let mut done = 0;
    let began = Instant::now();
    let mut reported = began;
    loop {
        let piece = work.clone();
        let found = spawn_blocking(move || mine(|nonce| piece(nonce), difficulty, start, CHUNK));
        match found.await {
            Ok(Some(nonce)) => return Some(nonce),
            Ok(None) => (),
            // The runtime is ending.
            Err(_) => return None,
        }
        start = start.wrapping_add(CHUNK);
        done += CHUNK;
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            report(what, difficulty, done, began.elapsed());
        }
        if !go_on(done).await {
            return None;
        }
    }
}

/// Says how a search goes.
fn report(what: &'static str, difficulty: Difficulty, done: u64, took: Duration) {
    let per_second = (done as f64 / took.as_secs_f64()) as u64;
    let expected_secs = expected(difficulty, done, took).map(|more| more.as_secs());
    info!(
        what,
        done,
        difficulty,
        per_second,
        expected_secs,
        "mining; about expected_secs more are expected, however long it has taken"
    );
}

/// The stamp on this provider's answer to an announcement. Its difficulty was bounded before.
pub(crate) async fn acceptance_stamp(
    genesis: Hash,
    announcement: AnnouncementId,
    provider: &AccountId,
    asked: Difficulty,
) -> Option<PowNonce> {
    let message = acceptance_message(genesis, announcement, provider);
    search("stamp", move |nonce| stamp_work(message, nonce), asked, async |_| true).await
}

/// Makes sure that this provider's identity is mined and registered.
pub(crate) async fn ensure_identity(chain: &Chain, account: &AccountId) -> Result<(), ChainError> {
    loop {
        let head = chain.best().await?;
        if chain.identity(Role::Provider, account, head.hash).await?.is_some() {
            info!("identity is registered");
            return Ok(());
        }
        let difficulty = chain.difficulty(Role::Provider, head.hash).await?;
        info!(difficulty, anchor = head.number, "mining the provider's identity");
        let Some(nonce) = mine_identity(chain, account, head, difficulty).await? else {
            info!("the anchor grew old, mining goes on from a newer block");
            continue;
        };
        match chain.register_identity(Role::Provider, account, head.number, nonce).await {
            Ok(included) => info!(block = included.block.number, "identity registered"),
            // Mined too late, or the difficulty rose meanwhile.
            Err(
                error @ (ChainError::Rejected { .. }
                | ChainError::NotTaken { .. }
                | ChainError::Lost { .. }
                | ChainError::NotIncluded { .. }),
            ) => {
                warn!(%error, "the identity was not taken, mining again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn mine_identity(
    chain: &Chain,
    account: &AccountId,
    anchor: zennet_chain_client::Head,
    difficulty: Difficulty,
) -> Result<Option<PowNonce>, ChainError> {
    let started = Instant::now();
    // Half of the window is left for getting into a block.
    let blocks = chain.constants().anchor_window / 2;
    let until = Duration::from_millis(chain.constants().block_ms.saturating_mul(blocks.into()));
    let owner = account.clone();
    let work = move |nonce| identity_work(Role::Provider, &owner, anchor.hash, nonce);
    Ok(search("identity", work, difficulty, async |_| started.elapsed() < until).await)
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

    #[tokio::test]
    async fn a_search_ends_when_it_is_told_to() {
        let mut seen = Vec::new();
        let found = search(
            "nothing",
            |_| Hash::repeat_byte(0xff),
            u64::MAX,
            async |done| {
                seen.push(done);
                seen.len() < 2
            },
        );
        assert_eq!(found.await, None);
        assert_eq!(seen, [CHUNK, 2 * CHUNK]);
    }
}
