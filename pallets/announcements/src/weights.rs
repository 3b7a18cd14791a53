//! Weights of `pallet_announcements`.
//!
//! Times: measured by `scripts/weights` on 26 November 2026, in the compiled runtime and on the scale of
//! the machine of FRAME's own weights (`docs/measurements/weights.md`). Database accesses: counted in the
//! benchmarks, without those of the caller's account, which the fee has.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(missing_docs)]

use core::marker::PhantomData;

use frame_support::{traits::Get, weights::{constants::RocksDbWeight, Weight}};

/// Weight functions of `pallet_announcements`.
pub trait WeightInfo {
	fn announce(n: u32) -> Weight;
	fn cancel() -> Weight;
	fn expire(n: u32) -> Weight;
	fn look() -> Weight;
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `MinedIdentity::Identities` (r:1 w:0)
	/// Proof: `MinedIdentity::Identities` (`max_values`: None, `max_size`: Some(69), added: 2544, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::Announcements` (r:1 w:1)
	/// Proof: `Announcements::Announcements` (`max_values`: None, `max_size`: Some(991), added: 3466, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(175), added: 2650, mode: `MaxEncodedLen`)
	/// The range of component `n` is `[0, MaxExpiringPerBlock - 1]`.
	fn announce(n: u32) -> Weight {
		Weight::from_parts(151_193_000, 11671)
			.saturating_add(Weight::from_parts(72_000, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Announcements::Announcements` (r:1 w:1)
	/// Proof: `Announcements::Announcements` (`max_values`: None, `max_size`: Some(991), added: 3466, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(175), added: 2650, mode: `MaxEncodedLen`)
	fn cancel() -> Weight {
		Weight::from_parts(257_920_000, 11671)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Announcements::Overdue` (r:1 w:1)
	/// Proof: `Announcements::Overdue` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::Announcements` (r:n * (1 ±0) w:n * (1 ±0))
	/// Proof: `Announcements::Announcements` (`max_values`: None, `max_size`: Some(991), added: 3466, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:n * (1 ±0) w:n * (1 ±0))
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(175), added: 2650, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:n * (1 ±0) w:n * (1 ±0))
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// The range of component `n` is `[0, MaxStepsPerBlock - 1]`.
	fn expire(n: u32) -> Weight {
		Weight::from_parts(3_929_000, 11671)
			.saturating_add(Weight::from_parts(44_989_000, 3466).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes(2_u64))
			.saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(n.into())))
	}
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	fn look() -> Weight {
		Weight::from_parts(3_589_000, 11671)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
}

// For tests.
impl WeightInfo for () {
	/// Storage: `MinedIdentity::Identities` (r:1 w:0)
	/// Proof: `MinedIdentity::Identities` (`max_values`: None, `max_size`: Some(69), added: 2544, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::Announcements` (r:1 w:1)
	/// Proof: `Announcements::Announcements` (`max_values`: None, `max_size`: Some(991), added: 3466, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(175), added: 2650, mode: `MaxEncodedLen`)
	/// The range of component `n` is `[0, MaxExpiringPerBlock - 1]`.
	fn announce(n: u32) -> Weight {
		Weight::from_parts(151_193_000, 11671)
			.saturating_add(Weight::from_parts(72_000, 0).saturating_mul(n.into()))
			.saturating_add(RocksDbWeight::get().reads(4_u64))
			.saturating_add(RocksDbWeight::get().writes(3_u64))
	}
	/// Storage: `Announcements::Announcements` (r:1 w:1)
	/// Proof: `Announcements::Announcements` (`max_values`: None, `max_size`: Some(991), added: 3466, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:1 w:1)
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(175), added: 2650, mode: `MaxEncodedLen`)
	fn cancel() -> Weight {
		Weight::from_parts(257_920_000, 11671)
			.saturating_add(RocksDbWeight::get().reads(3_u64))
			.saturating_add(RocksDbWeight::get().writes(3_u64))
	}
	/// Storage: `Announcements::Overdue` (r:1 w:1)
	/// Proof: `Announcements::Overdue` (`max_values`: Some(1), `max_size`: Some(4), added: 499, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	/// Storage: `Announcements::Announcements` (r:n * (1 ±0) w:n * (1 ±0))
	/// Proof: `Announcements::Announcements` (`max_values`: None, `max_size`: Some(991), added: 3466, mode: `MaxEncodedLen`)
	/// Storage: `Balances::Holds` (r:n * (1 ±0) w:n * (1 ±0))
	/// Proof: `Balances::Holds` (`max_values`: None, `max_size`: Some(175), added: 2650, mode: `MaxEncodedLen`)
	/// Storage: `System::Account` (r:n * (1 ±0) w:n * (1 ±0))
	/// Proof: `System::Account` (`max_values`: None, `max_size`: Some(128), added: 2603, mode: `MaxEncodedLen`)
	/// The range of component `n` is `[0, MaxStepsPerBlock - 1]`.
	fn expire(n: u32) -> Weight {
		Weight::from_parts(3_929_000, 11671)
			.saturating_add(Weight::from_parts(44_989_000, 3466).saturating_mul(n.into()))
			.saturating_add(RocksDbWeight::get().reads(2_u64))
			.saturating_add(RocksDbWeight::get().reads((3_u64).saturating_mul(n.into())))
			.saturating_add(RocksDbWeight::get().writes(2_u64))
			.saturating_add(RocksDbWeight::get().writes((3_u64).saturating_mul(n.into())))
	}
	/// Storage: `Announcements::ExpiringAt` (r:1 w:1)
	/// Proof: `Announcements::ExpiringAt` (`max_values`: None, `max_size`: Some(8206), added: 10681, mode: `MaxEncodedLen`)
	fn look() -> Weight {
		Weight::from_parts(3_589_000, 11671)
			.saturating_add(RocksDbWeight::get().reads(1_u64))
			.saturating_add(RocksDbWeight::get().writes(1_u64))
	}
}
