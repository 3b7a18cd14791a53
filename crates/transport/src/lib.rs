//! The libp2p swarm, raw streams and framing of both sides; it never holds what the frames mean.
//!
//! A provider dials the publisher's announced address: TCP, Noise, yamux. Over that connection run
//!
//! - one `/zennet/lease/1` stream, opened by the provider, that carries frames of at most
//!   [`MAX_FRAME`] bytes, each behind its length (u32, little endian);
//! - one `/zennet/ssh/1` stream for each ssh connection, opened by the publisher and usable once
//!   the provider has written its one ready byte;
//! - ping, so that a peer that died without a word is found.
//!
//! ```text
//!  Endpoint ── one task ── Swarm ── connection ── Handler ─┬─ control stream ── FrameSender/Receiver
//!     │ listen/accept, dial          (muxer caps           └─ ssh streams ───── SshStream, splice
//!     ▼                               what a peer opens)
//!    Link { connection, sender, receiver }
//! ```
//!
//! Whoever cannot be dialed listens at a [`Relay`]: the same connection, with the same proofs and the
//! same encryption, inside a circuit that the relay carries.
//!
//! Each connection has queues of its own, so that a stranger who floods one starves no other.

mod address;
mod behaviour;
mod config;
mod connection;
mod door;
mod endpoint;
mod frame;
mod framing;
mod handler;
mod muxer;
mod nudge;
mod relay;
mod reservation;
mod ssh;
mod swarm;
#[cfg(test)]
mod tests;

pub use self::{
    address::{is_relayed, parse_endpoint, EndpointError, MAX_ENDPOINT},
    config::Limits,
    connection::{CloseReason, Connection, Link, OpenError},
    endpoint::{DialError, Endpoint, ListenError, Stopped},
    frame::{FrameError, FrameReceiver, FrameSender},
    framing::{framed, Framing, MAX_FRAME},
    relay::{relay_secret, Relay, RelayLimits, SecretError},
    ssh::{splice, IncomingSsh, SshStream},
};
pub use libp2p::{identity::Keypair, Multiaddr, PeerId};
