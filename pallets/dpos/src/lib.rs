//! Delegated proof of stake: who writes the blocks, chosen by the holders of the coin.
//!
//! # Terminology
//!
//! - **candidate**: an account that bonds coin and asks for a seat
//! - **bookkeeper**: an elected candidate; it authors and finalises blocks while it is seated
//! - **stake**: the coin that a holder has held for its vote or its delegation
//! - **proxy voter**: an account that votes with the stake that others delegate to it
//! - **tally**: the sum of the stakes that vote for an account, delegated ones included
//! - **electoral threshold**: the part of all coin that a tally has to reach to count
//! - **turn**: a slot in which one bookkeeper, by the order of the seats, may author a block
//! - **commission**: the part of its rewards that a bookkeeper keeps; its voters share the rest
//!
//! # Scenario
//!
//! An account registers its session keys and [stands](Call::stand) with a bond. Holders
//! [vote](Call::vote) for up to [`MAX_CHOICES`] candidates, or [delegate](Call::delegate) their
//! stake to an account that has [opened](Call::open_proxy) itself as a proxy voter. As in EOSIO's
//! `eosio.system` (`voteproducer`, `regproxy`), this is approval voting: the whole stake counts
//! for each candidate that is named, and is not divided among them; unlike there, a vote does not
//! lose weight with time. At the start of each session the [`Seats`] candidates with the highest
//! tallies are elected for the session after it. A candidate that [retires](Call::retire) stays
//! seated until then, and [withdraws](Call::withdraw) its bond after the unbonding time, which
//! begins again with each session that it is seated in.
//!
//! A tally below the [`Threshold`] counts as none. Without one that counts, only those can be
//! elected who were named at genesis or elected before, in the order in which they registered, and
//! after all whose tallies count. So a seat that nobody else may have goes to one of them, or stays
//! empty: a newcomer always needs the votes. Whoever has lost its seat, by jail or to another,
//! comes back without them when there is a seat left.
//!
//! Where as many stand as can, one with a higher bond takes the place of the weakest of those
//! without a seat, see [`stand`](Call::stand).
//!
//! A coin never counts twice in one election: it is held while it votes, it leaves the tallies at
//! once when it is taken out of a vote, and it stays held, unable to move to another account,
//! for at least one whole further session until it is [unlocked](Call::unlock).
//!
//! # What the seats cost
//!
//! Bonds return, so they are no price of a seat; the stake that is held for it is. A stake counts
//! in full for each of up to [`MAX_CHOICES`] candidates, so it is one stake that takes all their
//! seats and not one for each: at least the threshold, and more than the tally of each candidate
//! that it is to displace. It has to stay for as long as they are to sit: once it is below the
//! threshold, the first bookkeepers have their seats back. Of 21 seats 7 stop finality and 15
//! decide it alone, and one vote can name as many. As long as no others have tallies that count, the
//! threshold is the whole price: votes for an honest candidate raise it from the threshold on.
//!
//! # Rewards
//!
//! Fees, tips and dust collect on the pot's account, see [`FeesToPot`]. At the end of a
//! session they go to its bookkeepers by blocks authored, and from them, after commission, to those
//! whose stake is in their tallies at that moment, through proxy voters too. Everyone
//! [claims](Call::claim) what it has earned. No coin is made for rewards.
//!
//! # Turns and offences
//!
//! A turn without a block counts against the bookkeeper whose turn it was, unless a whole round or
//! more went by without a block: then the chain stood still, and nobody is blamed. Who misses
//! [`MISSED_TURNS_TO_JAIL`] turns in a row, with no block between them, goes to jail: it
//! loses its turns and cannot be elected before it comes back with [`unjail`](Call::unjail).
//! Who is proven to have signed two different blocks or votes where it may sign one is barred for
//! good and loses a part of its bond; the runtime's pallet of offences brings the proofs. Neither
//! goes below [`MinBookkeepers`](Config::MinBookkeepers), nor takes the turns of more bookkeepers
//! than finality can do without.
//!
//! # Data
//!
//! Tallies belong to accounts, not to candidacies: votes for a candidate that retires stay in its
//! tally without effect until their voters change them, and count again if it stands again.
//! Likewise a delegation stays with a proxy voter that closes.
//!
//! # Genesis
//!
//! [`GenesisConfig`] names the first candidates in order. Nobody has voted yet, so every tally
//! is zero and this order decides who is seated first; the threshold keeps them seated until
//! holders have voted. The pallet must come after the balances and the authorship pallet, and
//! before the session pallet, which asks for the first election when it is built, and before the
//! pallet that knows the slots.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod calls;
mod election;
mod errors;
mod events;
mod fees;
mod ledger;
mod offences;
mod proxies;
mod rewards;
mod room;
mod shares;
mod traits;
mod turns;
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

