//! Leases that an earlier run left open: their channels are closed and the deposits return.

use anyhow::{bail, Context, Result};
use codec::DecodeAll;
use tokio::sync::mpsc;
use zennet_chain_client::{AccountKey, Chain};
use zennet_lease::{Phase, Publisher};
use zennet_primitives::{channel::ChannelId, close::CloseReason, contract::Terms, usage::Usage};
use zennet_transport::Connection;

use super::{
    chain::NodeChain,
    driver::{Earlier, Lease, Lines, Parts},
    seats::Seats,
    session::Session,
    status::Status,
    wire::LinkWire,
    world::Shell,
};
use crate::{
    history::{journal::Happening, screen::Screen},
    ssh::readings::Totals,
    store::{Ended, Store, StoredLease},
};

/// Time after which a transaction that opens a channel can no longer get into a block, seconds.
const OPEN_SECS: u64 = 240;

/// What settles the leases of earlier runs.
#[derive(Clone)]
pub(crate) struct Recovery {
    chain: Chain,
    node: NodeChain,
    key: AccountKey,
    store: Store,
}

/// A machine of an earlier run cannot be logged in to.
struct NoShell;

impl Shell for NoShell {
    type Line = Connection;

    fn attach(&mut self, _: Connection) {}

    async fn start(&mut self, _: &Terms, _: mpsc::Sender<Usage>) -> Result<u16> {
        bail!("the connection to the machine ended with an earlier run")
    }

    fn totals(&self) -> Totals {
        Totals::default()
    }

    fn stop(&mut self) {}
}

impl Recovery {
    /// Works on a store with the key that its leases were paid by.
    pub(crate) fn new(chain: Chain, key: AccountKey, store: Store) -> Self {
        let node = NodeChain::new(chain.clone(), key.clone());
        Recovery { chain, node, key, store }
    }

    /// The leases that are still open, after what is over by now was written down.
    pub(crate) async fn open(&self) -> Result<Vec<Earlier>> {
        let mut open = Vec::new();
        for lease in self.store.unfinished()? {
            if lease.terms.genesis != self.chain.genesis() {
                tracing::warn!(lease = lease.id, "an unfinished lease belongs to another chain");
                continue;
            }
            if lease.terms.publisher != self.key.account() {
                tracing::warn!(lease = lease.id, "an unfinished lease belongs to another account");
                continue;
            }
            match self.look(&lease).await? {
                Found::Open(channel, nonce) => open.push(Earlier { lease, channel, nonce }),
                Found::Over(reason) => {
                    let mut lease = lease;
                    lease.journal.note(Happening::Restarted);
                    self.store.put(&lease.over(Ended { reason, settled: None }))?;
                }
                Found::Unclear => {
                    tracing::warn!(lease = lease.id, "its channel may still be opened: try later");
                }
            }
        }
        Ok(open)
    }

    async fn look(&self, lease: &StoredLease) -> Result<Found> {
        let machine = Publisher::decode_all(&mut lease.machine.as_slice());
        let known = machine.as_ref().ok().and_then(Publisher::channel).map(|c| c.channel);
        let reason = machine.as_ref().ok().and_then(Publisher::close_reason);
        if let Some(channel) = known {
            let at = self.chain.best().await?.hash;
            return Ok(match self.chain.channel(channel, at).await? {
                Some(_) => Found::Open(channel, None),
                None => Found::Over(reason.unwrap_or(CloseReason::ConnectionLost)),
            });
        }
        if let Some(nonce) = self.node.find(&lease.terms).await? {
            return Ok(Found::Open(lease.terms.channel(nonce).channel, Some(nonce)));
        }
        Ok(if zennet_time::unix_secs().saturating_sub(lease.since) < OPEN_SECS {
            Found::Unclear
        } else {
            Found::Over(reason.unwrap_or(CloseReason::ChannelNotOpened))
        })
    }

    /// The node as all leases of a run see it.
    pub(crate) fn node(&self) -> &NodeChain {
        &self.node
    }

    /// Settles one; it can be watched meanwhile.
    pub(crate) async fn settle(
        self,
        earlier: Earlier,
        lines: Lines<LinkWire, Connection>,
    ) -> Result<Status> {
        let machine = earlier.machine()?;
        let parts = Parts {
            id: earlier.lease.id,
            machine,
            wire: None::<LinkWire>,
            chain: self.node,
            shell: NoShell,
            account: self.key,
            session: Session::from_seed(earlier.lease.session_seed),
            seats: Seats::new(0, None),
            store: self.store,
            screen: Screen::default(),
        };
        Ok(Box::pin(Lease::new(parts, lines).settle(earlier)).await)
    }
}

impl Earlier {
    /// The state machine as it was stored.
    pub(crate) fn machine(&self) -> Result<Publisher> {
        Publisher::decode_all(&mut self.lease.machine.as_slice())
            .context("the lease was stored by another version")
    }

    /// Whether its machine may still be there, so that the lease can go on.
    pub(crate) fn is_live(&self) -> bool {
        self.machine()
            .is_ok_and(|machine| matches!(machine.phase(), Phase::Starting | Phase::Serving { .. }))
    }
}

enum Found {
    Open(ChannelId, Option<u64>),
    Over(CloseReason),
    Unclear,
}
