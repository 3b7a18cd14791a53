//! What every machine of this crate has in common: time, steps, refusals and phases.

use std::fmt;

use thiserror::Error;

/// Milliseconds of a monotonic clock that the driver reads.
pub type Millis = u64;

/// The outcome of an event: the machine afterwards, and what the driver has to do.
///
/// Persist `next` before performing `actions`, and perform them in order.
#[must_use]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step<M, A> {
    /// The machine after the event.
    pub next: M,
    /// What the driver has to do, in this order.
    pub actions: Vec<A>,
}

/// The event does not belong to the state of the machine, which stays as it is.
///
/// It is the answer to late events and to mistakes of a driver, never to what the other side
/// sends: a frame that breaks the protocol ends the lease instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the event {event} does not belong to the phase {phase}; it is dropped")]
pub struct Denied {
    /// Name of the event.
    pub event: &'static str,
    /// Phase of the machine when it came.
    pub phase: Phase,
}

/// How far a meeting or a lease has come, for people and for status output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not connected yet, or waiting for the other side's first message.
    Greeting,
    /// Waiting for the proof of the other side's account or identity.
    Authenticating,
    /// Quotes and counter-offers go back and forth.
    Negotiating,
    /// Both have signed; the channel is being opened and becomes final.
    Opening,
    /// The money is locked; the machine starts.
    Starting,
    /// The machine can be logged in to.
    Serving {
        /// The machine is stopped in its tracks until what is due is paid.
        frozen: bool,
    },
    /// The machine stops; the last usage and the last voucher are exchanged.
    Closing,
    /// Waiting for the chain to pay and refund.
    Settling,
    /// Nothing is left to do.
    Closed,
}

impl Phase {
    /// Name in status output.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Greeting => "greeting",
            Phase::Authenticating => "authenticating",
            Phase::Negotiating => "negotiating",
            Phase::Opening => "opening",
            Phase::Starting => "starting",
            Phase::Serving { frozen: false } => "serving",
            Phase::Serving { frozen: true } => "frozen",
            Phase::Closing => "closing",
            Phase::Settling => "settling",
            Phase::Closed => "closed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
