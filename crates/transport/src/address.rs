//! Announced endpoints: what may be dialed, and what a name may lead to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::{self, FromStr},
};

use libp2p::{multiaddr::Protocol, Multiaddr, PeerId};
use thiserror::Error;
use tokio::net;

use crate::endpoint::DialError;

/// Bytes that an announced endpoint may have: as many as an announcement has room for.
pub const MAX_ENDPOINT: usize = 192;

/// Why an announced endpoint is not dialed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    #[error("endpoint of {0} bytes is longer than {MAX_ENDPOINT}: announce a shorter multiaddr")]
    TooLong(usize),
    #[error("endpoint is not a multiaddr ({0}): announce /ip4/<address>/tcp/<port>/p2p/<peer id>")]
    Malformed(String),
    #[error(
        "endpoint {0} is not /(ip4|ip6|dns|dns4|dns6)/…/tcp/<port>/p2p/<peer id>, nor such an \
         address of a relay with /p2p-circuit/p2p/<peer id> behind it"
    )]
    Shape(String),
    #[error(
        "{0} is not /(ip4|ip6|dns|dns4|dns6)/…/tcp/<port>/p2p/<peer id of the relay>/p2p-circuit"
    )]
    NoRelay(String),
    #[error("endpoint has port 0: announce the port that the listener got")]
    PortZero,
    #[error("endpoint address {0} belongs to no single host: announce a unicast address")]
    NotUnicast(IpAddr),
    #[error(
        "endpoint {0} is private, reserved or loopback: announce an address that providers reach"
    )]
    Private(String),
    #[error("endpoint name {0:?} is not a host name")]
    BadName(String),
}

/// Checks an announced endpoint, a multiaddr as text, without any input or output.
///
/// With `allow_private` (development chains) loopback and private networks pass.
pub fn parse_endpoint(
    text: impl AsRef<[u8]>,
    allow_private: bool,
) -> Result<Multiaddr, EndpointError> {
    let bytes = text.as_ref();
    if bytes.len() > MAX_ENDPOINT {
        return Err(EndpointError::TooLong(bytes.len()));
    }
    let text = str::from_utf8(bytes).map_err(|e| EndpointError::Malformed(e.to_string()))?;
    let address = Multiaddr::from_str(text).map_err(|e| EndpointError::Malformed(e.to_string()))?;
    Parts::of(&address)?.check(allow_private)?;
    Ok(address)
}

/// Whether an address leads through a relay.
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The relay of an address to listen on, `/…/p2p/<peer id of the relay>/p2p-circuit`.
pub(crate) fn relay_of(address: &Multiaddr) -> Result<Parts, EndpointError> {
    let no_relay = || EndpointError::NoRelay(address.to_string());
    let mut relay = address.clone();
    if relay.pop() != Some(Protocol::P2pCircuit) {
        return Err(no_relay());
    }
    let parts = Parts::of(&relay).map_err(|_| no_relay())?;
    if parts.relay.is_some() {
        return Err(no_relay());
    }
    Ok(parts)
}

/// The host of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    Name { name: String, family: Family },
}

/// Which of a name's addresses an endpoint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Any,
    V4,
    V6,
}

impl Family {
    pub(crate) fn admits(self, ip: IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        }
    }
}

/// An endpoint taken apart; with a relay, host and port are the relay's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) relay: Option<PeerId>,
    pub(crate) peer: PeerId,
}

impl Parts {
    pub(crate) fn of(address: &Multiaddr) -> Result<Parts, EndpointError> {
        let shape = || EndpointError::Shape(address.to_string());
        let mut parts = address.iter();
        let host = match parts.next().ok_or_else(shape)? {
            Protocol::Ip4(ip) => Host::Ip(ip.into()),
            Protocol::Ip6(ip) => Host::Ip(ip.into()),
            Protocol::Dns(name) => Host::Name { name: name.into_owned(), family: Family::Any },
            Protocol::Dns4(name) => Host::Name { name: name.into_owned(), family: Family::V4 },
            Protocol::Dns6(name) => Host::Name { name: name.into_owned(), family: Family::V6 },
            _ => return Err(shape()),
        };
        let rest: Vec<_> = parts.collect();
        let (port, relay, peer) = match rest.as_slice() {
            [Protocol::Tcp(port), Protocol::P2p(peer)] => (*port, None, *peer),
            [Protocol::Tcp(port), Protocol::P2p(relay), Protocol::P2pCircuit, Protocol::P2p(peer)]
                if relay != peer =>
            {
                (*port, Some(*relay), *peer)
            }
            _ => return Err(shape()),
        };
        Ok(Parts { host, port, relay, peer })
    }

    pub(crate) fn check(&self, allow_private: bool) -> Result<(), EndpointError> {
        if self.port == 0 {
            return Err(EndpointError::PortZero);
        }
        match &self.host {
            Host::Ip(ip) => check_ip(*ip, allow_private),
            Host::Name { name, .. } => check_name(name, allow_private),
        }
    }
}

/// Addresses of a name that are tried.
const ADDRESSES_PER_NAME: usize = 8;

/// Turns a host's name into addresses, each checked: a name must not lead where an address may not.
pub(crate) async fn resolve(
    parts: &Parts,
    allow_private: bool,
) -> Result<Vec<Multiaddr>, DialError> {
    let (name, family) = match &parts.host {
        Host::Ip(ip) => return Ok(vec![tcp_address(SocketAddr::new(*ip, parts.port))]),
        Host::Name { name, family } => (name, *family),
    };
    let found = net::lookup_host((name.as_str(), parts.port))
        .await
        .map_err(|error| DialError::Resolve { name: name.clone(), error })?;
    let addresses: Vec<_> = found
        .filter(|found| family.admits(found.ip()))
        .filter(|found| check_ip(found.ip(), allow_private).is_ok())
        .take(ADDRESSES_PER_NAME)
        .map(tcp_address)
        .collect();
    if addresses.is_empty() {
        return Err(DialError::NoAddress { name: name.clone() });
    }
    Ok(addresses)
}

fn tcp_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// Refuses addresses that no provider should dial.
pub(crate) fn check_ip(ip: IpAddr, allow_private: bool) -> Result<(), EndpointError> {
    let ip = ip.to_canonical();
    let not_unicast = ip.is_unspecified()
        || ip.is_multicast()
        || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if not_unicast {
        return Err(EndpointError::NotUnicast(ip));
    }
    let private = match ip {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    };
    if private && !allow_private {
        return Err(EndpointError::Private(ip.to_string()));
    }
    Ok(())
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    // Only 2000::/3 is global unicast; inside it, documentation, and 6to4 and Teredo, which carry
    // an IPv4 address that was not looked at.
    s[0] & 0xe000 != 0x2000
        || s[0] == 0x2002
        || (s[0] == 0x2001 && matches!(s[1], 0 | 0xdb8))
        || s[0] & 0xfff0 == 0x3ff0
}

fn check_name(name: &str, allow_private: bool) -> Result<(), EndpointError> {
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.trim_end_matches('.').split('.').all(label_ok) {
        return Err(EndpointError::BadName(name.to_owned()));
    }
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default();
    let local = !lower.contains('.') || matches!(last, "localhost" | "local" | "internal");
    if local && !allow_private {
        return Err(EndpointError::Private(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        let through = |host: &str, relay: &str, peer: &str| {
            format!("{host}/p2p/{relay}/p2p-circuit/p2p/{peer}")
        };
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
        assert!(shape(&format!("{}/p2p-circuit/p2p/{PEER}", through(host, RELAY, PEER))));
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
}
