//! Connections, control streams, and peers that do not behave.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Duration,
};

use futures::StreamExt;
use libp2p::{noise, ping, swarm::SwarmEvent, tcp, yamux, SwarmBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time,
};
use zennet_transport::{
    CloseReason, DialError, Endpoint, FrameError, Limits, Multiaddr, MAX_FRAME,
};

use crate::common::{self, limits, listener, loopback, pair, port, soon, LONG};

#[tokio::test]
async fn frames_of_every_size_arrive_in_order() {
    let mut pair = pair(limits()).await;
    assert_eq!(pair.at_publisher.connection.remote_peer(), pair.provider.local_peer());
    assert_eq!(pair.at_provider.connection.remote_peer(), pair.publisher.local_peer());
    assert_eq!(pair.at_provider.connection.local_peer(), pair.provider.local_peer());
    for length in [0, 1, 3, 4, 5, 1000, MAX_FRAME] {
        let frame = vec![length as u8; length];
        pair.at_provider.sender.send(&frame).await.expect("sends");
        assert_eq!(soon(pair.at_publisher.receiver.recv()).await.expect("comes"), frame);
        pair.at_publisher.sender.send(&frame).await.expect("sends");
        assert_eq!(soon(pair.at_provider.receiver.recv()).await.expect("comes"), frame);
    }
    let long = vec![0; MAX_FRAME + 1];
    let refused = pair.at_provider.sender.send(&long).await;
    assert!(matches!(refused, Err(FrameError::Oversized(_))), "{refused:?}");
    pair.at_provider.sender.send(b"usable").await.expect("still sends");
    assert_eq!(soon(pair.at_publisher.receiver.recv()).await.expect("comes"), b"usable");
}

#[tokio::test]
async fn a_reader_gets_what_was_sent_before_a_close() {
    let mut pair = pair(limits()).await;
    pair.at_publisher.sender.send(&vec![5; MAX_FRAME]).await.expect("sends");
    pair.at_publisher.sender.send(b"last word").await.expect("sends");
    pair.at_publisher.connection.close();
    assert_eq!(soon(pair.at_publisher.connection.closed()).await, CloseReason::Local);
    assert_eq!(soon(pair.at_provider.receiver.recv()).await.expect("comes").len(), MAX_FRAME);
    assert_eq!(soon(pair.at_provider.receiver.recv()).await.expect("comes"), b"last word");
    let reason = soon(pair.at_provider.connection.closed()).await;
    assert!(matches!(reason, CloseReason::Lost(_)), "{reason:?}");
    assert!(soon(pair.at_provider.receiver.recv()).await.is_err());
}

#[tokio::test]
async fn a_finished_stream_reads_as_closed() {
    let mut pair = pair(limits()).await;
    pair.at_provider.sender.send(b"bye").await.expect("sends");
    pair.at_provider.sender.finish().await.expect("finishes");
    assert_eq!(soon(pair.at_publisher.receiver.recv()).await.expect("comes"), b"bye");
    let end = soon(pair.at_publisher.receiver.recv()).await;
    assert!(matches!(end, Err(FrameError::Closed)), "{end:?}");
}

#[tokio::test]
async fn silence_and_a_stalled_reader_are_typed_errors() {
    let limits = Limits { frame_write: Duration::from_millis(300), ..limits() };
    let mut pair = pair(limits).await;
    let silent = pair.at_publisher.receiver.recv_within(Duration::from_millis(50)).await;
    assert!(matches!(silent, Err(FrameError::Silent(_))), "{silent:?}");
    let frame = vec![1; MAX_FRAME];
    let mut sent = 0;
    let stalled = loop {
        match pair.at_provider.sender.send(&frame).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 64, "sent {sent} frames that nobody reads");
    };
    assert!(matches!(stalled, FrameError::Stalled(_)), "{stalled:?}");
    let closed = pair.at_provider.sender.send(b"x").await;
    assert!(matches!(closed, Err(FrameError::Closed)), "{closed:?}");
}

#[tokio::test]
async fn letting_go_of_a_link_closes_the_connection() {
    let pair = pair(limits()).await;
    let publisher = pair.at_publisher.connection.clone();
    drop(pair.at_provider);
    let reason = soon(publisher.closed()).await;
    assert!(matches!(reason, CloseReason::Lost(_)), "{reason:?}");
    assert!(publisher.open_ssh(LONG).await.is_err());
}

#[tokio::test]
async fn a_dropped_endpoint_ends_its_connections() {
    let pair = pair(limits()).await;
    drop(pair.publisher);
    assert_eq!(soon(pair.at_publisher.connection.closed()).await, CloseReason::Stopped);
    let reason = soon(pair.at_provider.connection.closed()).await;
    assert!(matches!(reason, CloseReason::Lost(_)), "{reason:?}");
}

#[tokio::test]
async fn each_dial_makes_a_connection_of_its_own() {
    let (publisher, address) = listener(limits()).await;
    let provider = Endpoint::dialer(limits()).expect("starts");
    let mut first = soon(provider.dial(&address, LONG)).await.expect("dials");
    let at_first = soon(publisher.accept()).await.expect("accepts");
    let mut second = soon(provider.dial(&address, LONG)).await.expect("dials");
    let mut at_second = soon(publisher.accept()).await.expect("accepts");
    at_first.connection.close();
    soon(first.connection.closed()).await;
    assert!(soon(first.receiver.recv()).await.is_err());
    second.sender.send(b"mine").await.expect("sends");
    assert_eq!(soon(at_second.receiver.recv()).await.expect("comes"), b"mine");
}

