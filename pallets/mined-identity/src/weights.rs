//! Weights of `pallet_mined_identity`.
//!
//! Times: measured by `scripts/weights` on 26 November 2026, in the compiled runtime and on the scale of
//! the machine of FRAME's own weights (`docs/measurements/weights.md`). Database accesses: counted in the
//! benchmarks.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(missing_docs)]

use core::marker::PhantomData;

use frame_support::{traits::Get, weights::{constants::RocksDbWeight, Weight}};

/// Weight functions of `pallet_mined_identity`.
pub trait WeightInfo {
	fn register() -> Weight;
	fn authorize_register() -> Weight;
	fn retarget() -> Weight;
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `MinedIdentity::Identities` (r:1 w:1)
	/// Proof: `MinedIdentity::Identities` (`max_values`: None, `max_size`: Some(69), added: 2544, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Difficulties` (r:1 w:1)
	/// Proof: `MinedIdentity::Difficulties` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::RegisteredInBlock` (r:1 w:1)
	/// Proof: `MinedIdentity::RegisteredInBlock` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Epochs` (r:1 w:1)
	/// Proof: `MinedIdentity::Epochs` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	fn register() -> Weight {
		Weight::from_parts(99_290_000, 3534)
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `MinedIdentity::Identities` (r:1 w:0)
	/// Proof: `MinedIdentity::Identities` (`max_values`: None, `max_size`: Some(69), added: 2544, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Difficulties` (r:1 w:0)
	/// Proof: `MinedIdentity::Difficulties` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::RegisteredInBlock` (r:1 w:0)
	/// Proof: `MinedIdentity::RegisteredInBlock` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	fn authorize_register() -> Weight {
		Weight::from_parts(36_101_000, 3534)
			.saturating_add(T::DbWeight::get().reads(4_u64))
	}
	/// Storage: `MinedIdentity::Difficulties` (r:2 w:2)
	/// Proof: `MinedIdentity::Difficulties` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Epochs` (r:2 w:2)
	/// Proof: `MinedIdentity::Epochs` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	fn retarget() -> Weight {
		Weight::from_parts(18_118_000, 5974)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
}

// For tests.
impl WeightInfo for () {
	/// Storage: `MinedIdentity::Identities` (r:1 w:1)
	/// Proof: `MinedIdentity::Identities` (`max_values`: None, `max_size`: Some(69), added: 2544, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Difficulties` (r:1 w:1)
	/// Proof: `MinedIdentity::Difficulties` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::RegisteredInBlock` (r:1 w:1)
	/// Proof: `MinedIdentity::RegisteredInBlock` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Epochs` (r:1 w:1)
	/// Proof: `MinedIdentity::Epochs` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	fn register() -> Weight {
		Weight::from_parts(99_290_000, 3534)
			.saturating_add(RocksDbWeight::get().reads(5_u64))
			.saturating_add(RocksDbWeight::get().writes(4_u64))
	}
	/// Storage: `MinedIdentity::Identities` (r:1 w:0)
	/// Proof: `MinedIdentity::Identities` (`max_values`: None, `max_size`: Some(69), added: 2544, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Difficulties` (r:1 w:0)
	/// Proof: `MinedIdentity::Difficulties` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	/// Storage: `System::BlockHash` (r:1 w:0)
	/// Proof: `System::BlockHash` (`max_values`: None, `max_size`: Some(44), added: 2519, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::RegisteredInBlock` (r:1 w:0)
	/// Proof: `MinedIdentity::RegisteredInBlock` (`max_values`: Some(1), `max_size`: Some(8), added: 503, mode: `MaxEncodedLen`)
	fn authorize_register() -> Weight {
		Weight::from_parts(36_101_000, 3534)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
	}
	/// Storage: `MinedIdentity::Difficulties` (r:2 w:2)
	/// Proof: `MinedIdentity::Difficulties` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	/// Storage: `MinedIdentity::Epochs` (r:2 w:2)
	/// Proof: `MinedIdentity::Epochs` (`max_values`: None, `max_size`: Some(17), added: 2492, mode: `MaxEncodedLen`)
	fn retarget() -> Weight {
		Weight::from_parts(18_118_000, 5974)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
			.saturating_add(RocksDbWeight::get().writes(4_u64))
	}
}
