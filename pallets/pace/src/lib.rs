//! The pace of a chain: how long its sessions, its jail and the steps of its votes are.
//!
//! # Scenario
//!
//! A test network wants to see in minutes what takes days on the main chain, with the very same
//! program. So these lengths are no constants of the program: they are [`Lengths`] in the state,
//! which the genesis sets. There are no calls: only another version of the program can change the
//! pace of a chain that runs.
//!
//! # Data
//!
//! [`Lengths`], in blocks. A genesis that says nothing gets the lengths of the main chain,
//! [`Config::MainChain`]. Each length is offered as a `Get` of its own, such as [`Session`].

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(test)]
mod tests;

use core::marker::PhantomData;

use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::traits::Zero;

pub use pallet::*;

/// Lengths of what a chain does in turns, in blocks.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pace<BlockNumber> {
    /// A session, for which the bookkeepers are elected.
    pub session: BlockNumber,
    /// How long a bookkeeper that missed its turns may not be elected.
    pub jail: BlockNumber,
    /// From the submission of a referendum to the first block in which it can be decided.
    pub prepare: BlockNumber,
    /// The longest time in which a referendum is decided.
    pub decision: BlockNumber,
    /// How long a referendum must go on passing before it is approved.
    pub confirm: BlockNumber,
    /// The least time from the approval of a referendum to its execution.
    pub enactment: BlockNumber,
    /// How long coin that voted with conviction 1 stays locked after its side won; higher
    /// convictions lock it for multiples of this.
    pub vote_lock: BlockNumber,
}

impl<BlockNumber: Zero + PartialOrd> Pace<BlockNumber> {
    /// Says what is wrong with the lengths.
    pub fn check(&self) -> Result<(), &'static str> {
        let Pace { session, jail, prepare, decision, confirm, enactment, vote_lock } = self;
        let all = [session, jail, prepare, decision, confirm, enactment, vote_lock];
        if all.into_iter().any(Zero::is_zero) {
            return Err("a length is zero; give each at least one block");
        }
        // Else a voter could be gone before it bears what it voted for.
        if vote_lock < enactment {
            return Err("the vote lock is shorter than the enactment; give it at least as many");
        }
        Ok(())
    }
}

/// Lengths of sessions, of the time in jail and of the periods of referenda, fixed at genesis.
#[frame_support::pallet]
pub mod pallet {
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// The lengths of the main chain.
        type MainChain: Get<Pace<BlockNumberFor<Self>>>;
    }

    /// The lengths that this chain was made with, in blocks.
    #[pallet::storage]
    pub type Lengths<T: Config> =
        StorageValue<_, Pace<BlockNumberFor<T>>, ValueQuery, T::MainChain>;

    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// The lengths of this chain; none may be zero, and a vote's lock is no shorter than the
        /// time to its enactment.
        pub lengths: Pace<BlockNumberFor<T>>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self { lengths: T::MainChain::get() }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if let Err(refusal) = self.lengths.check() {
                panic!("genesis sets the pace {:?}: {refusal}", self.lengths);
            }
            Lengths::<T>::put(&self.lengths);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// The session pallet reads the pace in every block.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            T::DbWeight::get().reads(1)
        }

        fn integrity_test() {
            T::MainChain::get().check().expect("the lengths of the main chain are valid");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Lengths::<T>::get().check().map_err(Into::into)
        }
    }
}

/// Makes a `Get` of one of the lengths.
macro_rules! length {
    ($($(#[$doc:meta])* $name:ident: $field:ident;)*) => {
        $(
            $(#[$doc])*
            pub struct $name<T>(PhantomData<T>);

            impl<T: Config> Get<BlockNumberFor<T>> for $name<T> {
                fn get() -> BlockNumberFor<T> {
                    Lengths::<T>::get().$field
                }
            }
        )*
    };
}

length! {
    /// Blocks of a session.
    Session: session;
    /// Blocks for which a bookkeeper that missed its turns may not be elected.
    Jail: jail;
    /// Blocks for which coin stays locked for each step of conviction.
    VoteLock: vote_lock;
}
