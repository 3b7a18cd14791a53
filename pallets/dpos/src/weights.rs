//! Weights of `pallet_dpos`.
//!
//! Conservative, counted from the accesses to the database.

#![cfg_attr(rustfmt, rustfmt_skip)]

use core::marker::PhantomData;

use frame_support::{
    traits::Get,
    weights::{constants::RocksDbWeight, Weight},
};

/// Weight functions needed for `pallet_dpos`.
pub trait WeightInfo {
    fn stand() -> Weight;
    fn retire() -> Weight;
    fn withdraw() -> Weight;
    fn vote(n: u32, ) -> Weight;
    fn unvote() -> Weight;
    fn unlock() -> Weight;
}

/// Weights for `pallet_dpos` with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Session::NextKeys` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::NextOrder` (r:1 w:1)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn stand() -> Weight {
        Weight::from_parts(80_000_000, 4200)
            .saturating_add(T::DbWeight::get().reads(7_u64))
            .saturating_add(T::DbWeight::get().writes(5_u64))
    }
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:0 w:1)
    fn retire() -> Weight {
        Weight::from_parts(40_000_000, 3600)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Retired` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn withdraw() -> Weight {
        Weight::from_parts(80_000_000, 4200)
            .saturating_add(T::DbWeight::get().reads(5_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Candidates` (r:16 w:0)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Tallies` (r:32 w:32)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    /// The range of component `n` is `[1, 16]`.
    fn vote(n: u32, ) -> Weight {
        Weight::from_parts(160_000_000, 50000)
            .saturating_add(Weight::from_parts(12_000_000, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(21_u64))
            .saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(20_u64))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
            .saturating_add(Weight::from_parts(0, 5300).saturating_mul(n.into()))
    }
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    fn unvote() -> Weight {
        Weight::from_parts(140_000_000, 43000)
            .saturating_add(T::DbWeight::get().reads(19_u64))
            .saturating_add(T::DbWeight::get().writes(18_u64))
    }
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn unlock() -> Weight {
        Weight::from_parts(80_000_000, 4200)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
}

// For tests.
impl WeightInfo for () {
    /// Storage: `Session::NextKeys` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::NextOrder` (r:1 w:1)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn stand() -> Weight {
        Weight::from_parts(80_000_000, 4200)
            .saturating_add(RocksDbWeight::get().reads(7_u64))
            .saturating_add(RocksDbWeight::get().writes(5_u64))
    }
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:0 w:1)
    fn retire() -> Weight {
        Weight::from_parts(40_000_000, 3600)
            .saturating_add(RocksDbWeight::get().reads(3_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Retired` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn withdraw() -> Weight {
        Weight::from_parts(80_000_000, 4200)
            .saturating_add(RocksDbWeight::get().reads(5_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Candidates` (r:16 w:0)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Tallies` (r:32 w:32)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    /// The range of component `n` is `[1, 16]`.
    fn vote(n: u32, ) -> Weight {
        Weight::from_parts(160_000_000, 50000)
            .saturating_add(Weight::from_parts(12_000_000, 0).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(21_u64))
            .saturating_add(RocksDbWeight::get().reads((2_u64).saturating_mul(n.into())))
            .saturating_add(RocksDbWeight::get().writes(20_u64))
            .saturating_add(RocksDbWeight::get().writes((1_u64).saturating_mul(n.into())))
            .saturating_add(Weight::from_parts(0, 5300).saturating_mul(n.into()))
    }
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    fn unvote() -> Weight {
        Weight::from_parts(140_000_000, 43000)
            .saturating_add(RocksDbWeight::get().reads(19_u64))
            .saturating_add(RocksDbWeight::get().writes(18_u64))
    }
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn unlock() -> Weight {
        Weight::from_parts(80_000_000, 4200)
            .saturating_add(RocksDbWeight::get().reads(4_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
}