pub use fees::{FeeOf, FeesToPot};
pub use pallet::*;
pub use shares::{Earned, RewardPool, FRACTION_BITS};
pub use traits::{BlockAuthor, Seating, SkippedSlots};
pub use types::{
    Candidate, Choices, Commission, CommissionChange, Delegation, Leaving, ProxyVoter, StakeChange,
    Standing, Unlocking, Vote, MAX_CHOICES,
};
pub use weights::WeightInfo;

use frame_support::{pallet_macros::import_section, traits::fungible::Inspect};

/// Amount of the coin that bonds and stakes are held in.
pub type BalanceOf<T> =
    <<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// Missed turns in a row that jail a bookkeeper.
pub const MISSED_TURNS_TO_JAIL: u32 = 10;

/// Delegated proof of stake: the holders of the coin vote for those who write the blocks, themselves or
/// through proxy voters, and share their fees.
#[import_section(calls::calls)]
#[import_section(errors::errors)]
#[import_section(events::events)]
#[frame_support::pallet]
pub mod pallet {
    use alloc::{collections::BTreeSet, vec::Vec};

    use frame_support::{
        pallet_prelude::*,
        traits::{
            fungible::{
                hold::{Balanced as BalancedHold, Mutate as MutateHold},
                Mutate,
            },
            tokens::{Precision, Preservation},
            EnsureOrigin, NoDrop, OnUnbalanced, ValidatorRegistration, ValidatorSet,
        },
        PalletId,
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::{traits::Zero, Perbill};
    use sp_staking::SessionIndex;

    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Holds bonds and stakes, and pays the rewards.
        type Currency: MutateHold<Self::AccountId, Balance = u128, Reason = Self::RuntimeHoldReason>
            + BalancedHold<Self::AccountId>
            + Mutate<Self::AccountId>;

        /// The runtime's reasons of holds.
        type RuntimeHoldReason: From<HoldReason>;

        /// Receives what is slashed. It must be none of those who could have the bonds of others
        /// slashed, or their own: a bond may be of coin that is locked, and would come out free.
        type Slashed: OnUnbalanced<FeeOf<Self>>;

        /// Knows the current session, who is seated in it and in the next one, and who has session
        /// keys.
        type Sessions: ValidatorSet<Self::AccountId, ValidatorId = Self::AccountId>
            + ValidatorRegistration<Self::AccountId>
            + Seating<Self::AccountId>;

        /// Knows the author of the block.
        type Author: BlockAuthor<Self::AccountId>;

        /// Knows the slots without a block.
        type Slots: SkippedSlots;

        /// Who may set the number of seats.
        type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// Account on which fees collect and rewards wait to be claimed.
        #[pallet::constant]
        type PotId: Get<PalletId>;

        /// Smallest bond of a candidate.
        #[pallet::constant]
        type MinBond: Get<BalanceOf<Self>>;

        /// Smallest stake of a vote or a delegation, and the deposit of a proxy voter; it pays for
        /// the state that they take.
        #[pallet::constant]
        type MinStake: Get<BalanceOf<Self>>;

        /// Most candidates at one time; bounds the work of an election. Further ones need a higher
        /// bond than the weakest, whose place they take.
        #[pallet::constant]
        type MaxCandidates: Get<u32>;

        /// Most seats that the consensus pallets can take.
        #[pallet::constant]
        type MaxSeats: Get<u32>;

        /// Part of the total issuance that has to vote for a candidate before it is elected for the
        /// first time, on a chain whose genesis sets no [`Threshold`] of its own.
        ///
        /// At genesis nobody has voted. Without a threshold, candidates with a vote of the smallest
        /// stake would take all seats in the first election. Votes at genesis would be no better:
        /// they bind coin of holders who have not said whom they want, and each of them can be
        /// taken back in the first block. It should be little for all holders together, and so much
        /// for one that it cannot be had unnoticed.
        type ElectoralThreshold: Get<Perbill>;

        /// Fewest bookkeepers that are elected or keep their turns; all of them, where there are
        /// fewer seats. If fewer candidates can be elected, the seated bookkeepers stay.
        #[pallet::constant]
        type MinBookkeepers: Get<u32>;

        /// Sessions from retiring, or after the last one in which it was seated, to the release of
        /// the bond; at least two, for one that retires may be elected for the next session.
        #[pallet::constant]
        type UnbondingSessions: Get<SessionIndex>;

        /// Sessions from the end of a vote to the release of its stake, at least one.
        #[pallet::constant]
        type VoteLockSessions: Get<SessionIndex>;

        /// Highest commission.
        #[pallet::constant]
        type MaxCommission: Get<Perbill>;

        /// Sessions until a change of a commission counts, at least one.
        #[pallet::constant]
        type CommissionDelay: Get<SessionIndex>;

        /// Blocks that a bookkeeper spends in jail at least.
        type JailLength: Get<BlockNumberFor<Self>>;

        /// Part of the bond that a barred bookkeeper loses.
        #[pallet::constant]
        type SlashFraction: Get<Perbill>;

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

    /// Accounts that are no candidates any more and whose bond is still held. Those of them that
    /// are still seated wait for longer with each session.
    #[pallet::storage]
    pub type Retired<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Leaving<BalanceOf<T>>>;

    /// The vote of each voter.
    #[pallet::storage]
    pub type Votes<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Vote<T::AccountId, BalanceOf<T>>>;

    /// Proxy voters: the open ones, and closed ones with which stake of others is left.
    #[pallet::storage]
    pub type ProxyVoters<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, ProxyVoter<BalanceOf<T>>>;

    /// What each holder has delegated. Nobody both votes and delegates.
    #[pallet::storage]
    pub type Delegations<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Delegation<T::AccountId, BalanceOf<T>>>;

    /// Coins that were taken out of votes and delegations and are still held.
    #[pallet::storage]
    pub type Unlockings<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Unlocking<BalanceOf<T>>>;

    /// Sum of the stakes that vote for an account; no entry is zero.
    #[pallet::storage]
    pub type Tallies<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BalanceOf<T>, ValueQuery>;

    /// Number of bookkeepers in a session.
    #[pallet::storage]
    pub type Seats<T: Config> = StorageValue<_, u32, ValueQuery, T::MaxSeats>;

    /// Part of the total issuance that a tally has to reach to count, in parts of a billion.
    #[pallet::storage]
    pub type Threshold<T: Config> = StorageValue<_, Perbill, ValueQuery, T::ElectoralThreshold>;

    /// Fees that are too little for the pot's account as long as it does not exist.
    #[pallet::storage]
    pub type CarriedFees<T: Config> = StorageValue<_, NoDrop<FeeOf<T>>>;

    /// Blocks of the running session by author; no entry is zero.
    #[pallet::storage]
    pub type Authored<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// What the voters of each bookkeeper have been given so far.
    #[pallet::storage]
    pub type RewardPools<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, RewardPool, ValueQuery>;

    /// What each account has earned up to the figure that its vote or delegation is credited to, and
    /// not claimed; no entry is zero, nor less than a unit without a vote or a delegation.
    #[pallet::storage]
    pub type Earnings<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Earned, ValueQuery>;

    /// Parts of a unit that accounts without a vote or a delegation left behind, which are less
    /// than a unit together, in 2^-64 of a unit of coin. A unit of them is shared anew.
    #[pallet::storage]
    pub type Remainder<T: Config> = StorageValue<_, u64, ValueQuery>;

    /// Coin on the pot's account that belongs to those who have earned it. What is there beyond it
    /// and the existential deposit are the fees of the running session.
    #[pallet::storage]
    pub type Owed<T: Config> = StorageValue<_, BalanceOf<T>, ValueQuery>;

    /// Turns that a bookkeeper has missed since its last block; no entry is zero.
    #[pallet::storage]
    pub type Missed<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// Accounts in jail, with the first block at which they can come back.
    #[pallet::storage]
    pub type Jailed<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, BlockNumberFor<T>>;

    /// Accounts that can never stand again.
    #[pallet::storage]
    pub type Barred<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, ()>;

    /// Whether the next block has to look for seated bookkeepers that are barred or in jail and
    /// have turns.
    #[pallet::storage]
    pub type SeatsToCheck<T: Config> = StorageValue<_, bool, ValueQuery>;

    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// First candidates with their bonds, which are held on their accounts; their order
        /// decides ties.
        pub candidates: Vec<(T::AccountId, BalanceOf<T>)>,
        /// Number of bookkeepers in a session, from one to `MaxSeats`.
        pub seats: u32,
        /// Commission of the first candidates, in parts of a billion.
        pub commission: Perbill,
        /// Part of the total issuance that has to vote for any other candidate before it is elected
        /// for the first time, in parts of a billion.
        pub threshold: Perbill,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self {
                candidates: Vec::new(),
                seats: T::MaxSeats::get(),
                commission: Perbill::zero(),
                threshold: T::ElectoralThreshold::get(),
            }
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
            Threshold::<T>::put(self.threshold);
            for (who, bond) in &self.candidates {
                if let Err(refusal) =
                    Pallet::<T>::admit(who, *bond, self.commission, Standing::Founder)
                {
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
        /// The stake of a vote or a delegation, until it is unlocked.
        #[codec(index = 1)]
        Vote,
        /// The deposit of a proxy voter, while it is open.
        #[codec(index = 2)]
        ProxyVoter,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            let missed = Self::note_turns(T::Author::author(), T::Slots::skipped());
            let weight = T::WeightInfo::note_turns(missed);
            if !SeatsToCheck::<T>::take() {
                return weight;
            }
            Self::disable_excluded();
            weight.saturating_add(T::WeightInfo::disable_excluded())
        }

        fn integrity_test() {
            let seats = T::MaxSeats::get();
            assert!(seats > 0, "MaxSeats is 0; a chain needs a bookkeeper");
            assert!(
                seats <= T::MaxCandidates::get(),
                "MaxSeats is above MaxCandidates; the seats could never be filled"
            );
            assert!(
                (1..=seats).contains(&T::MinBookkeepers::get()),
                "MinBookkeepers is 0 or above MaxSeats; nobody could be elected, or an election \
                 could leave nobody"
            );
            assert!(
                T::UnbondingSessions::get() >= 2,
                "UnbondingSessions is below 2; a bond could be withdrawn before its last session"
            );
            assert!(
                T::VoteLockSessions::get() >= 1,
                "VoteLockSessions is 0; a coin could be voted twice in one session"
            );
            assert!(
                T::CommissionDelay::get() >= 1,
                "CommissionDelay is 0; a bookkeeper could keep what its voters have counted on"
            );
            assert!(!T::MinStake::get().is_zero(), "MinStake is 0; votes would fill the state");
            assert!(!T::MinBond::get().is_zero(), "MinBond is 0; candidates would cost nothing");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
