//! Accounts with coin and mined identities.

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use zennet_chain_client::{AccountKey, Chain};
use zennet_primitives::{amount::Balance, pow::Role, AccountId};

/// What each account gets, for fees: ten coins.
const COIN: Balance = 10_000_000_000_000;

/// Accounts that one transaction funds.
const FUNDED: usize = 100;

/// Registrations that wait for a block at once; a block takes sixteen.
const AT_ONCE: usize = 12;

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
    let registered = chain.ensure_identity(Role::Provider, account, 1, |_| ()).await;
    registered.map(|_| ()).context("cannot register an identity")
}
