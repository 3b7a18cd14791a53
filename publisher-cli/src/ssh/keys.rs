//! The ssh key of a run and the host keys that contracts pin.

use std::{fs, io, path::Path, sync::Arc};

use anyhow::{Context, Result};
use rand::{rngs::OsRng, RngCore};
use russh::keys::{
    ssh_key::{
        private::{Ed25519Keypair, KeypairData},
        public::{Ed25519PublicKey, KeyData},
        LineEnding,
    },
    PrivateKey, PublicKey,
};
use zennet_primitives::contract::SshKey;

/// The key that every machine of a run lets in.
#[derive(Clone)]
pub(crate) struct ClientKey {
    seed: [u8; 32],
    private: Arc<PrivateKey>,
    public: SshKey,
}

impl ClientKey {
    /// Makes a new key.
    pub(crate) fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        OsRng.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// The key of an earlier run.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Result<Self> {
        let pair = Ed25519Keypair::from_seed(&seed);
        let public = pair.public.0;
        let private = PrivateKey::new(KeypairData::Ed25519(pair), "zennet")
            .context("cannot make an ssh key")?;
        Ok(ClientKey { seed, private: Arc::new(private), public })
    }

    /// What the store keeps.
    pub(crate) fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// The key as contracts carry it.
    pub(crate) fn public(&self) -> SshKey {
        self.public
    }

    /// The key for an ssh client.
    pub(crate) fn private(&self) -> Arc<PrivateKey> {
        self.private.clone()
    }

    /// Writes the private key for the stock `ssh`, readable by its owner alone.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = self.private.to_openssh(LineEnding::LF).context("cannot encode the ssh key")?;
        replace(path, text.as_bytes(), 0o600)
            .with_context(|| format!("cannot write the ssh key {}", path.display()))
    }
}

/// The public key of a machine in OpenSSH's form, such as `ssh-ed25519 AAAA…`.
pub(crate) fn host_key_text(key: &SshKey) -> Result<String> {
    public_key(key).to_openssh().context("cannot encode the host key")
}

/// The public key of a machine.
pub(crate) fn public_key(key: &SshKey) -> PublicKey {
    PublicKey::new(KeyData::Ed25519(Ed25519PublicKey(*key)), "")
}

/// Replaces a file at once: whoever reads it sees the old or the new text.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};

    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_written_key_is_private_and_reads_back_as_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        let key = ClientKey::generate().unwrap();
        key.write(&path).unwrap();
        key.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = PrivateKey::from_openssh(fs::read(&path).unwrap()).unwrap();
        assert_eq!(read.public_key().key_data(), public_key(&key.public()).key_data());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_runs_have_two_keys() {
        assert_ne!(
            ClientKey::generate().unwrap().public(),
            ClientKey::generate().unwrap().public()
        );
    }

    #[test]
    fn a_host_key_has_the_form_of_known_hosts() {
        let text = host_key_text(&[7; 32]).unwrap();
        assert!(text.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"), "{text}");
    }
}
