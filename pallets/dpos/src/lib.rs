//! Delegated proof of stake: who writes the blocks, chosen by the holders of the coin.
//!
//! # Terminology
//!
//! - **candidate**: an account that bonds coin and asks for a seat
//! - **bookkeeper**: an elected candidate; it authors and finalises blocks while it is seated
//! - **stake**: the coin that a voter has held for its vote
//! - **tally**: the sum of the stakes of all votes that name an account
//!
//! # Scenario
//!
//! An account registers its session keys and [stands](Call::stand) with a bond. Holders
//! [vote](Call::vote) for up to [`MAX_CHOICES`] candidates. As in EOSIO's `eosio.system`
//! (`voteproducer`), this is approval voting: the whole stake counts for each candidate that is
//! named, and is not divided among them; unlike there, a vote does not lose weight with time.
//! At the start of each session the [`Seats`] candidates with the highest tallies are elected for
//! the session after it. A candidate that [retires](Call::retire) stays seated until then, and
//! [withdraws](Call::withdraw) its bond after the unbonding time.
//!
//! A coin never counts twice in one election: it is held while it votes, it leaves the tallies at
//! once when it is taken out of a vote, and it stays held, unable to move to another account,
//! for at least one whole further session until it is [unlocked](Call::unlock).
//!
//! Fees and tips go to the author of the block, see [`FeesToAuthor`].
//!
//! # Data
//!
//! Tallies belong to accounts, not to candidacies: votes for a candidate that retires stay in its
//! tally without effect until their voters change them, and count again if it stands again.
//!
//! # Genesis
//!
//! [`GenesisConfig`] names the first candidates in order. Nobody has voted yet, so every tally
//! is zero and this order decides who is seated first. The pallet must come after the balances and
//! before the session pallet, which asks for the first election when it is built.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod election;
mod fees;
mod ledger;
mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "try-runtime"))]
mod try_state;

pub use fees::FeesToAuthor;
pub use pallet::*;
pub use types::{Candidate, Choices, Leaving, StakeChange, Unlocking, Vote, MAX_CHOICES};
pub use weights::WeightInfo;

use frame_support::traits::fungible::Inspect;

/// Amount of the coin that bonds and stakes are held in.
pub type BalanceOf<T> =
    <<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// Tells who authors the block that is being executed.
pub trait BlockAuthor<AccountId> {
    /// The author's account, if it is known.
    fn author() -> Option<AccountId>;
}

impl<R: pallet_authorship::Config> BlockAuthor<R::AccountId> for pallet_authorship::Pallet<R> {
    fn author() -> Option<R::AccountId> {
        Self::author()
    }
}

#[frame_support::pallet]
pub mod pallet {
    use alloc::{collections::BTreeSet, vec::Vec};

