//! Sans-IO state machines of both sides of a lease: meeting, negotiation, payments, settlement.
//!
//! [`Provider`] and [`Publisher`] are plain values. A driver tells them what happens and what
//! time it is; they answer with what they have become and what is to be done:
//!
//! ```text
//!            event, now                       next, actions
//!  driver ───────────────► machine.step() ───────────────────► persist next, perform actions
//!     ▲                                                                   │
//!     └──────────────── answers, frames, machine.deadline() ◄─────────────┘
//! ```
//!
//! There is no socket, key, clock or randomness in here: what must be signed is asked for, and
//! signatures that arrive are verified. An event that does not belong to a state is [`Denied`]
//! and changes nothing; whatever the other side sends out of order ends the lease.
//!
//! - [`provider`], [`publisher`]: the two machines, each with its diagram
//! - [`reunion`]: how a lease goes on after its connection broke
//! - [`terms`]: deposits, quotes and how they are judged
//! - [`workload`]: what a machine is expected to do, and what an hour of that may cost
//! - [`agreement`]: comparison of both sides' readings
//! - [`step`]: what the machines have in common

pub mod agreement;
mod meeting;
pub mod provider;
pub mod publisher;
pub mod reunion;
pub mod step;
mod stored;
pub mod terms;
pub mod workload;

pub use provider::{Provider, ProviderAction, ProviderEvent, ProviderLimits, ProviderSetup};
pub use publisher::{
    Deviation, Publisher, PublisherAction, PublisherEvent, PublisherLimits, PublisherPolicy,
    PublisherSetup,
};
pub use reunion::{Reunion, ReunionAction};
pub use step::{Denied, Millis, Phase, Step};
pub use terms::{
    deposit_for, full_use, judge, price_of_full_use, quote_for, requote, DepositError, Listing,
    QuoteError, Verdict,
};
pub use workload::{HourLimit, Workload};

#[cfg(test)]
mod tests;
