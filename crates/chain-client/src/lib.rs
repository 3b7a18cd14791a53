//! The one place that knows subxt: reads, follows and writes the chain.
//!
//! [`Chain`] is a connection to a node; [`AccountKey`] signs. Reads name the block that they are
//! at; writes return when they are in a best block.

mod announcements;
mod bytes;
mod calls;
mod chain;
mod error;
mod events;
mod heads;
mod key;
mod mining;
mod reputation;
mod send;
mod settlements;
mod settler;
#[cfg(test)]
mod stand_in;
mod storage;
mod submit;

pub use announcements::{AnnouncementPage, Changes};
pub use chain::{AccountBalance, Chain, Constants, Properties};
pub use error::ChainError;
pub use events::SettledEvent;
pub use heads::{Head, HeadStream};
pub use key::{AccountKey, KeyError};
pub use mining::{all_cores, search, MiningProgress, Registered};
pub use reputation::{
    is_fault, Answer, Deed, Ending, PublicHistory, PublicRecord, PublicReputation, Record,
    Reputation, ReputationError, Sums,
};
pub use settlements::Settlements;
pub use settler::{Bounds, Settler};
pub use submit::{Included, Opened};
