//! Weights of `pallet_equivocation`.
//!
//! Times: measured by `scripts/weights` on 26 November 2026, in the compiled runtime and on the scale of
//! the machine of FRAME's own weights (`docs/measurements/weights.md`). Database accesses: counted in the
//! benchmarks. `report` has `pallet-offences` in it, and `bar` of `pallet-dpos`, which its
//! benchmark has no candidate for.

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
	/// Storage: what `pallet_dpos` has for `bar` (r:7 w:10)
	fn report() -> Weight {
		Weight::from_parts(281_166_000, 16000)
			.saturating_add(T::DbWeight::get().reads(16_u64))
			.saturating_add(T::DbWeight::get().writes(18_u64))
	}
	/// Storage: `Equivocation::Keys` (r:1 w:0)
	/// Storage: `Equivocation::Since` (r:2 w:0)
	/// Storage: `Equivocation::Equivocators` (r:1 w:0)
	fn authorize_report() -> Weight {
		Weight::from_parts(186_087_000, 8000)
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
	/// Storage: what `pallet_dpos` has for `bar` (r:7 w:10)
	fn report() -> Weight {
		Weight::from_parts(281_166_000, 16000)
			.saturating_add(RocksDbWeight::get().reads(16_u64))
			.saturating_add(RocksDbWeight::get().writes(18_u64))
	}
	/// Storage: `Equivocation::Keys` (r:1 w:0)
	/// Storage: `Equivocation::Since` (r:2 w:0)
	/// Storage: `Equivocation::Equivocators` (r:1 w:0)
	fn authorize_report() -> Weight {
		Weight::from_parts(186_087_000, 8000)
			.saturating_add(RocksDbWeight::get().reads(4_u64))
	}
}
