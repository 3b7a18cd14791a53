//! Peers that break the protocol, made with the crate's own inner parts.

use std::time::Duration;

use libp2p::swarm::StreamProtocol;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};

use crate::{
    connection::Link,
    handler::{StreamRefused, LEASE},
    ssh::raw,
    CloseReason, Endpoint, FrameError, Limits,
};

const LONG: Duration = Duration::from_secs(30);

struct Pair {
    _publisher: Endpoint,
    _provider: Endpoint,
    at_publisher: Link,
    at_provider: Link,
}

async fn pair() -> Pair {
    let limits = Limits { allow_private: true, ..Limits::default() };
    let addresses = vec!["/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr")];
    let publisher = Endpoint::listen(addresses, limits.clone()).await.expect("listens");
    let provider = Endpoint::dialer(limits).expect("starts");
    let address = publisher.addresses().remove(0);
    let (dialed, accepted) = tokio::join!(provider.dial(&address, LONG), publisher.accept());
    Pair {
        at_publisher: accepted.expect("accepts"),
        at_provider: dialed.expect("dials"),
        _publisher: publisher,
        _provider: provider,
    }
}

#[tokio::test]
async fn an_oversized_frame_closes_the_connection() {
    let mut pair = pair().await;
    let header = (crate::MAX_FRAME as u32 + 1).to_le_bytes();
    pair.at_provider.sender.raw().write_all(&header).await.expect("writes");
    pair.at_provider.sender.raw().flush().await.expect("flushes");
    let error = time::timeout(LONG, pair.at_publisher.receiver.recv()).await.expect("in time");
    assert!(matches!(error, Err(FrameError::Oversized(65_537))), "{error:?}");
    assert_eq!(pair.at_publisher.connection.closed().await, CloseReason::BadFrame);
    let reason = time::timeout(LONG, pair.at_provider.connection.closed()).await.expect("in time");
    assert!(matches!(reason, CloseReason::Lost(_)), "{reason:?}");
}

#[tokio::test]
async fn a_frame_that_ends_early_closes_the_connection() {
    let mut pair = pair().await;
    pair.at_provider.sender.raw().write_all(&[9, 0, 0, 0, 1, 2]).await.expect("writes");
    pair.at_provider.sender.finish().await.expect("finishes");
    let error = time::timeout(LONG, pair.at_publisher.receiver.recv()).await.expect("in time");
    assert!(matches!(error, Err(FrameError::Truncated(6))), "{error:?}");
    assert_eq!(pair.at_publisher.connection.closed().await, CloseReason::BadFrame);
}

#[tokio::test]
async fn a_dropped_receive_loses_nothing() {
    let mut pair = pair().await;
    pair.at_provider.sender.raw().write_all(&[5, 0, 0, 0, 1, 2]).await.expect("writes");
    pair.at_provider.sender.raw().flush().await.expect("flushes");
    let short = Duration::from_millis(200);
    assert!(matches!(
        pair.at_publisher.receiver.recv_within(short).await,
        Err(FrameError::Silent(_))
    ));
    pair.at_provider.sender.raw().write_all(&[3, 4, 5]).await.expect("writes");
    pair.at_provider.sender.raw().flush().await.expect("flushes");
    let frame = time::timeout(LONG, pair.at_publisher.receiver.recv()).await.expect("in time");
    assert_eq!(frame.expect("comes"), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_and_the_connection_lives() {
    let mut pair = pair().await;
    let unknown = StreamProtocol::new("/zennet/unknown/1");
    for connection in [&pair.at_provider.connection, &pair.at_publisher.connection] {
        let refused = connection.shared().open_stream(unknown.clone()).await.err();
        assert_eq!(refused, Some(StreamRefused::Unsupported(unknown.clone())));
    }
    pair.at_provider.sender.send(b"alive").await.expect("sends");
    assert_eq!(pair.at_publisher.receiver.recv().await.expect("comes"), b"alive");
}

#[tokio::test]
async fn further_control_streams_are_reset_and_the_link_lives() {
    let mut pair = pair().await;
    for _ in 0..400 {
        let request = pair.at_provider.connection.shared().open_stream(LEASE);
        match time::timeout(LONG, request).await.expect("in time") {
            Ok(stream) => {
                let mut stream = raw(stream);
                let end = time::timeout(LONG, stream.read(&mut [0; 1])).await.expect("in time");
                assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
            }
            Err(StreamRefused::Io(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    pair.at_provider.sender.send(b"alive").await.expect("sends");
    let frame = time::timeout(LONG, pair.at_publisher.receiver.recv()).await.expect("in time");
    assert_eq!(frame.expect("comes"), b"alive");
}

#[tokio::test]
async fn three_hundred_streams_at_once_do_not_end_the_link() {
    let mut pair = pair().await;
    let shared = pair.at_provider.connection.shared().clone();
    let mut wishes = Vec::new();
    for _ in 0..300 {
        let shared = shared.clone();
        wishes.push(tokio::spawn(async move { shared.open_stream(LEASE).await }));
    }
    for wish in wishes {
        let opened = time::timeout(LONG, wish).await.expect("in time").expect("no panic");
        assert!(!matches!(opened, Err(StreamRefused::Gone)), "the connection died");
    }
    pair.at_provider.sender.send(b"alive").await.expect("sends");
    let frame = time::timeout(LONG, pair.at_publisher.receiver.recv()).await.expect("in time");
    assert_eq!(frame.expect("comes"), b"alive");
}
