//! Weights of `pallet_dpos`.
//!
//! Times: measured by `scripts/weights` on 26 November 2026, in the compiled runtime and on the scale of
//! the machine of FRAME's own weights (`docs/measurements/weights.md`). Database accesses: counted in the
//! benchmarks.

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
    fn open_proxy() -> Weight;
    fn close_proxy() -> Weight;
    fn delegate() -> Weight;
    fn undelegate() -> Weight;
    fn claim() -> Weight;
    fn set_commission() -> Weight;
    fn unjail() -> Weight;
    fn set_seats() -> Weight;
    fn note_turns(m: u32, ) -> Weight;
    fn disable_excluded() -> Weight;
    fn bar() -> Weight;
    fn make_room() -> Weight;
}

/// Weights for `pallet_dpos` with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    /// Storage: `Session::NextKeys` (r:1 w:0)
    /// Storage: `Dpos::Barred` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::NextOrder` (r:1 w:1)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn stand() -> Weight {
        Weight::from_parts(61_711_000, 4500)
            .saturating_add(T::DbWeight::get().reads(8_u64))
            .saturating_add(T::DbWeight::get().writes(5_u64))
    }
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:0 w:1)
    fn retire() -> Weight {
        Weight::from_parts(16_483_000, 3600)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Retired` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Missed` (r:0 w:1)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn withdraw() -> Weight {
        Weight::from_parts(44_260_000, 4200)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(4_u64))
    }
    /// Storage: `Dpos::Delegations` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:16 w:0)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::RewardPools` (r:32 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:32 w:32)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    /// The range of component `n` is `[1, 16]`.
    fn vote(n: u32, ) -> Weight {
        Weight::from_parts(194_750_000, 94000)
            .saturating_add(Weight::from_parts(7_906_000, 7900).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(40_u64))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(22_u64))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
    }
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Remainder` (r:1 w:1)
    /// Storage: `Dpos::Owed` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    fn unvote() -> Weight {
        Weight::from_parts(148_244_000, 91000)
            .saturating_add(T::DbWeight::get().reads(39_u64))
            .saturating_add(T::DbWeight::get().writes(22_u64))
    }
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn unlock() -> Weight {
        Weight::from_parts(43_567_000, 4200)
            .saturating_add(T::DbWeight::get().reads(4_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Delegations` (r:1 w:0)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn open_proxy() -> Weight {
        Weight::from_parts(189_969_000, 93000)
            .saturating_add(T::DbWeight::get().reads(38_u64))
            .saturating_add(T::DbWeight::get().writes(21_u64))
    }
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn close_proxy() -> Weight {
        Weight::from_parts(209_576_000, 93000)
            .saturating_add(T::DbWeight::get().reads(37_u64))
            .saturating_add(T::DbWeight::get().writes(21_u64))
    }
    /// Storage: `Dpos::Votes` (r:3 w:0)
    /// Storage: `Dpos::ProxyVoters` (r:3 w:2)
    /// Storage: `Dpos::Delegations` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:32 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:32 w:32)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn delegate() -> Weight {
        Weight::from_parts(337_002_000, 185000)
            .saturating_add(T::DbWeight::get().reads(76_u64))
            .saturating_add(T::DbWeight::get().writes(39_u64))
    }
    /// Storage: `Dpos::Delegations` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Votes` (r:1 w:0)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Remainder` (r:1 w:1)
    /// Storage: `Dpos::Owed` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    fn undelegate() -> Weight {
        Weight::from_parts(154_578_000, 93000)
            .saturating_add(T::DbWeight::get().reads(40_u64))
            .saturating_add(T::DbWeight::get().writes(22_u64))
    }
    /// Storage: `Dpos::Votes` (r:2 w:1)
    /// Storage: `Dpos::Delegations` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Owed` (r:1 w:1)
    /// Storage: `System::Account` (r:2 w:2)
    fn claim() -> Weight {
        Weight::from_parts(114_486_000, 52000)
            .saturating_add(T::DbWeight::get().reads(24_u64))
            .saturating_add(T::DbWeight::get().writes(7_u64))
    }
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    fn set_commission() -> Weight {
        Weight::from_parts(13_381_000, 3600)
            .saturating_add(T::DbWeight::get().reads(2_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Dpos::Jailed` (r:1 w:1)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Session::DisabledValidators` (r:1 w:1)
    fn unjail() -> Weight {
        Weight::from_parts(17_559_000, 3600)
            .saturating_add(T::DbWeight::get().reads(3_u64))
            .saturating_add(T::DbWeight::get().writes(2_u64))
    }
    /// Storage: `Dpos::Seats` (r:0 w:1)
    fn set_seats() -> Weight {
        Weight::from_parts(3_836_000, 0)
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Aura::CurrentSlot` (r:1 w:0)
    /// Storage: `Dpos::Authored` (r:1 w:1)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Session::DisabledValidators` (r:1 w:1)
    /// Storage: `Dpos::Seats` (r:1 w:0)
    /// Storage: `Dpos::SeatsToCheck` (r:1 w:1)
    /// Storage: `Dpos::Missed` (r:20 w:21)
    /// Storage: `Dpos::Jailed` (r:20 w:20)
    /// Storage: `Dpos::Barred` (r:20 w:0)
    /// The range of component `m` is `[0, 20]`.
    fn note_turns(m: u32, ) -> Weight {
        Weight::from_parts(3_676_000, 7000)
            .saturating_add(Weight::from_parts(13_670_000, 7600).saturating_mul(m.into()))
            .saturating_add(T::DbWeight::get().reads(6_u64))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(T::DbWeight::get().writes(4_u64))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(m.into())))
    }
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Dpos::Barred` (r:21 w:0)
    /// Storage: `Dpos::Jailed` (r:21 w:0)
    /// Storage: `Session::DisabledValidators` (r:1 w:1)
    /// Storage: `Dpos::Seats` (r:1 w:0)
    fn disable_excluded() -> Weight {
        Weight::from_parts(136_677_000, 110000)
            .saturating_add(T::DbWeight::get().reads(45_u64))
            .saturating_add(T::DbWeight::get().writes(1_u64))
    }
    /// Storage: `Dpos::Barred` (r:1 w:1)
    /// Storage: `Dpos::Jailed` (r:0 w:1)
    /// Storage: `Dpos::Missed` (r:0 w:1)
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `System::Account` (r:2 w:2)
    /// Storage: `Balances::Holds` (r:1 w:1)
    /// Storage: `Dpos::CarriedFees` (r:1 w:1)
    /// Storage: `Dpos::SeatsToCheck` (r:0 w:1)
    fn bar() -> Weight {
        Weight::from_parts(53_939_000, 9000)
            .saturating_add(T::DbWeight::get().reads(9_u64))
            .saturating_add(T::DbWeight::get().writes(11_u64))
    }
    /// Storage: `Balances::TotalIssuance` (r:1 w:0)
    /// Storage: `Dpos::Threshold` (r:1 w:0)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Session::QueuedKeys` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:256 w:1)
    /// Storage: `Dpos::Tallies` (r:256 w:0)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:0 w:1)
    fn make_room() -> Weight {
        Weight::from_parts(1_624_564_000, 1310000)
            .saturating_add(T::DbWeight::get().reads(519_u64))
            .saturating_add(T::DbWeight::get().writes(3_u64))
    }
}

