//! Evidence of equivocation: proof that a bookkeeper signed two things of which it may sign one.
//!
//! # Terminology
//!
//! - **author key**: the Aura key with which a bookkeeper seals its blocks
//! - **voter key**: the GRANDPA key with which it votes for blocks to be final
//! - **equivocation**: two different blocks for one slot, sealed with the same author key; or two
//!   different votes in one round, signed with the same voter key
//! - **offence**: a proven equivocation, as `pallet-offences` keeps it
//!
//! # Scenario
//!
//! A node that sees two blocks of one author for one slot sends both headers with
//! [`report`](Call::report). Whoever had the key in that time is named to the handler of offences,
//! which decides what it costs. Two votes are reported through `pallet-grandpa`, which asks this
//! pallet whose key it was.
//!
//! # Whose key it was
//!
//! [`NoteKeys`] stands between the session pallet and its handlers and notes the keys of each session
//! when it begins: those that are in force, not those that an account has set meanwhile for a later
//! session. Setting new keys is therefore no way out. No proof of ownership has to be brought: the
//! chain knows the owners of all keys for as long as a bond is held.
//!
//! # A report
//!
//! Signing is not needed and nothing is charged: a report is checked in full before it enters a pool,
//! and again when it runs. The first report about a bookkeeper counts; it is barred for good by it, so
//! that a second one would change nothing and is refused. Otherwise one with nothing to lose could
//! fill blocks with evidence against itself.
//!
//! Two headers are different blocks if their hashes differ, the seal included. A seal is a signature
//! that nobody but the owner of the key can turn into another one (it is strongly unforgeable), but
//! bytes can be appended to it by anybody: therefore a seal counts only in its exact length.
//!
//! Nothing in a header names its chain, so keys must never be used on two chains.
//!
//! # Data
//!
//! [`Keys`] and [`Since`] for each session that evidence is taken of; [`Equivocators`].

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod api;
mod evidence;
mod keys;
mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use api::*;
pub use keys::NoteKeys;
pub use pallet::*;
pub use types::{AuthorKey, BlockEquivocation, Judgement, Offender, Seal, Seat, VoterKey};
pub use weights::WeightInfo;

use frame_system::pallet_prelude::HeaderFor;
use sp_consensus_slots::EquivocationProof;

/// Most bytes that a report has. The rule on digests keeps every block's header below half of it.
pub const MAX_EVIDENCE_BYTES: usize = 32 * 1024;

/// Two blocks for one slot.
pub type ProofOf<T> = EquivocationProof<HeaderFor<T>, AuthorKey>;

/// Evidence of equivocation: proof that a bookkeeper wrote two blocks for one slot, or signed two
/// votes in one round. Reporting it costs nothing.
#[frame_support::pallet]
pub mod pallet {
    use alloc::vec::Vec;

    use frame_support::{pallet_prelude::*, traits::Contains};
    use frame_system::{pallet_prelude::*, RawOrigin};
    use sp_consensus_aura::{Slot, AURA_ENGINE_ID};
    use sp_staking::{offence::ReportOffence, SessionIndex};

    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Most bookkeepers that a session has.
        #[pallet::constant]
        type MaxSeats: Get<u32>;

        /// Sessions for which evidence is taken, besides the current one: as long as bonds are held
        /// after they were retired.
        #[pallet::constant]
        type EvidenceSessions: Get<SessionIndex>;

        /// The session that is in progress.
        type CurrentSession: Get<SessionIndex>;

        /// The slot of this block, or of its parent while this block is being initialised.
        type CurrentSlot: Get<Slot>;

        /// Keeps offences and has them punished.
        type Offences: ReportOffence<
            Self::AccountId,
            Offender<Self::AccountId>,
            BlockEquivocation<Offender<Self::AccountId>>,
        >;

        /// Accounts that lost their seat for good. More votes of theirs are no evidence: each round would
        /// be an offence of its own, and cost them nothing.
        type Barred: Contains<Self::AccountId>;

