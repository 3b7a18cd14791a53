//! Keys of a machine's ssh server, and the folder that the machine sees.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ssh_key::{
    private::Ed25519Keypair,
    public::{Ed25519PublicKey, KeyData},
    LineEnding, PrivateKey, PublicKey,
};
use zennet_primitives::contract::SshKey;

/// A machine's ssh host key.
pub(crate) struct HostKey(PrivateKey);

impl HostKey {
    /// A new random key.
    pub(crate) fn generate() -> Self {
        HostKey(Ed25519Keypair::from_seed(&rand::random()).into())
    }

    /// The public half, which the contract carries.
    pub(crate) fn public(&self) -> SshKey {
        match self.0.public_key().key_data() {
            KeyData::Ed25519(key) => key.0,
            _ => unreachable!("the key was made as an ed25519 key; qed"),
        }
    }
}

/// The folder of one lease on the host. It stays until [`LeaseFolder::remove`], so that a daemon
/// that dies leaves it to the next one.
///
/// Its parent lets nobody else in; the folder itself is open, since the machine's users are not
/// this process's user.
pub(crate) struct LeaseFolder(PathBuf);

impl LeaseFolder {
    /// Makes the folder with the key of the server and the only key that is let in.
    pub(crate) fn create(
        parent: &Path,
        name: &str,
        host_key: &HostKey,
        client: &SshKey,
    ) -> io::Result<Self> {
        let folder = Self::bare(parent, name)?;
        let private = host_key.0.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        write(&folder.0.join("host_key"), 0o600, private.as_bytes())?;
        let client = PublicKey::from(KeyData::Ed25519(Ed25519PublicKey(*client)));
        let line = client.to_openssh().map_err(io::Error::other)?;
        write(&folder.0.join("authorized_keys"), 0o644, format!("{line}\n").as_bytes())?;
        Ok(folder)
    }

    /// Makes the folder of a machine without a way in.
    pub(crate) fn bare(parent: &Path, name: &str) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let folder = parent.join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        fs::create_dir(&folder)?;
        let folder = LeaseFolder(folder);
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }

    /// The folder of a lease of an earlier run.
    pub(crate) fn adopt(parent: &Path, name: &str) -> io::Result<Self> {
        let folder = parent.join(name);
        fs::metadata(folder.join("host_key"))?;
        Ok(LeaseFolder(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it. What cannot be removed now is removed by the next lease of this name or the next
    /// start.
    pub(crate) fn remove(self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    // The umask has a say in the mode above.
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssh_reads_the_keys_and_the_folder_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let key = HostKey::generate();
        let client = HostKey::generate().public();
        let folder = LeaseFolder::create(parent.path(), "x", &key, &client).unwrap();
        let path = folder.path().to_owned();
        let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("host_key"), mode("authorized_keys"), mode(".")), (0o600, 0o644, 0o755));
        let derived = std::process::Command::new("ssh-keygen")
            .args(["-y", "-f"])
            .arg(path.join("host_key"))
            .output()
            .unwrap();
        assert!(derived.status.success(), "{}", String::from_utf8_lossy(&derived.stderr));
        let public = PublicKey::from_openssh(&String::from_utf8(derived.stdout).unwrap()).unwrap();
        assert_eq!(public.key_data(), &KeyData::Ed25519(Ed25519PublicKey(key.public())));
        let allowed = fs::read_to_string(path.join("authorized_keys")).unwrap();
        let allowed = PublicKey::from_openssh(&allowed).unwrap();
        assert_eq!(allowed.key_data(), &KeyData::Ed25519(Ed25519PublicKey(client)));
        folder.remove();
        assert!(!path.exists());
    }

    #[test]
    fn what_an_earlier_run_left_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let key = HostKey::generate();
        let first = LeaseFolder::create(parent.path(), "x", &key, &[1; 32]).unwrap();
        fs::write(first.path().join("left"), "").unwrap();
        let second = LeaseFolder::create(parent.path(), "x", &key, &[1; 32]).unwrap();
        assert!(!second.path().join("left").exists());
    }
}
