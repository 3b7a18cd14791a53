//! One lease: the state machine's driver and what connects it to the world.
//!
//! ```text
//!            Wire (control stream)      LeaseChain (node)        Shell (ports, own counters)
//!                 │ frames                 │ changes                  │ readings
//!                 ▼                        ▼                          ▼
//!   stops ───►  driver: select → step → persist → perform  ───►  status, news ───► the order
//!                 │                        ▲
//!                 └── a seat is taken before a contract is signed
//! ```
//!
//! An order's seats are in [`seats`]; its channels are opened together by [`opener`] and followed
//! together by [`watches`].

pub(crate) mod chain;
pub(crate) mod driver;
mod keep;
pub(crate) mod opener;
mod perform;
pub(crate) mod recover;
pub(crate) mod rejoin;
pub(crate) mod seats;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod watches;
pub(crate) mod wire;
pub(crate) mod world;

#[cfg(test)]
mod tests;
