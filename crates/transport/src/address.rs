//! Announced endpoints: what may be dialed, and what a name may lead to.

#[cfg(test)]
mod tests;

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
