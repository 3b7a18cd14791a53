//! Every type that is signed, stored on chain or sent between the parties, and the rules on them
//! that both sides must agree on. No IO, no keys, no clocks.
//!
//! - [`amount`]: the coin, rates and the price of usage
//! - [`usage`]: cumulative counters
//! - [`pow`]: proof of work, difficulty and retargeting
//! - [`announcement`]: what a publisher puts on the chain
//! - [`auth`]: proof that a connection belongs to a chain account
//! - [`contract`]: offers, terms and their hash
//! - [`amendment`]: more deposit and more time for a contract
//! - [`channel`]: vouchers and splits
//! - [`signed`]: data whose signature has been verified
//! - [`record`]: what the chain stores
//! - [`frame`]: messages on the control stream
//! - [`close`]: why a lease ended

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod amendment;
pub mod amount;
pub mod announcement;
pub mod auth;
pub mod channel;
pub mod close;
pub mod contract;
pub mod frame;
pub mod pow;
pub mod record;
pub mod report;
pub mod signed;
pub mod usage;

/// Chain account, as wallets know it.
pub use sp_runtime::AccountId32 as AccountId;

/// Hash of a block, an announcement, a contract or a channel.
pub use sp_core::H256 as Hash;

/// Session key that signs the vouchers of one channel.
pub use sp_core::sr25519::{Public as SessionKey, Signature};

/// Hashes SCALE-encoded data with BLAKE2b-256, the hash of the chain.
pub fn hash_of<T: codec::Encode>(value: &T) -> Hash {
    Hash(value.using_encoded(sp_crypto_hashing::blake2_256))
}
