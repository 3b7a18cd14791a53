//! The distribution of the coin: who owns it at first, and when it becomes theirs to move.
//!
//! # Scenario
//!
//! A chain whose coin is all made at its genesis must say whose it is. The runtime has the
//! [`Plan`]: what part of the supply each class of owners gets, and in which months it is released.
//! Whoever launches the chain names the [`Owners`], account by account, in the chain's
//! specification. The genesis is refused unless each class gets its share to the last unit.
//!
//! Coin that is not released yet is on its owner's account already, locked by a vesting schedule of
//! one block for each release. What locks and holds may overlap on, it may serve: its owner can vote
//! and bond with it.
//!
//! The reserve belongs to an account without a key, [`Config::Reserve`]. Only a referendum can move
//! it, and it cannot vote.
//!
//! A test network has no distribution: its balances are given one by one.
//!
//! # Data
//!
//! None: what this pallet does is done when the genesis is built. It must come after the balances
//! and before whatever holds coin of the first owners.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(test)]
mod tests;
mod types;

pub use pallet::*;
pub use types::{hundredths, Amounts, Class, Owners, Plan, Refusal, Release, Share};

/// Who owns the coin at first, and when it is released: done when the genesis is built.
#[frame_support::pallet]
pub mod pallet {
    use frame_support::{
        pallet_prelude::*,
        traits::{Currency, Get, VestingSchedule},
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::{CheckedMul, One, Saturating, Zero};
    use zennet_primitives::amount::Balance;

    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// The coin.
        type Currency: Currency<Self::AccountId, Balance = Balance>;

        /// Locks what is not released yet.
        type Vesting: VestingSchedule<
            Self::AccountId,
            Currency = Self::Currency,
            Moment = BlockNumberFor<Self>,
        >;

        /// Everything that there is.
        #[pallet::constant]
        type Supply: Get<Balance>;

        /// Who gets what, and when.
        type Plan: Get<Plan>;

        /// Blocks of a month.
        #[pallet::constant]
        type Month: Get<BlockNumberFor<Self>>;

        /// Account of the reserve; nobody may have its key.
        type Reserve: Get<Self::AccountId>;
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The first owners of the coin, or nothing on a test network.
        pub owners: Option<Owners<T::AccountId>>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let Some(owners) = &self.owners else { return };
            if let Err(refusal) = Pallet::<T>::distribute(owners) {
                panic!("the genesis is refused: {refusal}");
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(T::Plan::get().is_whole(), "the plan gives away more or less than everything");
            assert!(!T::Month::get().is_zero(), "a month must have blocks");
        }
    }

    impl<T: Config> Pallet<T> {
        /// Makes the whole supply: for its owners, and for the reserve.
        pub(crate) fn distribute(owners: &Owners<T::AccountId>) -> Result<(), Refusal> {
            let (plan, supply) = (T::Plan::get(), T::Supply::get());
            for (class, share) in plan.shares() {
                let due = hundredths(supply, share.percent).ok_or(Refusal::Overflow)?;
                let given = owners.sum(class).ok_or(Refusal::Overflow)?;
                if given != due {
                    return Err(Refusal::NotTheShare { class, given, share: due });
                }
                for (who, amount) in owners.of(class) {
                    Self::give(class, share, who, *amount)?;
                }
            }
            let reserve = hundredths(supply, plan.reserve).ok_or(Refusal::Overflow)?;
            Self::make(&T::Reserve::get(), reserve);
            let found = T::Currency::total_issuance();
            if found != supply {
                return Err(Refusal::NotTheSupply { found, supply });
            }
            Ok(())
        }

        /// Gives an account its amount, and locks what is released later.
        fn give(
            class: Class,
            share: Share,
            who: &T::AccountId,
            amount: Balance,
        ) -> Result<(), Refusal> {
            Self::make(who, amount);
            let parts = share.parts(amount).ok_or(Refusal::Overflow)?;
            for (month, part) in parts.into_iter().filter(|(month, _)| *month > 0) {
                let at = T::Month::get().checked_mul(&month.into()).ok_or(Refusal::Overflow)?;
                // A schedule releases from the block after its start on: all of it in one block.
                let start = at.saturating_sub(One::one());
                T::Vesting::add_vesting_schedule(who, part, part, start)
                    .map_err(|error| Refusal::Schedule { class, reason: error.into() })?;
            }
            Ok(())
        }

        fn make(who: &T::AccountId, amount: Balance) {
            drop(T::Currency::deposit_creating(who, amount));
        }
    }
}
