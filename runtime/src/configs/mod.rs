//! Numbers of the pallets, one file a group.

pub(crate) mod accounts;
pub(crate) mod consensus;
pub(crate) mod distribution;
pub(crate) mod governance;
mod market;
pub(crate) mod pace;
mod system;
mod voting_coin;
