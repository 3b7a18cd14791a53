//! A listener's place at a relay: asked for, kept, and asked for again when it is lost.
//!
//! ```text
//!  keep ── Wish ──► Reservations (swarm's task) ──► relay
//!    │                   │ accepted: answer          │
//!    │ ◄─────────────────┴ lost: the answer's end ◄──┘
//!    └─► Standing, which the endpoint shows
//! ```

use std::{collections::HashMap, time::Duration};

use libp2p::{
    core::transport::ListenerId,
    multiaddr::Protocol,
    swarm::{NetworkBehaviour, Swarm},
    Multiaddr, PeerId,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use crate::address::{resolve, Parts};

/// Time in which a relay must answer.
const ANSWER: Duration = Duration::from_secs(8);
/// Pauses between two attempts double from the first to the last. The last bounds how long a relay
/// that is back waits for its publishers.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_millis(1500);

/// How it stands with the place at a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Asked for; with why the last attempt failed.
    Asked(Option<String>),
    Held,
}

/// A wish for a place at a relay, by an address without a name.
pub(crate) struct Wish {
    address: Multiaddr,
    relay: PeerId,
    reply: oneshot::Sender<Result<Lost, String>>,
}

/// Resolves when the place is lost, with the reason.
type Lost = oneshot::Receiver<String>;

/// Keeps a place at a relay until the swarm's task is gone.
pub(crate) async fn keep(
    relay: Parts,
    allow_private: bool,
    wishes: mpsc::Sender<Wish>,
    standing: watch::Sender<Standing>,
) {
    let mut pause = FIRST_PAUSE;
    for attempt in 0usize.. {
        let failure = match ask(&relay, allow_private, attempt, &wishes).await {
            Ok(lost) => {
                tracing::info!(relay = %relay.peer, "a relay takes connections for this endpoint");
                standing.send_replace(Standing::Held);
                pause = FIRST_PAUSE;
                let why = lost.await.unwrap_or_else(|_| String::from("the endpoint stopped"));
                tracing::warn!(relay = %relay.peer, %why, "the place at the relay is lost, asking again");
                why
            }
            Err(why) => {
                tracing::debug!(relay = %relay.peer, %why, "no place at the relay");
                why
            }
        };
        standing.send_replace(Standing::Asked(Some(failure)));
        tokio::select! {
            () = sleep(pause) => {}
            () = wishes.closed() => return,
        }
        pause = LAST_PAUSE.min(pause * 2);
    }
}

async fn ask(
    relay: &Parts,
    allow_private: bool,
    attempt: usize,
    wishes: &mpsc::Sender<Wish>,
) -> Result<Lost, String> {
    let addresses = resolve(relay, allow_private).await.map_err(|e| e.to_string())?;
    let address = addresses[attempt % addresses.len()]
        .clone()
        .with(Protocol::P2p(relay.peer))
        .with(Protocol::P2pCircuit);
    let (reply, answer) = oneshot::channel();
    let stopped = || String::from("the endpoint stopped");
    let wish = Wish { address, relay: relay.peer, reply };
    wishes.send(wish).await.map_err(|_| stopped())?;
    match timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(|_| stopped())?,
        Err(_) => Err(format!("it gave no answer within {} s", ANSWER.as_secs())),
    }
}

/// Places at relays as the swarm's task has them: asked for, or held.
#[derive(Default)]
pub(crate) struct Reservations {
    all: HashMap<ListenerId, Reservation>,
}

struct Reservation {
    relay: PeerId,
    progress: Progress,
    /// Why the relay was not reached.
    failure: Option<String>,
}

enum Progress {
    Asked(oneshot::Sender<Result<Lost, String>>),
    Held(oneshot::Sender<String>),
}

impl Reservations {
    /// Asks for a place; what is left of an earlier attempt ends.
    pub(crate) fn ask<B: NetworkBehaviour>(&mut self, wish: Wish, swarm: &mut Swarm<B>) {
        let Wish { address, relay, reply } = wish;
        self.all.retain(|id, earlier| {
            let stays = earlier.relay != relay;
            if !stays {
                swarm.remove_listener(*id);
            }
            stays
        });
        match swarm.listen_on(address) {
            Ok(id) => {
                let progress = Progress::Asked(reply);
                self.all.insert(id, Reservation { relay, progress, failure: None });
            }
            Err(error) => drop(reply.send(Err(chain(&error)))),
        }
    }

    /// The relay answers with addresses; what they are is the relay's word and is not used.
    pub(crate) fn accepted(&mut self, id: ListenerId) {
        let Some(reservation) = self.all.get_mut(&id) else { return };
        if matches!(reservation.progress, Progress::Held(_)) {
            return;
        }
        let (lost, why) = oneshot::channel();
        let asked = std::mem::replace(&mut reservation.progress, Progress::Held(lost));
        if let Progress::Asked(reply) = asked {
            // Who gave up asks again, which ends this one.
            drop(reply.send(Ok(why)));
        }
    }

    /// A connection to a peer failed.
    pub(crate) fn unreachable(&mut self, peer: PeerId, why: &str) {
        for reservation in self.all.values_mut().filter(|known| known.relay == peer) {
            reservation.failure = Some(why.to_owned());
        }
    }

    /// A listener ended; gives whether it was one of these.
    pub(crate) fn closed(&mut self, id: ListenerId, error: Option<String>) -> bool {
        let Some(Reservation { progress, failure, .. }) = self.all.remove(&id) else {
            return false;
        };
        let why =
            failure.or(error).unwrap_or_else(|| String::from("the connection to the relay ended"));
        match progress {
            Progress::Asked(reply) => drop(reply.send(Err(why))),
            Progress::Held(lost) => drop(lost.send(why)),
        }
        true
    }
}

/// An error with its causes, none of them said twice.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{}: {said}", text.trim_end_matches('.'));
        }
        cause = error.source();
    }
    text
}
