//! Weights of `pallet_channels`.
//!
//! Times: measured by `scripts/weights` on 26 November 2026, in the compiled runtime and on the scale of
//! the machine of FRAME's own weights (`docs/measurements/weights.md`). Database accesses: counted in the
//! benchmarks, without those of the caller's account, which the fee has.

#![cfg_attr(rustfmt, rustfmt_skip)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::{constants::RocksDbWeight, Weight}};

/// Weight functions needed for `pallet_channels`.
pub trait WeightInfo {
	fn open() -> Weight;
	fn top_up() -> Weight;
	fn extend() -> Weight;
	fn claim() -> Weight;
	fn claim_without_developer() -> Weight;
	fn close() -> Weight;
	fn close_without_developer() -> Weight;
	fn close_together() -> Weight;
	fn request_close() -> Weight;
	fn finalize() -> Weight;
}

/// Weights for `pallet_channels` on the chain's database.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Channels::NextNonce` (r:1 w:1)
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:1 w:0)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn open() -> Weight {
		Weight::from_parts(58_965_000, 6196)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn top_up() -> Weight {
		Weight::from_parts(54_410_000, 4000)
			.saturating_add(T::DbWeight::get().reads(2_u64))
			.saturating_add(T::DbWeight::get().writes(2_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	fn extend() -> Weight {
		Weight::from_parts(11_841_000, 3800)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:3 w:3)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn claim() -> Weight {
		Weight::from_parts(132_815_000, 8799)
			.saturating_add(T::DbWeight::get().reads(5_u64))
			.saturating_add(T::DbWeight::get().writes(5_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:2 w:2)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn claim_without_developer() -> Weight {
		Weight::from_parts(93_840_000, 8799)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:2 w:2)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn close() -> Weight {
		Weight::from_parts(164_003_000, 8799)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:1 w:1)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn close_without_developer() -> Weight {
		Weight::from_parts(127_479_000, 8799)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:2 w:2)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn close_together() -> Weight {
		Weight::from_parts(196_665_000, 8799)
			.saturating_add(T::DbWeight::get().reads(4_u64))
			.saturating_add(T::DbWeight::get().writes(4_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	fn request_close() -> Weight {
		Weight::from_parts(11_784_000, 3800)
			.saturating_add(T::DbWeight::get().reads(1_u64))
			.saturating_add(T::DbWeight::get().writes(1_u64))
	}
	/// Storage: `Channels::Channels` (r:1 w:1)
	/// Storage: `System::Account` (r:1 w:1)
	/// Storage: `Balances::Holds` (r:1 w:1)
	fn finalize() -> Weight {
		Weight::from_parts(47_088_000, 4000)
			.saturating_add(T::DbWeight::get().reads(3_u64))
			.saturating_add(T::DbWeight::get().writes(3_u64))
	}
}

// For tests.
impl WeightInfo for () {
	fn open() -> Weight {
		Weight::from_parts(58_965_000, 6196)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
			.saturating_add(RocksDbWeight::get().writes(3_u64))
	}
	fn top_up() -> Weight {
		Weight::from_parts(54_410_000, 4000)
			.saturating_add(RocksDbWeight::get().reads(2_u64))
			.saturating_add(RocksDbWeight::get().writes(2_u64))
	}
	fn extend() -> Weight {
		Weight::from_parts(11_841_000, 3800)
			.saturating_add(RocksDbWeight::get().reads(1_u64))
			.saturating_add(RocksDbWeight::get().writes(1_u64))
	}
	fn claim() -> Weight {
		Weight::from_parts(132_815_000, 8799)
			.saturating_add(RocksDbWeight::get().reads(5_u64))
			.saturating_add(RocksDbWeight::get().writes(5_u64))
	}
	fn claim_without_developer() -> Weight {
		Weight::from_parts(93_840_000, 8799)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
			.saturating_add(RocksDbWeight::get().writes(4_u64))
	}
	fn close() -> Weight {
		Weight::from_parts(164_003_000, 8799)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
			.saturating_add(RocksDbWeight::get().writes(4_u64))
	}
	fn close_without_developer() -> Weight {
		Weight::from_parts(127_479_000, 8799)
			.saturating_add(RocksDbWeight::get().reads(3_u64))
			.saturating_add(RocksDbWeight::get().writes(3_u64))
	}
	fn close_together() -> Weight {
		Weight::from_parts(196_665_000, 8799)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
			.saturating_add(RocksDbWeight::get().writes(4_u64))
	}
	fn request_close() -> Weight {
		Weight::from_parts(11_784_000, 3800)
			.saturating_add(RocksDbWeight::get().reads(1_u64))
			.saturating_add(RocksDbWeight::get().writes(1_u64))
	}
	fn finalize() -> Weight {
		Weight::from_parts(47_088_000, 4000)
			.saturating_add(RocksDbWeight::get().reads(3_u64))
			.saturating_add(RocksDbWeight::get().writes(3_u64))
	}
}