    use frame_support::{
        pallet_prelude::*,
        traits::{
            fungible::{hold::Mutate as MutateHold, Balanced},
            tokens::Precision,
            NoDrop, ValidatorRegistration, ValidatorSet,
        },
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::Zero;
    use sp_staking::SessionIndex;

    use super::{fees::FeeOf, *};

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Holds bonds and stakes, and receives the fees.
        type Currency: MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
            + Balanced<Self::AccountId>;

        /// The runtime's reasons of holds.
        type RuntimeHoldReason: From<HoldReason>;

        /// Knows the current session, who is seated in it and who has session keys.
        type Sessions: ValidatorSet<Self::AccountId, ValidatorId = Self::AccountId>
            + ValidatorRegistration<Self::AccountId>;

        /// Knows the author of the block.
        type Author: BlockAuthor<Self::AccountId>;

        /// Smallest bond of a candidate.
        #[pallet::constant]
        type MinBond: Get<BalanceOf<Self>>;

        /// Smallest stake of a vote; it pays for the state that the vote takes.
        #[pallet::constant]
        type MinStake: Get<BalanceOf<Self>>;

        /// Most candidates at one time; bounds the work of an election.
        #[pallet::constant]
        type MaxCandidates: Get<u32>;

        /// Most seats that the consensus pallets can take.
        #[pallet::constant]
        type MaxSeats: Get<u32>;

        /// Sessions from retiring to the release of the bond, at least two: one may still be
        /// elected for the next session.
        #[pallet::constant]
        type UnbondingSessions: Get<SessionIndex>;

        /// Sessions from the end of a vote to the release of its stake, at least one.
        #[pallet::constant]
        type VoteLockSessions: Get<SessionIndex>;

        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    /// Candidates that stand for election.
    #[pallet::storage]
    pub type Candidates<T: Config> =
        CountedStorageMap<_, Blake2_128Concat, T::AccountId, Candidate<BalanceOf<T>>>;

    /// Position that the next candidate gets in the order of registration.
    #[pallet::storage]
    pub type NextOrder<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// Candidates that have retired and whose bond is still held.
    #[pallet::storage]
    pub type Retired<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Leaving<BalanceOf<T>>>;

    /// The vote of each voter.
    #[pallet::storage]
    pub type Votes<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Vote<T::AccountId, BalanceOf<T>>>;

    /// Coins that were taken out of votes and are still held.
    #[pallet::storage]
    pub type Unlockings<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Unlocking<BalanceOf<T>>>;

    /// Sum of the stakes that name an account; no entry is zero.
    #[pallet::storage]
    pub type Tallies<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BalanceOf<T>, ValueQuery>;

    /// Number of bookkeepers in a session.
    #[pallet::storage]
    pub type Seats<T: Config> = StorageValue<_, u32, ValueQuery, T::MaxSeats>;

    /// Fees that no author could be credited with yet.
    #[pallet::storage]
    pub type CarriedFees<T: Config> = StorageValue<_, NoDrop<FeeOf<T>>>;

    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// First candidates with their bonds, which are held on their accounts; their order
        /// decides ties.
        pub candidates: Vec<(T::AccountId, BalanceOf<T>)>,
        /// Number of bookkeepers in a session, from one to `MaxSeats`.
        pub seats: u32,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self { candidates: Vec::new(), seats: T::MaxSeats::get() }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            assert!(
                (1..=T::MaxSeats::get()).contains(&self.seats),
                "genesis asks for {} seats; give a number from 1 to {}",
                self.seats,
                T::MaxSeats::get()
            );
            Seats::<T>::put(self.seats);
            for (who, bond) in &self.candidates {
                if let Err(refusal) = Pallet::<T>::admit(who, *bond) {
                    panic!("genesis candidate {who:?} with bond {bond:?} is refused: {refusal:?}");
                }
            }
        }
    }

    /// Why coin is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The bond of a candidate, until it is withdrawn.
        #[codec(index = 0)]
        Candidacy,
        /// The stake of a vote, until it is unlocked.
        #[codec(index = 1)]
        Vote,
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account became a candidate.
        Stood { candidate: T::AccountId, bond: BalanceOf<T> },
        /// A candidate will not be elected again; its bond can be withdrawn from the session named.
        Retired { candidate: T::AccountId, withdrawable_at: SessionIndex },
        /// The bond of a retired candidate was released.
        Withdrawn { candidate: T::AccountId, bond: BalanceOf<T> },
        /// A vote was cast or replaced.
        Voted { voter: T::AccountId, candidates: Choices<T::AccountId>, stake: BalanceOf<T> },
        /// A vote was taken back; its stake can be unlocked from the session named.
        Unvoted { voter: T::AccountId, unlockable_at: SessionIndex },
        /// Coins that had been taken out of votes were released.
        Unlocked { voter: T::AccountId, amount: BalanceOf<T> },
        /// Another set of bookkeepers was elected for a session.
        Elected { session: SessionIndex, bookkeepers: Vec<T::AccountId> },
        /// Nobody could be elected for a session; the seated bookkeepers stay.
        NoneElected { session: SessionIndex },
        /// No author could be credited; this is kept for the next one.
        FeesCarried { amount: BalanceOf<T> },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account is a candidate already.
        AlreadyCandidate,
        /// The bond of an earlier candidacy is still held; withdraw it first.
        StillUnbonding,
        /// The bond is below the smallest one.
        BondTooLow,
        /// The account has no session keys; set them first.
        NoSessionKeys,
        /// There is no room for another candidate.
        TooManyCandidates,
        /// The account is not a candidate.
        NotCandidate,
        /// The account has no bond to withdraw; only a retired candidate has.
        NothingToWithdraw,
        /// The unbonding time is not over.
        TooEarlyToWithdraw,
        /// The account is still seated as a bookkeeper.
        StillSeated,
        /// The vote names nobody.
        NoChoice,
        /// The vote names an account twice.
        DuplicateChoice,
        /// The vote names an account that is not a candidate.
        ChoiceNotCandidate,
        /// The stake is below the smallest one.
        StakeTooLow,
        /// The account has no vote.
        NotVoting,
        /// The account has no coins that wait to be unlocked.
        NothingToUnlock,
        /// The lock time is not over.
        TooEarlyToUnlock,
        /// A tally, a stake or a session number would leave its range.
        OutOfRange,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Makes the sender a candidate and holds `bond` on its account.
        ///
        /// The sender must have session keys.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::stand())]
        pub fn stand(origin: OriginFor<T>, bond: BalanceOf<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(T::Sessions::is_registered(&who), Error::<T>::NoSessionKeys);
            Self::admit(&who, bond)?;
            Self::deposit_event(Event::Stood { candidate: who, bond });
            Ok(())
        }

        /// Ends the sender's candidacy.
        ///
        /// If it is seated, or elected for the next session, it serves to the end. Its bond
        /// stays held for the unbonding time.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::retire())]
        pub fn retire(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let Candidate { bond, .. } =
                Candidates::<T>::get(&who).ok_or(Error::<T>::NotCandidate)?;
            let withdrawable_at = Self::session_in(T::UnbondingSessions::get())?;
            Candidates::<T>::remove(&who);
            Retired::<T>::insert(&who, Leaving { bond, withdrawable_at });
            Self::deposit_event(Event::Retired { candidate: who, withdrawable_at });
            Ok(())
        }

        /// Releases the bond of the sender, who has retired, once the unbonding time is over and
        /// it is not seated any more.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::withdraw())]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let Leaving { bond, withdrawable_at } =
                Retired::<T>::get(&who).ok_or(Error::<T>::NothingToWithdraw)?;
            ensure!(
                T::Sessions::session_index() >= withdrawable_at,
                Error::<T>::TooEarlyToWithdraw
            );
            ensure!(!T::Sessions::validators().contains(&who), Error::<T>::StillSeated);
            Retired::<T>::remove(&who);
            T::Currency::release(&HoldReason::Candidacy.into(), &who, bond, Precision::Exact)?;
            Self::deposit_event(Event::Withdrawn { candidate: who, bond });
            Ok(())
        }

        /// Sets the sender's vote, in place of the one that it may have: `stake` is held, and all
        /// of it counts for each of the `candidates`.
        ///
        /// What a higher stake adds is taken first from coins that wait to be unlocked; what a
        /// lower stake leaves over waits with them for a new lock time.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::vote(candidates.len() as u32))]
        pub fn vote(
            origin: OriginFor<T>,
            candidates: Choices<T::AccountId>,
            stake: BalanceOf<T>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(!candidates.is_empty(), Error::<T>::NoChoice);
            ensure!(stake >= T::MinStake::get(), Error::<T>::StakeTooLow);
            let distinct: BTreeSet<_> = candidates.iter().collect();
            ensure!(distinct.len() == candidates.len(), Error::<T>::DuplicateChoice);
            ensure!(
                candidates.iter().all(Candidates::<T>::contains_key),
                Error::<T>::ChoiceNotCandidate
            );
            let old = Votes::<T>::get(&who);
            let old_stake = old.as_ref().map_or_else(Zero::zero, |vote| vote.stake);
            let unlockable_at = Self::session_in(T::VoteLockSessions::get())?;
            let change = Self::stake_change(&who, old_stake, stake, unlockable_at)?;

            if let Some(old) = old {
                Self::uncount(&old)?;
            }
            let vote = Vote { candidates, stake };
            Self::count(&vote)?;
            T::Currency::hold(&HoldReason::Vote.into(), &who, change.hold)?;
            Unlockings::<T>::set(&who, change.unlocking);
            Votes::<T>::insert(&who, &vote);
            Self::deposit_event(Event::Voted { voter: who, candidates: vote.candidates, stake });
            Ok(())
        }

        /// Takes the sender's vote back; its stake leaves the tallies now and waits for the lock
        /// time to be over.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::unvote())]
        pub fn unvote(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let old = Votes::<T>::get(&who).ok_or(Error::<T>::NotVoting)?;
            let unlockable_at = Self::session_in(T::VoteLockSessions::get())?;
            let change = Self::stake_change(&who, old.stake, Zero::zero(), unlockable_at)?;
            Self::uncount(&old)?;
            Votes::<T>::remove(&who);
            Unlockings::<T>::set(&who, change.unlocking);
            Self::deposit_event(Event::Unvoted { voter: who, unlockable_at });
            Ok(())
        }

        /// Releases the coins that the sender has taken out of its votes, once their lock time is
        /// over.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::unlock())]
        pub fn unlock(origin: OriginFor<T>) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let Unlocking { amount, unlockable_at } =
                Unlockings::<T>::get(&who).ok_or(Error::<T>::NothingToUnlock)?;
            ensure!(T::Sessions::session_index() >= unlockable_at, Error::<T>::TooEarlyToUnlock);
            Unlockings::<T>::remove(&who);
            T::Currency::release(&HoldReason::Vote.into(), &who, amount, Precision::Exact)?;
            Self::deposit_event(Event::Unlocked { voter: who, amount });
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            let seats = T::MaxSeats::get();
            assert!(seats > 0, "MaxSeats is 0; a chain needs a bookkeeper");
            assert!(
                seats <= T::MaxCandidates::get(),
                "MaxSeats is above MaxCandidates; the seats could never be filled"
            );
            assert!(
                T::UnbondingSessions::get() >= 2,
                "UnbondingSessions is below 2; a bond could be withdrawn before its last session"
            );
            assert!(
                T::VoteLockSessions::get() >= 1,
                "VoteLockSessions is 0; a coin could be voted twice in one session"
            );
            assert!(!T::MinStake::get().is_zero(), "MinStake is 0; votes would fill the state");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
