//! Two endpoints on the loopback interface.

use std::{future::Future, time::Duration};

use libp2p::multiaddr::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zennet_transport::{Connection, Endpoint, Limits, Link, Multiaddr};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) fn limits() -> Limits {
    Limits { allow_private: true, ..Limits::default() }
}

pub(crate) fn loopback() -> Vec<Multiaddr> {
    vec!["/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr")]
}

pub(crate) fn port(address: &Multiaddr) -> u16 {
    address
        .iter()
        .find_map(|part| match part {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        })
        .expect("has a port")
}

pub(crate) async fn listener(limits: Limits) -> (Endpoint, Multiaddr) {
    let endpoint = Endpoint::listen(loopback(), limits).await.expect("listens");
    let address = endpoint.addresses().remove(0);
    (endpoint, address)
}

/// A publisher and a provider with a link between them.
pub(crate) struct Pair {
    pub(crate) publisher: Endpoint,
    pub(crate) provider: Endpoint,
    pub(crate) at_publisher: Link,
    pub(crate) at_provider: Link,
}

pub(crate) async fn pair(limits: Limits) -> Pair {
    let (publisher, address) = listener(limits.clone()).await;
    let provider = Endpoint::dialer(limits).expect("starts");
    let (at_provider, at_publisher) =
        tokio::join!(provider.dial(&address, LONG), publisher.accept());
    Pair {
        at_publisher: at_publisher.expect("accepted"),
        at_provider: at_provider.expect("dialed"),
        publisher,
        provider,
    }
}

/// Fails the test when `future` takes longer than [`LONG`].
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("in time")
}

/// Sends back whatever comes on each ssh stream, until the connection ends.
pub(crate) fn echo(connection: Connection) {
    tokio::spawn(async move {
        while let Ok(incoming) = connection.accept_ssh().await {
            tokio::spawn(async move {
                let Ok(stream) = incoming.ready().await else { return };
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
}

/// Writes, then reads the same bytes back.
pub(crate) async fn check_echo<S>(stream: &mut S, text: &[u8])
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(text).await.expect("writes");
    stream.flush().await.expect("flushes");
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await.expect("reads");
    assert_eq!(back, text);
}
