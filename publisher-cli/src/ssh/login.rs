//! Logins of this program into machines, with the host key that the contract pins.

use std::{sync::Arc, time::Duration};

use anyhow::{bail, Context, Result};
use russh::{
    client,
    keys::{PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use zennet_primitives::contract::SshKey;
use zennet_transport::SshStream;

use super::keys::{public_key, ClientKey};

/// Time to connect, to log in and to start the command, each.
pub(super) const SETUP: Duration = Duration::from_secs(15);

/// Logins that may begin at once: each takes the machine and this program some computing, and an
/// order for many machines has them all ready in a short time.
const LOGINS: usize = 6;

/// Turns to log in; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Logins(Arc<Semaphore>);

impl Logins {
    /// All turns are free.
    pub(crate) fn new() -> Self {
        Logins(Arc::new(Semaphore::new(LOGINS)))
    }

    /// Waits for a turn, which is over when dropped.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.0.clone().acquire_owned().await.ok()
    }
}

/// Logs in over a stream to a machine.
pub(super) async fn login(
    stream: SshStream,
    key: &ClientKey,
    host_key: &SshKey,
) -> Result<client::Handle<Pinned>> {
    let config = Arc::new(client::Config {
        keepalive_interval: Some(Duration::from_secs(15)),
        ..client::Config::default()
    });
    let pinned = Pinned(public_key(host_key));
    let mut ssh = timeout(SETUP, client::connect_stream(config, stream, pinned))
        .await
        .context("the machine's ssh server did not answer in time")?
        .context("cannot connect to the machine's ssh server")?;
    let login = PrivateKeyWithHashAlg::new(key.private(), None);
    let outcome = timeout(SETUP, ssh.authenticate_publickey("root", login))
        .await
        .context("the machine's ssh server did not let us in within its time")??;
    if !outcome.success() {
        bail!("the machine refuses the key of the contract");
    }
    Ok(ssh)
}

/// Trusts the host key of the contract alone.
pub(super) struct Pinned(PublicKey);

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        Ok(match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data() == self.0.key_data(),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}
