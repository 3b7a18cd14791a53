//! What commands share: the folder, its configuration, the key and the node.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use zennet_chain_client::{AccountKey, Chain, ChainError};
use zennet_primitives::AccountId;

use crate::{config::Config, control::registry::Address, failure::Failure, output::Out, store};

/// What a command works with.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Where the configuration is.
    pub(crate) dir: PathBuf,
    /// Where data goes.
    pub(crate) out: Out,
}

impl Context {
    /// Reads the configuration.
    pub(crate) fn config(&self) -> Result<Config> {
        Ok(Config::load(&self.dir)?)
    }

    /// Reads the account's key.
    pub(crate) fn key(&self, config: &Config) -> Result<AccountKey> {
        AccountKey::load(&config.key_file).map_err(|error| {
            let (path, why) = (config.key_file.clone(), error.to_string());
            Failure::BadConfig { path, why }.into()
        })
    }

    /// Connects to the configured node.
    pub(crate) async fn chain(&self, config: &Config) -> Result<Chain> {
        let expected = config.genesis.map(|genesis| genesis.0);
        Chain::connect(&config.node, expected).await.map_err(node_failure)
    }
}

/// Errors of the chain with the exit codes that scripts know.
pub(crate) fn node_failure(error: ChainError) -> anyhow::Error {
    match error {
        ChainError::Unreachable { .. } | ChainError::OtherGenesis { .. } => {
            Failure::Node(format!("{error}; see `node` and `genesis` in the configuration")).into()
        }
        ChainError::NoCoin { .. } => Failure::NoCoin(error.to_string()).into(),
        other => other.into(),
    }
}

/// Writes accounts as a chain does.
pub(crate) fn addresses(chain: &Chain) -> Address {
    let chain = chain.clone();
    Arc::new(move |account: &AccountId| chain.address(account))
}

/// Refuses to go on with an account that can pay nothing.
pub(crate) async fn check_coin(chain: &Chain, account: &AccountId) -> Result<()> {
    let balance = chain.balance(account, chain.best().await?.hash).await?;
    if balance.spendable > 0 {
        return Ok(());
    }
    let address = chain.address(account);
    let symbol = &chain.properties().symbol;
    Err(Failure::NoCoin(format!(
        "account {address} has no {symbol} to spend: send it some, for example with `publisher-cli \
         account transfer {address} 10` from the folder of an account that has coin"
    ))
    .into())
}

/// Keeps other runs out of a data folder until dropped.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, and makes it where there is none.
    pub(crate) fn take(data_dir: &Path) -> Result<Self> {
        store::prepare(data_dir)?;
        let path = data_dir.join("lock");
        let failed = || format!("cannot lock {}", path.display());
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::Locked(data_dir.to_owned()).into()),
            Err(TryLockError::Error(error)) => Err(error).with_context(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_on_the_same_folder_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = Lock::take(&data).unwrap();
        let error = Lock::take(&data).err().unwrap();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().code(), 8);
        drop(first);
        assert!(Lock::take(&data).is_ok());
    }

    #[test]
    fn a_key_that_others_may_read_is_a_bad_configuration() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("publisher.toml"), "node = \"ws://127.0.0.1:1\"").unwrap();
        let context = Context { dir: dir.path().to_owned(), out: Out { json: false } };
        let config = context.config().unwrap();
        AccountKey::create(&config.key_file).unwrap();
        assert!(context.key(&config).is_ok());
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&config.key_file, open).unwrap();
        let error = context.key(&config).err().unwrap();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().code(), 3);
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
