//! Counts inbound connections, so that nobody takes all places.

use std::{collections::HashMap, net::IpAddr};

use libp2p::{multiaddr::Protocol, swarm::ConnectionId, Multiaddr};
use thiserror::Error;

use crate::address::is_relayed;

/// Why an inbound connection is turned away.
#[derive(Debug, Error)]
pub(crate) enum TurnedAway {
    #[error("{0} inbound connections are open, no more are taken")]
    Full(usize),
    #[error("{0} inbound connections of {1} are open, no more are taken")]
    FullFor(usize, IpAddr),
    #[error("the remote address {0} has no IP address")]
    NoIp(Multiaddr),
}

/// The inbound connections that are open, those still shaking hands included.
pub(crate) struct Door {
    most: usize,
    most_per_ip: usize,
    /// Those through a relay have no address: who is behind it cannot be told apart, and together
    /// they may fill every place, since whoever listens at a relay is reached by it alone.
    open: HashMap<ConnectionId, Option<IpAddr>>,
}

impl Door {
    pub(crate) fn new(most: usize, most_per_ip: usize) -> Self {
        Door { most, most_per_ip, open: HashMap::new() }
    }

    /// Takes a connection in; `local` tells whether it comes through a relay.
    pub(crate) fn admit(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), TurnedAway> {
        let ip = match is_relayed(local) {
            true => None,
            false => Some(ip(remote).ok_or_else(|| TurnedAway::NoIp(remote.clone()))?),
        };
        if self.open.len() >= self.most {
            return Err(TurnedAway::Full(self.most));
        }
        if let Some(ip) = ip {
            let same = self.open.values().filter(|other| **other == Some(ip)).count();
            if same >= self.most_per_ip {
                return Err(TurnedAway::FullFor(same, ip));
            }
        }
        self.open.insert(id, ip);
        Ok(())
    }

    pub(crate) fn forget(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }
}

/// The IP address of a peer; one that came in through a relay has none.
pub(crate) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    })
}
