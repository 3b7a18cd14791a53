//! Weights of `pallet_equivocation`.
//!
//! Times: two signatures, and two headers of the largest size hashed, as `pallet_deposits` measured
//! them; to be replaced by a run of the benchmarks. Database accesses: counted. Those of `report` have
//! `pallet-offences` and what `pallet-dpos` does about an offender in them.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(missing_docs)]

use core::marker::PhantomData;

use frame_support::{traits::Get, weights::{constants::RocksDbWeight, Weight}};

/// Weight functions of `pallet_equivocation`.
pub trait WeightInfo {
	fn report() -> Weight;
	fn authorize_report() -> Weight;
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	/// Storage: `Equivocation::Keys` (r:1 w:0)
	/// Storage: `Equivocation::Since` (r:2 w:0)
	/// Storage: `Equivocation::Equivocators` (r:1 w:1)
	/// Storage: `Offences::Reports` (r:2 w:1)
	/// Storage: `Offences::ConcurrentReportsIndex` (r:1 w:1)
	/// Storage: what `pallet_dpos` has for `bar` (r:9 w:11)
	fn report() -> Weight {
		Weight::from_parts(500_000_000, 16000)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(14_u64))
	}
	/// Storage: `Equivocation::Keys` (r:1 w:0)
	/// Storage: `Equivocation::Since` (r:2 w:0)
	/// Storage: `Equivocation::Equivocators` (r:1 w:0)
	fn authorize_report() -> Weight {
		Weight::from_parts(350_000_000, 8000)
			.saturating_add(T::DbWeight::get().reads(4_u64))
	}
}

// For tests.
impl WeightInfo for () {
	/// Storage: `Equivocation::Keys` (r:1 w:0)
	/// Storage: `Equivocation::Since` (r:2 w:0)
	/// Storage: `Equivocation::Equivocators` (r:1 w:1)
	/// Storage: `Offences::Reports` (r:2 w:1)
	/// Storage: `Offences::ConcurrentReportsIndex` (r:1 w:1)
	/// Storage: what `pallet_dpos` has for `bar` (r:9 w:11)
	fn report() -> Weight {
		Weight::from_parts(500_000_000, 16000)
			.saturating_add(RocksDbWeight::get().reads(16_u64))
			.saturating_add(RocksDbWeight::get().writes(14_u64))
	}
	/// Storage: `Equivocation::Keys` (r:1 w:0)
	/// Storage: `Equivocation::Since` (r:2 w:0)
	/// Storage: `Equivocation::Equivocators` (r:1 w:0)
	fn authorize_report() -> Weight {
		Weight::from_parts(350_000_000, 8000)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
	}
}
