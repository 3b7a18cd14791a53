use proptest::prelude::*;

use super::*;

const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
const RELAY: &str = "12D3KooWRNJihXnhpSgMzTYGDoccoHWRnGKUDrV1SDVd9sn4yuMH";

fn check(host_and_port: &str, allow_private: bool) -> Result<Multiaddr, EndpointError> {
    parse_endpoint(format!("{host_and_port}/p2p/{PEER}"), allow_private)
}

#[test]
fn public_addresses_and_names_pass() {
    for text in [
        "/ip4/8.8.8.8/tcp/4001",
        "/ip6/2606:4700::1/tcp/1",
        "/dns/host.example.org/tcp/65535",
        "/dns4/a.example.org/tcp/9",
        "/dns6/a.example.org/tcp/9",
    ] {
        assert!(check(text, false).is_ok(), "{text}: {:?}", check(text, false));
    }
}

#[test]
fn private_ranges_pass_only_where_allowed() {
    for text in [
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/10.1.2.3/tcp/1",
        "/ip4/172.16.0.9/tcp/1",
        "/ip4/192.168.1.1/tcp/1",
        "/ip4/169.254.1.1/tcp/1",
        "/ip4/100.64.0.1/tcp/1",
        "/ip4/198.18.0.1/tcp/1",
        "/ip4/192.0.2.1/tcp/1",
        "/ip6/::1/tcp/1",
        "/ip6/fe80::1/tcp/1",
        "/ip6/fd00::1/tcp/1",
        "/ip6/::ffff:127.0.0.1/tcp/1",
        "/ip6/64:ff9b::7f00:1/tcp/1",
        "/ip6/2002:7f00:1::/tcp/1",
        "/dns/localhost/tcp/1",
        "/dns4/printer.local/tcp/1",
        "/dns4/box/tcp/1",
    ] {
        assert!(matches!(check(text, false), Err(EndpointError::Private(_))), "{text}");
        assert!(check(text, true).is_ok(), "{text}");
    }
}

#[test]
fn addresses_of_no_host_are_refused_even_on_development_chains() {
    for text in [
        "/ip4/0.0.0.0/tcp/1",
        "/ip4/224.0.0.1/tcp/1",
        "/ip4/255.255.255.255/tcp/1",
        "/ip6/::/tcp/1",
        "/ip6/ff02::1/tcp/1",
        "/ip6/::ffff:224.0.0.1/tcp/1",
    ] {
        assert!(matches!(check(text, true), Err(EndpointError::NotUnicast(_))), "{text}");
    }
    assert_eq!(check("/ip4/8.8.8.8/tcp/0", true), Err(EndpointError::PortZero));
}

#[test]
fn other_shapes_are_refused() {
    let shape = |text: &str| matches!(parse_endpoint(text, true), Err(EndpointError::Shape(_)));
    assert!(shape("/ip4/8.8.8.8/tcp/1"));
    assert!(shape("/ip4/8.8.8.8"));
    assert!(shape(&format!("/ip4/8.8.8.8/udp/1/p2p/{PEER}")));
    assert!(shape(&format!("/ip4/8.8.8.8/tcp/1/p2p/{PEER}/p2p-circuit")));
    assert!(shape(&format!("/unix/tmp/p2p/{PEER}")));
    assert!(shape(""));
    assert!(matches!(parse_endpoint("nonsense", true), Err(EndpointError::Malformed(_))));
    assert!(matches!(parse_endpoint([0xff, 0xfe], true), Err(EndpointError::Malformed(_))));
    assert_eq!(parse_endpoint([b'/'; 193], true), Err(EndpointError::TooLong(193)));
}

#[test]
fn a_relayed_endpoint_names_a_relay_and_another_peer() {
    let host = "/ip4/8.8.8.8/tcp/1";
    let through =
        |host: &str, relay: &str, peer: &str| format!("{host}/p2p/{relay}/p2p-circuit/p2p/{peer}");
    let address = parse_endpoint(through(host, RELAY, PEER), false).expect("passes");
    assert!(is_relayed(&address));
    let parts = Parts::of(&address).expect("has a shape");
    assert_eq!(parts.relay.map(|relay| relay.to_string()).as_deref(), Some(RELAY));
    assert_eq!(parts.peer.to_string(), PEER);
    assert!(!is_relayed(&check(host, false).expect("passes")));

    let private = parse_endpoint(through("/ip4/10.0.0.1/tcp/1", RELAY, PEER), false);
    assert!(matches!(private, Err(EndpointError::Private(_))), "{private:?}");
    let longest = through("/ip4/255.255.255.254/tcp/65535", RELAY, PEER);
    assert!(longest.len() <= MAX_ENDPOINT, "{}", longest.len());

    let shape = |text: &str| matches!(parse_endpoint(text, true), Err(EndpointError::Shape(_)));
    assert!(shape(&through(host, PEER, PEER)));
    assert!(shape(&format!("{host}/p2p-circuit/p2p/{PEER}")));
    assert!(shape(&format!("{}/p2p-circuit", through(host, RELAY, PEER))));
    let twice = format!("{}/p2p-circuit/p2p/{PEER}", through(host, RELAY, PEER));
    let twice = Parts::of(&twice.parse().expect("a multiaddr"));
    assert!(matches!(twice, Err(EndpointError::Shape(_))), "{twice:?}");
}

#[test]
fn a_relay_to_listen_at_ends_with_a_circuit() {
    let of = |text: String| relay_of(&text.parse().expect("a multiaddr"));
    let relay = of(format!("/dns/a.example.org/tcp/9/p2p/{RELAY}/p2p-circuit"));
    assert_eq!(relay.expect("a relay").peer.to_string(), RELAY);
    for text in [
        format!("/ip4/8.8.8.8/tcp/9/p2p/{RELAY}"),
        "/ip4/8.8.8.8/tcp/9/p2p-circuit".to_owned(),
        "/p2p-circuit".to_owned(),
        format!("/ip4/8.8.8.8/tcp/9/p2p/{RELAY}/p2p-circuit/p2p/{PEER}/p2p-circuit"),
    ] {
        assert!(matches!(of(text.clone()), Err(EndpointError::NoRelay(_))), "{text}");
    }
}

#[test]
fn names_that_are_no_host_names_are_refused() {
    for name in ["a..b", "-a.b", "a b.c", "a%00.b"] {
        let got = check(&format!("/dns/{name}/tcp/1"), true);
        assert!(matches!(got, Err(EndpointError::BadName(_))), "{name}: {got:?}");
    }
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_endpoint(&bytes, true);
    }
}
