//! Dials a publisher again after its connection broke, until it is there and proves itself.

use std::{sync::Arc, time::Duration};

use codec::Encode;
use rand::Rng;
use thiserror::Error;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tracing::{debug, info};
use zennet_chain_client::AccountKey;
use zennet_lease::{Reunion, ReunionAction};
use zennet_primitives::{
    close::CloseReason,
    contract::Terms,
    frame::{Frame, FrameError as Malformed},
    pow::Role,
};
use zennet_transport::{Connection, DialError, Endpoint, FrameError, Link, Multiaddr};

use crate::{
    driver::NewLink,
    wire::{self, Wire},
};

/// How long one dial may take: short, since the way may become free at any moment.
const DIAL: Duration = Duration::from_secs(3);
/// How long the proof may take.
const PROOF: Duration = Duration::from_secs(10);
/// Pauses between two attempts double from the first to the last. The last bounds how long a
/// publisher that is back waits for its machine.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// Why an attempt failed.
#[derive(Debug, Error)]
enum Failure {
    #[error("it was not reached: {0}")]
    Dial(#[from] DialError),
    #[error("the connection failed: {0}")]
    Frame(#[from] FrameError),
    #[error("it sent what is no frame: {0}")]
    Malformed(#[from] Malformed),
    #[error("it did not prove itself: {0}")]
    Unproven(#[from] CloseReason),
    #[error("it did not prove itself within {} s", PROOF.as_secs())]
    Late,
}

/// What one lease's connection is built again with.
pub(crate) struct Redial {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) address: Multiaddr,
    pub(crate) key: AccountKey,
    /// The connection that the machine's ssh streams come over.
    pub(crate) connections: watch::Sender<Option<Connection>>,
    /// Where frames come and go.
    pub(crate) links: mpsc::Sender<NewLink>,
}

impl Redial {
    /// Dials whenever the driver wants it, until the driver is gone.
    pub(crate) async fn serve(self, mut wanted: watch::Receiver<Option<Terms>>) {
        loop {
            let terms = wanted.borrow_and_update().clone();
            if let Some(terms) = terms {
                self.connections.send_replace(None);
                let link = tokio::select! {
                    link = self.until_proven(&terms) => link,
                    changed = wanted.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                };
                let Wire { connection, outgoing, incoming } = wire::start(link);
                if self.links.send(NewLink { outgoing, incoming }).await.is_err() {
                    return;
                }
                self.connections.send_replace(Some(connection));
            }
            if wanted.changed().await.is_err() {
                return;
            }
        }
    }

    async fn until_proven(&self, terms: &Terms) -> Link {
        let mut pause = FIRST_PAUSE;
        info!(address = %self.address, "the connection is lost, dialling again");
        loop {
            match self.attempt(terms).await {
                Ok(link) => {
                    info!("connected again");
                    return link;
                }
                Err(error) => debug!(%error, "the publisher could not be rejoined"),
            }
            // Machines of one publisher do not all come at the same moment.
            let part = rand::thread_rng().gen_range(0.5..1.0);
            sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn attempt(&self, terms: &Terms) -> Result<Link, Failure> {
        let mut link = self.endpoint.dial(&self.address, DIAL).await?;
        match timeout(PROOF, self.prove(&mut link, terms)).await {
            Ok(proven) => proven?,
            Err(_) => return Err(Failure::Late),
        }
        Ok(link)
    }

    async fn prove(&self, link: &mut Link, terms: &Terms) -> Result<(), Failure> {
        let own = wire::peer_bytes(link.connection.local_peer());
        let other = wire::peer_bytes(link.connection.remote_peer());
        let (mut reunion, mut actions) =
            Reunion::begin(terms, Role::Provider, own, other, rand::random());
        loop {
            for action in actions {
                let frame = match action {
                    ReunionAction::Send(frame) => frame,
                    ReunionAction::SendAuth { claim, context } => {
                        Frame::Auth(self.key.sign_payload(claim, &context).signature)
                    }
                    ReunionAction::Proven => return Ok(()),
                };
                link.sender.send(&frame.encode()).await?;
            }
            let frame = Frame::from_bytes(&link.receiver.recv().await?)?;
            (reunion, actions) = reunion.receive(frame)?;
        }
    }
}
