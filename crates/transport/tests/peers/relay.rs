//! Connections through a relay: peers are proved, places are kept, limits hold.

use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time,
};
use zennet_transport::{
    is_relayed, parse_endpoint, relay_secret, CloseReason, DialError, Endpoint, Limits, Link,
    ListenError, Multiaddr, PeerId, Relay, RelayLimits, SecretError,
};

use crate::{
    common::{check_echo, echo, limits, listener, loopback, port, soon, LONG},
    liar,
};

const SECRET: [u8; 32] = [7; 32];

/// A relay at work; aborting it ends it as a crash does.
async fn relay_at(listen: Vec<Multiaddr>, limits: &RelayLimits) -> (Multiaddr, JoinHandle<()>) {
    let relay = Relay::listen(SECRET, listen, Vec::new(), limits).await.expect("listens");
    (relay.addresses()[0].clone(), work(relay))
}

async fn relay(limits: &RelayLimits) -> (Multiaddr, JoinHandle<()>) {
    relay_at(loopback(), limits).await
}

/// The same address again, once the port is free.
async fn relay_again(address: &Multiaddr) -> JoinHandle<()> {
    let mut listen = address.clone();
    listen.pop();
    let again = async {
        loop {
            let limits = RelayLimits::default();
            match Relay::listen(SECRET, vec![listen.clone()], Vec::new(), &limits).await {
                Ok(relay) => break relay,
                Err(_) => time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    work(soon(again).await)
}

fn work(mut relay: Relay) -> JoinHandle<()> {
    tokio::spawn(async move {
        relay.serve().await;
    })
}

/// A publisher that can be reached through the relay alone, and the address to dial.
async fn behind(relay: &Multiaddr, limits: Limits) -> (Endpoint, Multiaddr) {
    let circuit = relay.clone().with(Protocol::P2pCircuit);
    let publisher = Endpoint::listen(vec![circuit], limits).await.expect("has a place");
    let address = publisher.relayed_addresses().remove(0);
    (publisher, address)
}

async fn meet(provider: &Endpoint, publisher: &Endpoint, address: &Multiaddr) -> (Link, Link) {
    let dialed = async { provider.dial(address, LONG).await.expect("dials") };
    let (dialed, accepted) = soon(async { tokio::join!(dialed, publisher.accept()) }).await;
    (dialed, accepted.expect("accepts"))
}

fn with_peer(address: &Multiaddr, peer: PeerId) -> Multiaddr {
    let mut address = address.clone();
    address.pop();
    address.with(Protocol::P2p(peer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_listens_nowhere_is_reached_and_both_are_proved() {
    let (relay, _work) = relay(&RelayLimits::default()).await;
    let (publisher, address) = behind(&relay, limits()).await;
    assert!(publisher.addresses().is_empty(), "{:?}", publisher.addresses());
    assert!(is_relayed(&address));
    parse_endpoint(address.to_string(), true).expect("can be announced");

    let provider = Endpoint::dialer(limits()).expect("starts");
    let (mut at_provider, mut at_publisher) = meet(&provider, &publisher, &address).await;
    assert_eq!(at_provider.connection.remote_peer(), publisher.local_peer());
    assert_eq!(at_publisher.connection.remote_peer(), provider.local_peer());
    at_provider.sender.send(b"frame").await.expect("sends");
    assert_eq!(soon(at_publisher.receiver.recv()).await.expect("comes"), b"frame");

    echo(at_provider.connection.clone());
    let mut streams = Vec::new();
    for n in 0..50u8 {
        let mut stream = soon(at_publisher.connection.open_ssh(LONG)).await.expect("opens");
        check_echo(&mut stream, &[n; 3000]).await;
        streams.push(stream);
    }

    at_publisher.connection.close();
    let reason = soon(at_provider.connection.closed()).await;
    assert!(matches!(reason, CloseReason::Lost(_)), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_behind_a_relay_stops_its_writer_and_nobody_else() {
    let (relay, _work) = relay(&RelayLimits::default()).await;
    let (publisher, address) = behind(&relay, limits()).await;
    let provider = Endpoint::dialer(limits()).expect("starts");
    let (at_provider, at_publisher) = meet(&provider, &publisher, &address).await;
    let connection = at_provider.connection.clone();
    let accepted = tokio::spawn(async move {
        connection.accept_ssh().await.expect("comes").ready().await.expect("ready")
    });
    let _never_read = soon(at_publisher.connection.open_ssh(LONG)).await.expect("opens");
    let mut writer = accepted.await.expect("no panic");
    let chunk = vec![7; 64 * 1024];
    let mut taken = 0usize;
    while let Ok(n) = time::timeout(Duration::from_secs(1), writer.write(&chunk)).await {
        taken += n.expect("writes");
        assert!(taken < 8 * 1024 * 1024, "took {taken} bytes that nobody reads");
    }
    echo(at_provider.connection.clone());
    let mut other = soon(at_publisher.connection.open_ssh(LONG)).await.expect("opens");
    soon(check_echo(&mut other, &vec![3; 100_000])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_providers_that_come_at_once_all_get_through() {
    let (relay, _work) = relay(&RelayLimits::default()).await;
    let limits = Limits { connections: 400, ..limits() };
    let (publisher, address) = behind(&relay, limits.clone()).await;
    let mut dials = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (address, limits) = (address.clone(), limits.clone());
        dials.spawn(async move {
            let provider = Endpoint::dialer(limits).expect("starts");
            let link = provider.dial(&address, LONG).await;
            (provider, link)
        });
    }
    let mut kept = Vec::new();
    for _ in 0..100 {
        kept.push(soon(publisher.accept()).await.expect("accepts"));
    }
    let dialed = soon(dials.join_all()).await;
    for (_, link) in &dialed {
        assert!(link.is_ok(), "{:?}", link.as_ref().err());
    }
}

#[tokio::test]
async fn a_circuit_to_another_peer_than_the_one_named_is_refused() {
    let (relay, _work) = relay(&RelayLimits::default()).await;
    let (_publisher, address) = behind(&relay, limits()).await;
    let provider = Endpoint::dialer(limits()).expect("starts");

    let (stranger, _) = listener(limits()).await;
    let nobody = with_peer(&address, stranger.local_peer());
    let refused = soon(provider.dial(&nobody, LONG)).await.err().expect("not there");
    assert!(matches!(refused, DialError::Absent), "{refused}");

    // The relay's address answers with another peer id than the one named.
    let mut parts: Vec<_> = address.iter().collect();
    parts[2] = Protocol::P2p(stranger.local_peer());
    let other_relay: Multiaddr = parts.into_iter().collect();
    let refused = soon(provider.dial(&other_relay, LONG)).await.err().expect("another relay");
    assert!(matches!(refused, DialError::NoRelay(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_puts_somebody_else_into_the_circuit_is_found_out() {
    let (honest, _) = listener(limits()).await;
    let (impostor, address) = listener(limits()).await;
    let relay = liar::relay(port(&address)).await;
    let circuit = |peer| relay.clone().with(Protocol::P2pCircuit).with(Protocol::P2p(peer));
    let provider = Endpoint::dialer(limits()).expect("starts");
    // The circuit itself works.
    let _link = meet(&provider, &impostor, &circuit(impostor.local_peer())).await;
    match soon(provider.dial(&circuit(honest.local_peer()), LONG)).await {
        Err(DialError::WrongPeer { expected, obtained }) => {
            assert_eq!(expected, honest.local_peer());
            assert_eq!(obtained, impostor.local_peer());
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("connected to an impostor"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_lost_is_regained_under_the_same_address() {
    let (relay, work) = relay(&RelayLimits::default()).await;
    let (publisher, address) = behind(&relay, limits()).await;
    let provider = Endpoint::dialer(limits()).expect("starts");
    let (at_provider, at_publisher) = meet(&provider, &publisher, &address).await;

    work.abort();
    soon(at_provider.connection.closed()).await;
    soon(at_publisher.connection.closed()).await;
    let gone = async {
        while !publisher.relayed_addresses().is_empty() {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(gone).await;
    let refused = soon(provider.dial(&address, LONG)).await.err().expect("no relay");
    assert!(matches!(refused, DialError::NoRelay(_)), "{refused}");

    let _work = relay_again(&relay).await;
    let began = Instant::now();
    let back = async {
        loop {
            match provider.dial(&address, LONG).await {
                Ok(link) => break link,
                Err(_) => time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let (dialed, accepted) = soon(async { tokio::join!(back, publisher.accept()) }).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(accepted.expect("accepts").connection.remote_peer(), provider.local_peer());
    assert_eq!(publisher.relayed_addresses(), [address]);
    drop(dialed);
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_a_typed_error_that_says_what_was_tried() {
    let (relay, work) = relay(&RelayLimits::default()).await;
    work.abort();
    let _ = work.await;
    let circuit = relay.with(Protocol::P2pCircuit);
    match soon(Endpoint::listen(vec![circuit.clone()], limits())).await.err() {
        Some(ListenError::NoPlace { relay, error }) => {
            assert_eq!(relay, circuit);
            assert!(error.contains("refused"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let direct: Multiaddr = "/p2p-circuit".parse().expect("a multiaddr");
    let refused = Endpoint::listen(vec![direct], limits()).await.err();
    assert!(matches!(refused, Some(ListenError::Relay(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circuits_above_the_limits_are_refused_and_those_below_live() {
    let limited = RelayLimits { circuits_per_peer: 2, ..RelayLimits::default() };
    let (relay, _work) = relay(&limited).await;
    let (publisher, address) = behind(&relay, limits()).await;
    let provider = Endpoint::dialer(limits()).expect("starts");
    let (mut first, mut at_first) = meet(&provider, &publisher, &address).await;
    let second = meet(&provider, &publisher, &address).await;
    let refused = soon(provider.dial(&address, LONG)).await.err().expect("one too many");
    assert!(refused.to_string().contains("limit"), "{refused}");
    first.sender.send(b"alive").await.expect("sends");
    assert_eq!(soon(at_first.receiver.recv()).await.expect("comes"), b"alive");

    let other = Endpoint::dialer(limits()).expect("starts");
    let _other = meet(&other, &publisher, &address).await;
    drop(second);
    let again = async {
        while provider.dial(&address, LONG).await.is_err() {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_is_cut_at_its_bytes_and_its_time() {
    let small = RelayLimits { circuit_bytes: 256 * 1024, ..RelayLimits::default() };
    let (address, _work) = relay(&small).await;
    let (publisher, address) = behind(&address, limits()).await;
    let provider = Endpoint::dialer(limits()).expect("starts");
    let (mut at_provider, at_publisher) = meet(&provider, &publisher, &address).await;
    let frame = vec![1; 60_000];
    let cut = async { while at_provider.sender.send(&frame).await.is_ok() {} };
    soon(async { tokio::join!(cut, drain(at_publisher)) }).await;

    let short = RelayLimits { circuit_duration: Duration::from_secs(1), ..RelayLimits::default() };
    let (address, _work) = relay(&short).await;
    let (publisher, address) = behind(&address, limits()).await;
    let (at_provider, _at_publisher) = meet(&provider, &publisher, &address).await;
    soon(at_provider.connection.closed()).await;
    let _again = meet(&provider, &publisher, &address).await;
}

async fn drain(mut link: Link) {
    while link.receiver.recv().await.is_ok() {}
}

#[tokio::test]
async fn connections_to_a_relay_from_one_address_are_capped() {
    let limited = RelayLimits { connections_per_ip: 2, ..RelayLimits::default() };
    let (relay, _work) = relay(&limited).await;
    let connect = || TcpStream::connect(("127.0.0.1", port(&relay)));
    let mut kept = vec![connect().await.expect("connects"), connect().await.expect("connects")];
    let mut third = connect().await.expect("connects");
    let end = soon(third.read(&mut [0; 64])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");

    kept.pop();
    let again = async {
        let short = Duration::from_millis(500);
        loop {
            let mut stream = connect().await.expect("connects");
            if time::timeout(short, stream.read(&mut [0; 64])).await.is_err() {
                break stream;
            }
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn strangers_through_a_relay_fill_no_more_places_than_there_are() {
    let (relay, _work) = relay(&RelayLimits::default()).await;
    let few = Limits { connections: 3, ..limits() };
    let (publisher, address) = behind(&relay, few).await;
    let provider = Endpoint::dialer(limits()).expect("starts");
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(meet(&provider, &publisher, &address).await);
    }
    assert!(soon(provider.dial(&address, Duration::from_secs(3))).await.is_err());
    kept.pop();
    let again = async {
        while provider.dial(&address, LONG).await.is_err() {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn a_dialer_without_private_networks_goes_to_no_private_relay() {
    let (relay, _work) = relay(&RelayLimits::default()).await;
    let (_publisher, address) = behind(&relay, limits()).await;
    let strict = Endpoint::dialer(Limits::default()).expect("starts");
    assert!(matches!(soon(strict.dial(&address, LONG)).await, Err(DialError::Endpoint(_))));
}

#[tokio::test]
async fn a_relay_keeps_its_peer_id_in_a_file_of_its_own() {
    let folder = std::env::temp_dir().join(format!("zennet-relay-{}", std::process::id()));
    let path = folder.join("relay.key");
    let secret = relay_secret(&path).expect("makes one");
    assert_eq!(relay_secret(&path).expect("reads it"), secret);
    std::fs::write(&path, b"short").expect("writes");
    assert!(matches!(relay_secret(&path), Err(SecretError::Malformed(_))));
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("changes its mode");
    assert!(matches!(relay_secret(&path), Err(SecretError::ReadableByOthers { .. })));
    std::fs::remove_dir_all(&folder).expect("removes");
}
