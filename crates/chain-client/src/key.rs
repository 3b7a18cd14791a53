//! The key of an account, and the file that holds it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sp_core::{sr25519, Pair};
use thiserror::Error;
use zennet_primitives::{
    signed::{Signable, Unverified},
    AccountId, Signature,
};

/// Longest key file that is read, bytes.
const MAX_KEY_FILE: u64 = 1024;

/// Signs for one account with sr25519.
#[derive(Clone)]
pub struct AccountKey(sr25519::Pair);

/// Why a key cannot be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Others than the owner may read the file.
    #[error("key file {path} has mode {mode:03o}, others may read it: run `chmod 600 {path}`")]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file exists already, and keys are never overwritten.
    #[error("key file {0} exists already and is left as it is")]
    Exists(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot use key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no secret phrase, seed or derivation.
    #[error("{0} holds no secret phrase, hex seed or `//Name` derivation")]
    Malformed(String),
}

impl AccountKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(sr25519::Pair::generate().0)
    }

    /// A key from a secret phrase, a hex seed, or a derivation of the development phrase such as
    /// `//Alice`.
    pub fn from_uri(uri: &str) -> Result<Self, KeyError> {
        let pair = sr25519::Pair::from_string(uri, None);
        pair.map(Self).map_err(|_| KeyError::Malformed("the given secret".into()))
    }

    /// Reads a key file that nobody else may read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.into(), source };
        let metadata = fs::metadata(path).map_err(io)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::ReadableByOthers { path: path.into(), mode });
        }
        if metadata.len() > MAX_KEY_FILE {
            return Err(KeyError::Malformed(format!("key file {}", path.display())));
        }
        let text = fs::read_to_string(path).map_err(io)?;
        sr25519::Pair::from_string(text.trim(), None)
            .map(Self)
            .map_err(|_| KeyError::Malformed(format!("key file {}", path.display())))
    }

    /// Makes a new key and a file of mode 600 with its secret phrase.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let (pair, phrase, _) = sr25519::Pair::generate_with_phrase(None);
        Self::write(path, &phrase)?;
        Ok(Self(pair))
    }

    /// Writes a given secret to a new file of mode 600.
    pub fn create_from_uri(path: &Path, uri: &str) -> Result<Self, KeyError> {
        let key = Self::from_uri(uri)?;
        Self::write(path, uri)?;
        Ok(key)
    }

    /// The account that this key signs for.
    pub fn account(&self) -> AccountId {
        AccountId::new(self.0.public().0)
    }

    /// Signs bytes as they are.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        self.0.sign(bytes)
    }

    /// Signs a payload in its context.
    pub fn sign_payload<T: Signable>(&self, payload: T, context: &T::Context) -> Unverified<T> {
        let signature = self.sign(&payload.signing_bytes(context));
        Unverified { payload, signature }
    }

    fn write(path: &Path, secret: &str) -> Result<(), KeyError> {
        let io = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => KeyError::Exists(path.into()),
            _ => KeyError::Io { path: path.into(), source },
        };
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = options.map_err(io)?;
        writeln!(file, "{secret}").and_then(|()| file.sync_all()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::{
        channel::{ChannelContext, Voucher},
        signed::account_key,
        Hash,
    };

    #[test]
    fn a_created_key_is_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = AccountKey::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(AccountKey::load(&path).unwrap().account(), key.account());
        assert!(matches!(AccountKey::create(&path), Err(KeyError::Exists(_))));
        assert_eq!(AccountKey::load(&path).unwrap().account(), key.account());
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        AccountKey::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = AccountKey::load(&path).err().unwrap();
        assert!(matches!(error, KeyError::ReadableByOthers { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_file_without_a_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "hello").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(AccountKey::load(&path), Err(KeyError::Malformed(_))));
    }

    #[test]
    fn what_an_account_signs_its_public_key_verifies() {
        let key = AccountKey::from_uri("//Alice").unwrap();
        let context = ChannelContext { genesis: Hash::zero(), channel: Hash::zero() };
        let voucher = Voucher { cumulative: 1, usage_hash: Hash::zero() };
        let signed = key.sign_payload(voucher, &context);
        assert!(signed.verify(&context, &account_key(&key.account())).is_ok());
    }
}