        /// Weights of this pallet.
        type WeightInfo: WeightInfo;
    }

    /// The bookkeepers of each session with the keys that were in force in it.
    #[pallet::storage]
    pub type Keys<T: Config> = StorageMap<
        _,
        Twox64Concat,
        SessionIndex,
        BoundedVec<Seat<T::AccountId>, T::MaxSeats>,
        OptionQuery,
    >;

    /// Slot of the last block before each session.
    #[pallet::storage]
    pub type Since<T: Config> = StorageMap<_, Twox64Concat, SessionIndex, Slot, OptionQuery>;

    /// Accounts that were proved to have written two blocks for one slot, and the slot.
    #[pallet::storage]
    pub type Equivocators<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Slot, OptionQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A bookkeeper was proved to have written two blocks for one slot.
        Equivocated {
            /// Whose author key sealed both.
            account: T::AccountId,
            /// The slot.
            slot: Slot,
            /// Session in which the key was in force.
            session: SessionIndex,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The report is larger than two headers can be.
        TooLarge,
        /// Both headers are the same block.
        SameBlock,
        /// A header does not end with a seal of Aura in its exact length.
        NotSealed,
        /// A header names another slot, or none, or several.
        OtherSlot,
        /// A seal was not made with the key that is accused.
        BadSeal,
        /// Nothing is known of the session: it is too old, or has not begun.
        UnknownSession,
        /// The slot is not of the session or of one beside it.
        OtherSession,
        /// The key was not in force in the session.
        NotSeated,
        /// The bookkeeper was proved to have equivocated before.
        AlreadyReported,
    }

    #[pallet::call(weight(<T as Config>::WeightInfo))]
    impl<T: Config> Pallet<T> {
        /// Reports that the author key `offender` of `proof` sealed two different blocks for one slot.
        /// `session` is one in which the key was in force; the slot is of it or of one beside it.
        ///
        /// Sent as a general transaction, without signature and fee; or signed, and then the fee
        /// returns if the report is sound.
        #[pallet::call_index(0)]
        #[pallet::authorize(Self::authorize_report)]
        pub fn report(
            origin: OriginFor<T>,
            proof: ProofOf<T>,
            session: SessionIndex,
        ) -> DispatchResultWithPostInfo {
            let reporters = Self::ensure_reporters(origin)?;
            let offence = Self::examine(&proof, session)?;
            let (account, slot) = (offence.offender.0.clone(), offence.slot);
            T::Offences::report_offence(reporters, offence)
                .map_err(|_| Error::<T>::AlreadyReported)?;
            Equivocators::<T>::insert(&account, slot);
            Self::deposit_event(Event::Equivocated { account, slot, session });
            Ok(Pays::No.into())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Refuses a block whose header carries more than its slot from before its execution.
        ///
        /// What the execution adds is bounded by the number of seats. Without this rule an author
        /// could make its headers larger than any evidence may be. The refusal is a panic, as that of
        /// `pallet-aura` is: a block has no other way to be invalid.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            let digest = frame_system::Pallet::<T>::digest();
            let mut carried = digest.logs.iter().filter_map(|item| item.as_pre_runtime());
            if let Some((engine, data)) = carried.next() {
                let is_slot = engine == AURA_ENGINE_ID && data.len() == Slot::max_encoded_len();
                assert!(is_slot, "a header carries something else than its slot");
            }
            assert!(carried.next().is_none(), "a header carries more than its slot");
            // The digest is in memory throughout the block.
            Weight::zero()
        }

        fn integrity_test() {
            let seats = T::MaxSeats::get() as usize;
            assert!(seats > 0, "somebody must be seated");
            assert!(T::EvidenceSessions::get() > 0, "evidence must be taken for some sessions");
            // The changes of both sets and the disabling of each seat, in one header.
            assert!(
                seats * 128 + 1024 <= MAX_EVIDENCE_BYTES / 2,
                "two headers that name every seat must fit into a report"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Who sent a report: nobody is named by one without signature.
        fn ensure_reporters(origin: OriginFor<T>) -> Result<Vec<T::AccountId>, DispatchError> {
            let raw: Result<RawOrigin<T::AccountId>, _> = origin.into();
            match raw {
                Ok(RawOrigin::Authorized) => Ok(Vec::new()),
                Ok(RawOrigin::Signed(who)) => Ok(alloc::vec![who]),
                _ => Err(DispatchError::BadOrigin),
            }
        }
    }
}
