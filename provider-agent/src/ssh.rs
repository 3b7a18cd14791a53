//! Ssh connections: from the publisher's streams to the machine's socket, bytes only.

use std::{
    fs,
    future::pending,
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{OpenOptionsExt, PermissionsExt},
            net::UnixListener as StdListener,
        },
    },
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, Instrument, Span};
use zennet_transport::{splice, Connection, IncomingSsh};

/// Name of the socket in the folder of the lease.
pub(crate) const SOCKET: &str = "agent.sock";
/// How long the guest may take to have a connection ready for a stream. The publisher tries again.
const GUEST_WAIT: Duration = Duration::from_secs(4);
/// The byte that wakes a waiting connection of the guest.
const WAKE: [u8; 1] = [1];
/// Live connections of one machine.
const MOST: usize = 200;

/// Binds a Unix socket of any path length, replacing what an earlier run left.
pub(crate) fn bind(folder: &Path, name: &str, mode: u32) -> io::Result<UnixListener> {
    match fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    // A socket's path may have 107 bytes; through its folder's descriptor it is always short.
    let held = fs::OpenOptions::new().read(true).custom_flags(O_DIRECTORY).open(folder)?;
    let listener = StdListener::bind(format!("/proc/self/fd/{}/{name}", held.as_raw_fd()))?;
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

const O_DIRECTORY: i32 = rustix::fs::OFlags::DIRECTORY.bits() as i32;

/// The machine's side of its ssh connections.
#[derive(Clone)]
pub(crate) struct Door(Arc<UnixListener>);

impl Door {
    /// Listens in the folder of a lease; any user of the machine may knock.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        Ok(Door(Arc::new(bind(folder, SOCKET, 0o666)?)))
    }

    /// Waits until the guest is up: then it has connections waiting.
    pub(crate) async fn guest_is_up(&self) -> io::Result<()> {
        self.0.accept().await.map(drop)
    }

    async fn next(&self) -> io::Result<UnixStream> {
        let accepted = timeout(GUEST_WAIT, self.0.accept()).await;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the machine is at its cap");
        let (mut stream, _) = accepted.map_err(late)??;
        stream.write_all(&WAKE).await?;
        Ok(stream)
    }
}

/// Serves the publisher's streams on whichever connection there is, for as long as there may be one.
pub(crate) async fn serve(door: Door, mut connections: watch::Receiver<Option<Connection>>) {
    let mut streams = JoinSet::new();
    loop {
        let connection = connections.borrow_and_update().clone();
        let serving = async {
            if let Some(connection) = connection {
                serve_one_connection(&door, &connection, &mut streams).await;
            }
            // Over: nothing comes until there is another connection.
            pending::<()>().await
        };
        let changed = tokio::select! {
            () = serving => return,
            changed = connections.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn serve_one_connection(door: &Door, connection: &Connection, streams: &mut JoinSet<()>) {
    while let Ok(stream) = connection.accept_ssh().await {
        while streams.try_join_next().is_some() {}
        if streams.len() >= MOST {
            debug!("an ssh stream beyond the cap was dropped");
            continue;
        }
        let served = serve_one(door.clone(), stream);
        streams.spawn(
            async move {
                match served.await {
                    Ok((up, down)) => debug!(up, down, "ssh connection ended"),
                    Err(error) => debug!(%error, "ssh connection failed"),
                }
            }
            .instrument(Span::current()),
        );
    }
}

async fn serve_one(door: Door, stream: IncomingSsh) -> io::Result<(u64, u64)> {
    let machine = door.next().await?;
    splice(stream.ready().await?, machine).await
}
