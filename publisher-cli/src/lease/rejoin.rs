//! Whom a new connection belongs to: a provider that is new here, or one that dials again.

use std::time::Duration;

use anyhow::{bail, Context, Result};
use rand::{rngs::OsRng, RngCore};
use tokio::time::timeout;
use zennet_chain_client::AccountKey;
use zennet_lease::{Reunion, ReunionAction};
use zennet_primitives::{
    frame::{Frame, Hello},
    pow::Role,
    Hash,
};
use zennet_transport::Link;

use super::{
    wire::LinkWire,
    world::{Rejoined, Wire},
};
use crate::control::registry::Registry;

/// Time for the first frame, and for the proof of one that dials again, each.
const GREETING: Duration = Duration::from_secs(10);

/// Reads the first frame of a connection. A provider that dials again is led to its lease; the
/// connection of a new one is given back.
pub(crate) async fn greet(link: Link, registry: Registry, key: AccountKey) -> Option<LinkWire> {
    let mut wire = LinkWire::new(link);
    let hello = match timeout(GREETING, wire.receive()).await {
        Ok(Ok(Frame::Hello(hello))) => hello,
        Ok(Ok(other)) => {
            wire.put_back(other);
            return Some(wire);
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection ended before it was greeted");
            return None;
        }
        Err(_) => {
            wire.close();
            return None;
        }
    };
    let Some(contract) = hello.lease else {
        wire.put_back(Frame::Hello(hello));
        return Some(wire);
    };
    let rejoining = timeout(GREETING, rejoin(wire, hello, contract, &registry, &key));
    match rejoining.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(error = format!("{error:#}"), "a provider could not rejoin its lease");
        }
        Err(_) => tracing::debug!("a provider did not prove itself in time"),
    }
    None
}

async fn rejoin(
    mut wire: LinkWire,
    hello: Hello,
    contract: Hash,
    registry: &Registry,
    key: &AccountKey,
) -> Result<()> {
    let found = registry.rejoinable(contract);
    let (terms, links) = found.context("there is no such lease")?;
    let (own, other) = wire.peers();
    let mut challenge = [0; 32];
    OsRng.fill_bytes(&mut challenge);
    // The provider speaks first, so this side begins with nothing to do.
    let (mut reunion, _) = Reunion::begin(&terms, Role::Publisher, own, other, challenge);
    let mut frame = Frame::Hello(hello);
    loop {
        let actions;
        (reunion, actions) = reunion.receive(frame)?;
        for action in actions {
            let frame = match action {
                ReunionAction::Send(frame) => frame,
                ReunionAction::SendAuth { claim, context } => {
                    Frame::Auth(key.sign_payload(claim, &context).signature)
                }
                ReunionAction::Proven => {
                    let line = wire.connection().clone();
                    if links.send(Rejoined { wire, line }).await.is_err() {
                        bail!("the lease has ended");
                    }
                    return Ok(());
                }
            };
            wire.send(&frame).await?;
        }
        frame = wire.receive().await?;
    }
}
