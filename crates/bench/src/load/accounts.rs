//! Accounts with coin and mined identities.

use anyhow::{Context, Result};
use tokio::task::{spawn_blocking, JoinSet};
use zennet_chain_client::{AccountKey, Chain, ChainError, Head};
use zennet_primitives::{
    amount::Balance,
    pow::{identity_work, mine, Difficulty, PowNonce, Role},
    AccountId,
};

/// What each account gets, for fees: ten coins.
const COIN: Balance = 10_000_000_000_000;

/// Accounts that one transaction funds.
const FUNDED: usize = 100;

/// Registrations that wait for a block at once; a block takes sixteen.
const AT_ONCE: usize = 12;

/// Attempts to get an identity into a block.
const ATTEMPTS: u32 = 5;

/// Hashes of a search; far more than the difficulty of a development chain.
const SEARCH: u64 = 1 << 26;

/// Makes accounts, funds them, and registers them as providers.
pub(crate) async fn make(chain: &Chain, bank: &AccountKey, count: u32) -> Result<Vec<AccountKey>> {
    let keys: Vec<AccountKey> = (0..count).map(|_| AccountKey::generate()).collect();
    for keys in keys.chunks(FUNDED) {
        let transfers: Vec<_> = keys.iter().map(|key| (key.account(), COIN)).collect();
        chain.transfer_all(bank, &transfers).await.context("cannot fund the providers")?;
    }
    tracing::info!(count, "providers have coin");
    let mut registering = JoinSet::new();
    for key in &keys {
        if registering.len() >= AT_ONCE {
            finished(registering.join_next().await)?;
        }
        let (chain, account) = (chain.clone(), key.account());
        registering.spawn(async move { register(&chain, &account).await });
    }
    while !registering.is_empty() {
        finished(registering.join_next().await)?;
    }
    tracing::info!(count, "providers have identities");
    Ok(keys)
}

fn finished(done: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    done.map_or(Ok(()), |done| done?)
}

async fn register(chain: &Chain, account: &AccountId) -> Result<()> {
    for attempt in 1.. {
        let anchor = chain.best().await?;
        let difficulty = chain.difficulty(Role::Provider, anchor.hash).await?;
        let nonce = search(account.clone(), anchor, difficulty).await?;
        match chain.register_identity(Role::Provider, account, anchor.number, nonce).await {
            Ok(_) => return Ok(()),
            Err(
                error @ (ChainError::NotTaken { .. }
                | ChainError::Lost { .. }
                | ChainError::NotIncluded { .. }),
            ) if attempt < ATTEMPTS => {
                tracing::debug!(%error, attempt, "an identity was not taken, trying again");
                tokio::time::sleep(super::PAUSE).await;
            }
            Err(error) => return Err(error).context("cannot register an identity"),
        }
    }
    Ok(())
}

async fn search(account: AccountId, anchor: Head, difficulty: Difficulty) -> Result<PowNonce> {
    let work = move |nonce| identity_work(Role::Provider, &account, anchor.hash, nonce);
    let start = rand::random();
    let found = spawn_blocking(move || mine(work, difficulty, start, SEARCH)).await?;
    found.context("the chain's difficulty is too high for this program")
}
