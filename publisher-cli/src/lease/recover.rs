//! Leases that an earlier run left open: their channels are closed and the deposits return.

use std::time::Duration;

use anyhow::{bail, Context, Result};
use codec::DecodeAll;
use tokio::{sync::mpsc, time::sleep};
use zennet_chain_client::{AccountKey, Chain};
use zennet_lease::{Phase, Publisher};
use zennet_primitives::{channel::ChannelId, close::CloseReason, contract::Terms};
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
    choice::profile::Yardstick,
    history::{journal::Happening, screen::Screen},
    ssh::readings::{Reading, Totals},
    store::{Ended, Store, StoredLease},
};

/// Time after which a transaction that opens a channel can no longer get into a block, seconds.
const OPEN_SECS: u64 = 240;

/// Pause before an unclear lease is looked at again.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks in a row that find no transaction on its way, after which none is expected.
const IDLE: u32 = 4;

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

    async fn start(&mut self, _: &Terms, _: mpsc::Sender<Reading>) -> Result<u16> {
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

    /// The leases that are still open, or may be, after what is over by now was written down. It
    /// fails where the node is too far behind to know.
    pub(crate) async fn found(&self) -> Result<Found> {
        let mut found = Found::default();
        let unfinished = self.store.unfinished()?;
        let behind = !unfinished.is_empty() && self.chain.is_syncing().await?;
        for lease in unfinished {
            if lease.terms.genesis != self.chain.genesis() {
                tracing::warn!(lease = lease.id, "an unfinished lease belongs to another chain");
                continue;
            }
            if lease.terms.publisher != self.key.account() {
                tracing::warn!(lease = lease.id, "an unfinished lease belongs to another account");
                continue;
            }
            match self.look(&lease).await? {
                Channel::Open { channel, nonce, at } => {
                    found.open.push(Earlier { lease, channel, nonce, at });
                }
                Channel::Over(_) | Channel::Unclear if behind => bail!(
                    "the node is still syncing and cannot tell what became of {} (#{}): wait until \
                     it is synced, and try again",
                    lease.name,
                    lease.id
                ),
                Channel::Over(reason) => self.write_end(lease, reason)?,
                Channel::Unclear => found.unclear.push(lease),
            }
        }
        Ok(found)
    }

    /// Waits until it is clear whether the channel of a lease was opened. `patient`: until it can
    /// be opened no more; otherwise until no transaction of this account is on its way.
    pub(crate) async fn clear(&self, lease: StoredLease, patient: bool) -> Result<Cleared> {
        let mut idle = 0;
        loop {
            // First: what is in a block meanwhile is seen.
            let pending = self.chain.has_pending(&self.key.account()).await.unwrap_or(true);
            idle = if pending { 0 } else { idle + 1 };
            match self.look(&lease).await {
                Ok(Channel::Open { channel, nonce, at }) => {
                    return Ok(Cleared::Open(Earlier { lease, channel, nonce, at }));
                }
                Ok(Channel::Over(reason)) => {
                    let name = lease.name.clone();
                    self.write_end(lease, reason)?;
                    return Ok(Cleared::Never(name));
                }
                Ok(Channel::Unclear) if idle >= IDLE && !patient => {
                    return Ok(Cleared::Doubtful(lease));
                }
                Ok(Channel::Unclear) => {}
                Err(error) => {
                    tracing::warn!(lease = lease.id, %error, "cannot look for its channel yet");
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn write_end(&self, mut lease: StoredLease, reason: CloseReason) -> Result<()> {
        lease.journal.note(Happening::Restarted);
        self.store.put(&lease.over(Ended { reason, settled: None }))
    }

    async fn look(&self, lease: &StoredLease) -> Result<Channel> {
        let machine = Publisher::decode_all(&mut lease.machine.as_slice());
        let known = machine.as_ref().ok().and_then(Publisher::channel).map(|c| c.channel);
        let reason = machine.as_ref().ok().and_then(Publisher::close_reason);
        let head = self.chain.best().await?;
        let at = head.number;
        if let Some(channel) = known {
            if self.chain.channel(channel, head.hash).await?.is_some() {
                return Ok(Channel::Open { channel, nonce: None, at });
            }
            // What is gone on one fork may stand on another.
            let last = self.chain.finalized().await?.hash;
            if self.chain.channel(channel, last).await?.is_some() {
                return Ok(Channel::Unclear);
            }
            if self.node.was_opened(&lease.terms, channel, last).await? {
                return Ok(Channel::Over(reason.unwrap_or(CloseReason::ConnectionLost)));
            }
        }
        if let Some(nonce) = self.node.find(&lease.terms, head.hash).await? {
            let channel = lease.terms.channel(nonce).channel;
            return Ok(Channel::Open { channel, nonce: Some(nonce), at });
        }
        Ok(if zennet_time::unix_secs().saturating_sub(lease.since) < OPEN_SECS {
            Channel::Unclear
        } else {
            Channel::Over(reason.unwrap_or(CloseReason::ChannelNotOpened))
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
            yardstick: Yardstick::default(),
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

    /// Whether its machine may still be there, so that the lease can go on. One whose channel was
    /// being opened goes on too: that it is open, its provider hears when it dials again.
    pub(crate) fn is_live(&self) -> bool {
        let goes_on = |machine: Publisher| {
            matches!(machine.phase(), Phase::Opening | Phase::Starting | Phase::Serving { .. })
        };
        self.machine().is_ok_and(goes_on)
    }

    /// Whether its machine was ready.
    pub(crate) fn was_ready(&self) -> bool {
        self.machine().is_ok_and(|machine| machine.started().is_some())
    }
}

/// What an earlier run left.
#[derive(Default)]
pub(crate) struct Found {
    /// Leases whose channel is open.
    pub(crate) open: Vec<Earlier>,
    /// Leases whose channel may still be opened.
    pub(crate) unclear: Vec<StoredLease>,
}

impl Found {
    /// How many of the open ones can go on.
    pub(crate) fn live(&self) -> usize {
        self.open.iter().filter(|earlier| earlier.is_live()).count()
    }
}

/// What became clear of a lease whose channel might still be opened.
pub(crate) enum Cleared {
    /// It is open.
    Open(Earlier),
    /// It never was; the name of its machine.
    Never(String),
    /// No transaction is on its way that this node knows of.
    Doubtful(StoredLease),
}

enum Channel {
    /// It stood at the block with the number `at`.
    Open {
        channel: ChannelId,
        nonce: Option<u64>,
        at: u32,
    },
    Over(CloseReason),
    Unclear,
}
