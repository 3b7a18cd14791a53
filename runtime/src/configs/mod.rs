//! Numbers of the pallets, one file a group.

mod accounts;
mod consensus;
mod market;
pub(crate) mod pace;
mod system;