// For tests.
impl WeightInfo for () {
    /// Storage: `Session::NextKeys` (r:1 w:0)
    /// Storage: `Dpos::Barred` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::NextOrder` (r:1 w:1)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn stand() -> Weight {
        Weight::from_parts(61_711_000, 4500)
            .saturating_add(RocksDbWeight::get().reads(8_u64))
            .saturating_add(RocksDbWeight::get().writes(5_u64))
    }
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:0 w:1)
    fn retire() -> Weight {
        Weight::from_parts(16_483_000, 3600)
            .saturating_add(RocksDbWeight::get().reads(3_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Retired` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Missed` (r:0 w:1)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn withdraw() -> Weight {
        Weight::from_parts(44_260_000, 4200)
            .saturating_add(RocksDbWeight::get().reads(4_u64))
            .saturating_add(RocksDbWeight::get().writes(4_u64))
    }
    /// Storage: `Dpos::Delegations` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:16 w:0)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::RewardPools` (r:32 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:32 w:32)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    /// The range of component `n` is `[1, 16]`.
    fn vote(n: u32, ) -> Weight {
        Weight::from_parts(194_750_000, 94000)
            .saturating_add(Weight::from_parts(7_906_000, 7900).saturating_mul(n.into()))
            .saturating_add(RocksDbWeight::get().reads(40_u64))
            .saturating_add(RocksDbWeight::get().reads((3_u64).saturating_mul(n.into())))
            .saturating_add(RocksDbWeight::get().writes(22_u64))
            .saturating_add(RocksDbWeight::get().writes((1_u64).saturating_mul(n.into())))
    }
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Remainder` (r:1 w:1)
    /// Storage: `Dpos::Owed` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    fn unvote() -> Weight {
        Weight::from_parts(148_244_000, 91000)
            .saturating_add(RocksDbWeight::get().reads(39_u64))
            .saturating_add(RocksDbWeight::get().writes(22_u64))
    }
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn unlock() -> Weight {
        Weight::from_parts(43_567_000, 4200)
            .saturating_add(RocksDbWeight::get().reads(4_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
    /// Storage: `Dpos::Delegations` (r:1 w:0)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn open_proxy() -> Weight {
        Weight::from_parts(189_969_000, 93000)
            .saturating_add(RocksDbWeight::get().reads(38_u64))
            .saturating_add(RocksDbWeight::get().writes(21_u64))
    }
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Votes` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn close_proxy() -> Weight {
        Weight::from_parts(209_576_000, 93000)
            .saturating_add(RocksDbWeight::get().reads(37_u64))
            .saturating_add(RocksDbWeight::get().writes(21_u64))
    }
    /// Storage: `Dpos::Votes` (r:3 w:0)
    /// Storage: `Dpos::ProxyVoters` (r:3 w:2)
    /// Storage: `Dpos::Delegations` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:32 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:32 w:32)
    /// Storage: `System::Account` (r:1 w:1)
    /// Storage: `Balances::Holds` (r:1 w:1)
    fn delegate() -> Weight {
        Weight::from_parts(337_002_000, 185000)
            .saturating_add(RocksDbWeight::get().reads(76_u64))
            .saturating_add(RocksDbWeight::get().writes(39_u64))
    }
    /// Storage: `Dpos::Delegations` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::Unlockings` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::Votes` (r:1 w:0)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Remainder` (r:1 w:1)
    /// Storage: `Dpos::Owed` (r:1 w:1)
    /// Storage: `Dpos::Tallies` (r:16 w:16)
    fn undelegate() -> Weight {
        Weight::from_parts(154_578_000, 93000)
            .saturating_add(RocksDbWeight::get().reads(40_u64))
            .saturating_add(RocksDbWeight::get().writes(22_u64))
    }
    /// Storage: `Dpos::Votes` (r:2 w:1)
    /// Storage: `Dpos::Delegations` (r:1 w:1)
    /// Storage: `Dpos::ProxyVoters` (r:1 w:1)
    /// Storage: `Dpos::RewardPools` (r:16 w:0)
    /// Storage: `Dpos::Earnings` (r:1 w:1)
    /// Storage: `Dpos::Owed` (r:1 w:1)
    /// Storage: `System::Account` (r:2 w:2)
    fn claim() -> Weight {
        Weight::from_parts(114_486_000, 52000)
            .saturating_add(RocksDbWeight::get().reads(24_u64))
            .saturating_add(RocksDbWeight::get().writes(7_u64))
    }
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    fn set_commission() -> Weight {
        Weight::from_parts(13_381_000, 3600)
            .saturating_add(RocksDbWeight::get().reads(2_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    /// Storage: `Dpos::Jailed` (r:1 w:1)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Session::DisabledValidators` (r:1 w:1)
    fn unjail() -> Weight {
        Weight::from_parts(17_559_000, 3600)
            .saturating_add(RocksDbWeight::get().reads(3_u64))
            .saturating_add(RocksDbWeight::get().writes(2_u64))
    }
    /// Storage: `Dpos::Seats` (r:0 w:1)
    fn set_seats() -> Weight {
        Weight::from_parts(3_836_000, 0)
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    /// Storage: `Aura::CurrentSlot` (r:1 w:0)
    /// Storage: `Dpos::Authored` (r:1 w:1)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Session::DisabledValidators` (r:1 w:1)
    /// Storage: `Dpos::Seats` (r:1 w:0)
    /// Storage: `Dpos::SeatsToCheck` (r:1 w:1)
    /// Storage: `Dpos::Missed` (r:20 w:21)
    /// Storage: `Dpos::Jailed` (r:20 w:20)
    /// Storage: `Dpos::Barred` (r:20 w:0)
    /// The range of component `m` is `[0, 20]`.
    fn note_turns(m: u32, ) -> Weight {
        Weight::from_parts(3_676_000, 7000)
            .saturating_add(Weight::from_parts(13_670_000, 7600).saturating_mul(m.into()))
            .saturating_add(RocksDbWeight::get().reads(6_u64))
            .saturating_add(RocksDbWeight::get().reads((3_u64).saturating_mul(m.into())))
            .saturating_add(RocksDbWeight::get().writes(4_u64))
            .saturating_add(RocksDbWeight::get().writes((2_u64).saturating_mul(m.into())))
    }
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Dpos::Barred` (r:21 w:0)
    /// Storage: `Dpos::Jailed` (r:21 w:0)
    /// Storage: `Session::DisabledValidators` (r:1 w:1)
    /// Storage: `Dpos::Seats` (r:1 w:0)
    fn disable_excluded() -> Weight {
        Weight::from_parts(136_677_000, 110000)
            .saturating_add(RocksDbWeight::get().reads(45_u64))
            .saturating_add(RocksDbWeight::get().writes(1_u64))
    }
    /// Storage: `Dpos::Barred` (r:1 w:1)
    /// Storage: `Dpos::Jailed` (r:0 w:1)
    /// Storage: `Dpos::Missed` (r:0 w:1)
    /// Storage: `Dpos::Candidates` (r:1 w:1)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:1 w:1)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `System::Account` (r:2 w:2)
    /// Storage: `Balances::Holds` (r:1 w:1)
    /// Storage: `Dpos::CarriedFees` (r:1 w:1)
    /// Storage: `Dpos::SeatsToCheck` (r:0 w:1)
    fn bar() -> Weight {
        Weight::from_parts(53_939_000, 9000)
            .saturating_add(RocksDbWeight::get().reads(9_u64))
            .saturating_add(RocksDbWeight::get().writes(11_u64))
    }
    /// Storage: `Balances::TotalIssuance` (r:1 w:0)
    /// Storage: `Dpos::Threshold` (r:1 w:0)
    /// Storage: `Session::Validators` (r:1 w:0)
    /// Storage: `Session::QueuedKeys` (r:1 w:0)
    /// Storage: `Dpos::Candidates` (r:256 w:1)
    /// Storage: `Dpos::Tallies` (r:256 w:0)
    /// Storage: `Session::CurrentIndex` (r:1 w:0)
    /// Storage: `Dpos::CounterForCandidates` (r:1 w:1)
    /// Storage: `Dpos::Retired` (r:0 w:1)
    fn make_room() -> Weight {
        Weight::from_parts(1_624_564_000, 1310000)
            .saturating_add(RocksDbWeight::get().reads(519_u64))
            .saturating_add(RocksDbWeight::get().writes(3_u64))
    }
}