#[tokio::test]
async fn another_peer_at_the_address_is_refused() {
    let (honest, _) = listener(limits()).await;
    let (_impostor, address) = listener(limits()).await;
    let claimed: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", port(&address), honest.local_peer())
            .parse()
            .expect("a multiaddr");
    let provider = Endpoint::dialer(limits()).expect("starts");
    match soon(provider.dial(&claimed, LONG)).await {
        Err(DialError::WrongPeer { expected, obtained }) => {
            assert_eq!(expected, honest.local_peer());
            assert_ne!(obtained, expected);
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("connected to an impostor"),
    }
}

#[tokio::test]
async fn private_addresses_and_closed_ports_are_typed_errors() {
    let (publisher, address) = listener(limits()).await;
    let strict = Endpoint::dialer(Limits::default()).expect("starts");
    assert!(matches!(soon(strict.dial(&address, LONG)).await, Err(DialError::Endpoint(_))));
    let by_name: Multiaddr =
        format!("/dns4/localhost/tcp/{}/p2p/{}", port(&address), publisher.local_peer())
            .parse()
            .expect("a multiaddr");
    let lax = Endpoint::dialer(limits()).expect("starts");
    assert!(soon(lax.dial(&by_name, LONG)).await.is_ok());
    drop(publisher);
    let gone = async {
        loop {
            match lax.dial(&address, LONG).await {
                Err(DialError::Unreachable(_)) => break,
                Err(other) => panic!("{other}"),
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    };
    soon(gone).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_typed_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = taken.local_addr().expect("bound").port();
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("a multiaddr");
    assert!(Endpoint::listen(vec![address], limits()).await.is_err());
}

#[tokio::test]
async fn a_tcp_peer_that_says_nothing_frees_its_place() {
    let limits = Limits { connections: 1, handshake: Duration::from_millis(300), ..limits() };
    let (publisher, address) = listener(limits).await;
    let mut silent = TcpStream::connect(("127.0.0.1", port(&address))).await.expect("connects");
    let drained = async { while !matches!(silent.read(&mut [0; 256]).await, Ok(0) | Err(_)) {} };
    soon(drained).await;
    let provider = Endpoint::dialer(common::limits()).expect("starts");
    let dialed = async {
        while provider.dial(&address, LONG).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let (_, link) = soon(async { tokio::join!(dialed, publisher.accept()) }).await;
    assert!(link.is_ok());
}

#[tokio::test]
async fn a_peer_without_a_control_stream_is_dropped() {
    let limits = Limits { handshake: Duration::from_millis(500), ..limits() };
    let (_publisher, address) = listener(limits).await;
    let mut idle = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("builds")
        .with_behaviour(|_| ping::Behaviour::default())
        .expect("builds")
        .with_swarm_config(|c| c.with_idle_connection_timeout(LONG))
        .build();
    idle.dial(address).expect("dials");
    let mut connected = false;
    let dropped = async {
        loop {
            match idle.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => connected = true,
                SwarmEvent::ConnectionClosed { .. } => break,
                _ => {}
            }
        }
    };
    soon(dropped).await;
    assert!(connected);
}

#[tokio::test]
async fn connections_from_one_address_are_capped() {
    let limits = Limits { connections_per_ip: 2, ..limits() };
    let (publisher, address) = listener(limits).await;
    let provider = Endpoint::dialer(common::limits()).expect("starts");
    let mut kept = Vec::new();
    for _ in 0..2 {
        let (dialed, accepted) =
            soon(async { tokio::join!(provider.dial(&address, LONG), publisher.accept()) }).await;
        kept.push((dialed.expect("dials"), accepted.expect("accepts")));
    }
    assert!(soon(provider.dial(&address, LONG)).await.is_err());
    kept.pop();
    let again = async {
        while provider.dial(&address, LONG).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

/// Carries bytes between a dialer and `port` until told to go dark.
async fn proxy(port: u16, dark: Arc<AtomicBool>) -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let own = socket.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (near, _) = socket.accept().await.expect("accepts");
        let far = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
        let (mut near_read, mut near_write) = near.into_split();
        let (mut far_read, mut far_write) = far.into_split();
        let lit = |dark: &AtomicBool| !dark.load(Ordering::Relaxed);
        let dark_too = dark.clone();
        let up = async move {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = near_read.read(&mut buffer).await {
                if lit(&dark) && far_write.write_all(&buffer[..n]).await.is_err() {
                    break;
                }
            }
        };
        let down = async move {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = far_read.read(&mut buffer).await {
                if lit(&dark_too) && near_write.write_all(&buffer[..n]).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(up, down);
    });
    own
}

#[tokio::test]
async fn a_peer_that_goes_dark_is_found() {
    let limits = Limits {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(400),
        ..limits()
    };
    let publisher = Endpoint::listen(loopback(), limits.clone()).await.expect("listens");
    let dark = Arc::new(AtomicBool::new(false));
    let near = proxy(port(&publisher.addresses()[0]), dark.clone()).await;
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{near}/p2p/{}", publisher.local_peer())
        .parse()
        .expect("a multiaddr");
    let provider = Endpoint::dialer(limits).expect("starts");
    let (dialed, accepted) =
        soon(async { tokio::join!(provider.dial(&address, LONG), publisher.accept()) }).await;
    let (dialed, accepted) = (dialed.expect("dials"), accepted.expect("accepts"));
    assert!(time::timeout(Duration::from_secs(2), dialed.connection.closed()).await.is_err());
    dark.store(true, Ordering::Relaxed);
    assert_eq!(soon(dialed.connection.closed()).await, CloseReason::Unresponsive);
    assert_eq!(soon(accepted.connection.closed()).await, CloseReason::Unresponsive);
}
