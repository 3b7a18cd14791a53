//! The file that holds a relay's secret, so that its peer id stays.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use libp2p::identity::ed25519;
use thiserror::Error;

/// Why a relay's secret cannot be had.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("key file {path} has mode {mode:03o}, others may read it: run `chmod 600 {path}`")]
    ReadableByOthers { path: PathBuf, mode: u32 },
    #[error(
        "key file {0} does not hold 32 bytes: it is no relay's; name another, or move it away"
    )]
    Malformed(PathBuf),
    #[error("cannot use key file {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Reads a relay's secret, or makes one and its file of mode 600.
pub fn relay_secret(path: &Path) -> Result<[u8; 32], SecretError> {
    let io = |source| SecretError::Io { path: path.into(), source };
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(SecretError::ReadableByOthers { path: path.into(), mode });
            }
            if metadata.len() != 32 {
                return Err(SecretError::Malformed(path.into()));
            }
            let held = fs::read(path).map_err(io)?;
            held.try_into().map_err(|_| SecretError::Malformed(path.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(io)?;
            }
            let mut secret = [0; 32];
            secret.copy_from_slice(ed25519::SecretKey::generate().as_ref());
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(io)?;
            file.write_all(&secret).and_then(|()| file.sync_all()).map_err(io)?;
            Ok(secret)
        }
        Err(error) => Err(io(error)),
    }
}
