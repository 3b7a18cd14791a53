//! Announcements: what publishers want, for as long as they pay a deposit for the space.
//!
//! # Terminology
//!
//! - **Announcement**: a bounded body that says what a publisher needs, offers, and where it
//!   listens. Its id is the hash of the chain, the publisher and the body.
//! - **Stamp**: proof of work on the id. The chain asks for a minimum; providers may ask for more.
//! - **Lifetime**: how many blocks it stands. In block `expires_at` it stands no longer.
//! - **Walk**: the work of expiry in one block, bounded in steps.
//!
//! # Scenario
//!
//! A publisher with a mined identity stamps a body and sends `announce`. A deposit by size is held
//! on its account. Providers read the announcement and dial. It goes when the publisher cancels
//! it, or by itself when its lifetime is over; either way the deposit is released, and the state
//! is what it was before.
//!
//! # Data
//!
//! [`Announcements`] by id; [`ExpiringAt`], the ids that expire in a block; [`Overdue`], the oldest
//! block whose expiry is unfinished, absent while there is none. The steps of expiry in a block are
//! bounded; what is left over is carried to the next block. What an account may announce at a time is
//! bounded by what it has on hold for it.
//!
//! # Calls
//!
//! [`announce`](Pallet::announce), [`cancel`](Pallet::cancel).

#![cfg_attr(not(feature = "std"), no_std)]
#![allow(clippy::large_enum_variant, reason = "a call is decoded once and not kept")]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

use frame_support::{
    pallet_prelude::*,
    traits::{
        fungible::{InspectHold, MutateHold},
        tokens::Precision,
        Defensive,
    },
};
use frame_system::pallet_prelude::*;
use sp_runtime::traits::{CheckedAdd, One, Zero};
use zennet_primitives::{
    amount::Balance,
    announcement::{Announcement, AnnouncementError, AnnouncementId, MAX_ANNOUNCEMENT_BYTES},
    pow::{self, Difficulty, PowNonce},
    record::AnnouncementRecord,
    AccountId, Hash,
};

pub use pallet::*;
pub use types::{deposit_for, KnownPublisher, Walk};
pub use weights::WeightInfo;

/// Announcements: tasks for which publishers look for machines. Each stands for a number of blocks
/// and leaves nothing behind in the state.
#[frame_support::pallet]
pub mod pallet {
    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId, Hash = Hash> {
        /// Where deposits are held.
        type Currency: MutateHold<AccountId, Balance = Balance, Reason = Self::RuntimeHoldReason>;

        /// Hold reasons of the runtime.
        type RuntimeHoldReason: From<HoldReason>;

        /// Who may announce.
        type Identities: KnownPublisher;

        /// Work that the chain asks of a stamp: expected number of hashes.
        #[pallet::constant]
        type MinStampDifficulty: Get<Difficulty>;

        /// Longest lifetime, blocks.
        #[pallet::constant]
        type MaxLifetime: Get<BlockNumberFor<Self>>;

        /// The most that an account may have on hold for its announcements, in the smallest coin
        /// unit. Deposits are by size, so this bounds the space that they take.
        #[pallet::constant]
        type MaxDeposit: Get<Balance>;

        /// Announcements that may expire in one block.
        #[pallet::constant]
        type MaxExpiringPerBlock: Get<u32>;

        /// Steps of expiry that one block takes, at least 2: a block of the index looked at and an
        /// announcement pruned are a step each.
        #[pallet::constant]
        type MaxStepsPerBlock: Get<u32>;

        /// Part of the deposit that does not depend on size, in the smallest coin unit.
        #[pallet::constant]
        type DepositBase: Get<Balance>;

        /// Deposit for each byte of the encoded body, in the smallest coin unit.
        #[pallet::constant]
        type DepositPerByte: Get<Balance>;

        /// Weights of this pallet.
        type WeightInfo: WeightInfo;
    }

    /// Standing announcements by their identifiers.
    #[pallet::storage]
    pub type Announcements<T: Config> =
        StorageMap<_, Identity, AnnouncementId, AnnouncementRecord<BlockNumberFor<T>>, OptionQuery>;

    /// Announcements by the block in which they expire.
    #[pallet::storage]
    pub type ExpiringAt<T: Config> = StorageMap<
        _,
        Twox64Concat,
        BlockNumberFor<T>,
        BoundedVec<AnnouncementId, T::MaxExpiringPerBlock>,
        ValueQuery,
    >;

    /// Oldest block whose announcements have expired and are not all removed yet.
    #[pallet::storage]
    pub type Overdue<T: Config> = StorageValue<_, BlockNumberFor<T>, OptionQuery>;

    /// Why this pallet holds coin.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// Deposit for the space that an announcement takes.
        #[codec(index = 0)]
        Announcement,
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A publisher announced a task.
        Announced {
            /// Which announcement.
            id: AnnouncementId,
            /// Who announced.
            publisher: AccountId,
            /// First block in which it no longer stands.
            expires_at: BlockNumberFor<T>,
        },
        /// A publisher took its announcement back.
        Cancelled {
            /// Which announcement.
            id: AnnouncementId,
        },
        /// The lifetime of an announcement is over.
        Expired {
            /// Which announcement.
            id: AnnouncementId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The encoded body has more than 512 bytes: shorten texts and images.
        TooLarge,
        /// The body asks for no machine.
        NoMachines,
        /// The lease range must have 0 < min <= max.
        BadLeaseRange,
        /// The payment interval must be from 500 to 3,600,000 milliseconds, of either sign.
        BadInterval,
        /// The body has no endpoint.
        NoEndpoint,
        /// The lifetime must be from 1 to `MaxLifetime` blocks.
        BadLifetime,
        /// The publisher has no mined identity: register one first.
        UnknownPublisher,
        /// The work of the stamp is below `MinStampDifficulty`: go on mining.
        StampInsufficient,
        /// This publisher's announcement of this very body stands: change its task number.
        AlreadyAnnounced,
        /// The publisher would have more than `MaxDeposit` on hold: cancel an announcement or wait
        /// until one expires.
        TooMuchOnHold,
        /// No more announcements may expire in that block: ask for another lifetime.
        ExpiryBlockFull,
        /// The deposit does not fit in 128 bits.
        DepositOverflow,
        /// No such announcement stands.
        NotFound,
        /// The announcement is another publisher's.
        NotPublisher,
        /// Images, the information URL and the endpoint must be printable ASCII without spaces.
        NotPrintable,
    }

    #[pallet::call(weight(<T as Config>::WeightInfo))]
    impl<T: Config> Pallet<T> {
        /// Announces a task and holds a deposit by its size, until it expires or is cancelled. For
        /// accounts with a mined identity as a publisher.
        ///
        /// The identifier is the BLAKE2b-256 hash of `zennet/announcement/v1`, the hash of the
        /// first block, the publisher and the body.
        ///
        /// - `body`: what the machines must have, what is paid and where the publisher listens.
        /// - `lifetime`: how long it stands, from 1 to `MaxLifetime` blocks.
        /// - `stamp`: the nonce with which the BLAKE2b-256 hash of `zennet/stamp/v1`, the
        ///   identifier and the nonce meets `MinStampDifficulty`.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::announce(T::MaxExpiringPerBlock::get()))]
        pub fn announce(
            origin: OriginFor<T>,
            body: Announcement,
            lifetime: BlockNumberFor<T>,
            stamp: PowNonce,
        ) -> DispatchResultWithPostInfo {
            let publisher = ensure_signed(origin)?;
            body.check().map_err(Error::<T>::from)?;
            let expires_at = Self::expiry_of(lifetime)?;
            ensure!(T::Identities::is_known(&publisher), Error::<T>::UnknownPublisher);

            let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
            let id = body.id(genesis, &publisher);
            ensure!(
                pow::meets(pow::stamp_work(id, stamp), T::MinStampDifficulty::get()),
                Error::<T>::StampInsufficient
            );
            ensure!(!Announcements::<T>::contains_key(id), Error::<T>::AlreadyAnnounced);
            let deposit =
                deposit_for(T::DepositBase::get(), T::DepositPerByte::get(), body.encoded_size())
                    .ok_or(Error::<T>::DepositOverflow)?;

            Self::hold(&publisher, deposit)?;
            let others = ExpiringAt::<T>::decode_len(expires_at).unwrap_or_default();
            // Adds to the encoded list. One that is full undoes the hold, as every error does.
            ExpiringAt::<T>::try_append(expires_at, id)
                .map_err(|()| Error::<T>::ExpiryBlockFull)?;
            let record = AnnouncementRecord {
                publisher: publisher.clone(),
                body,
                stamp,
                expires_at,
                deposit,
            };
            Announcements::<T>::insert(id, record);
            Self::deposit_event(Event::Announced { id, publisher, expires_at });
            Ok(Some(T::WeightInfo::announce(others as u32)).into())
        }

        /// Takes an announcement back and releases its deposit. For its publisher.
        ///
        /// - `id`: which announcement.
        #[pallet::call_index(1)]
        pub fn cancel(origin: OriginFor<T>, id: AnnouncementId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let record = Announcements::<T>::get(id).ok_or(Error::<T>::NotFound)?;
            ensure!(record.publisher == who, Error::<T>::NotPublisher);

            ExpiringAt::<T>::mutate_exists(record.expires_at, |index| {
                let Some(ids) = index else { return };
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    *index = None;
                }
            });
            Self::remove(id, &record)?;
            Self::deposit_event(Event::Cancelled { id });
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            Self::expire(now)
        }

        fn integrity_test() {
            assert!(T::MaxStepsPerBlock::get() >= 2, "expiry must get on in every block");
            assert!(T::MaxExpiringPerBlock::get() > 0, "announcements must be able to expire");
            assert!(!T::MaxLifetime::get().is_zero(), "announcements must be able to stand");
            let (base, per_byte) = (T::DepositBase::get(), T::DepositPerByte::get());
            let largest = deposit_for(base, per_byte, MAX_ANNOUNCEMENT_BYTES);
            assert!(
                largest.is_some_and(|deposit| deposit <= T::MaxDeposit::get()),
                "publishers must be able to announce the largest body"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state(now)
        }
    }
}

impl<T> From<AnnouncementError> for Error<T> {
    fn from(error: AnnouncementError) -> Self {
        match error {
            AnnouncementError::TooLarge(_) => Error::TooLarge,
            AnnouncementError::NoMachines => Error::NoMachines,
            AnnouncementError::BadLeaseRange => Error::BadLeaseRange,
            AnnouncementError::BadInterval => Error::BadInterval,
            AnnouncementError::NoEndpoint => Error::NoEndpoint,
            AnnouncementError::NotPrintable => Error::NotPrintable,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// The block in which an announcement made now for `lifetime` blocks stands no longer.
    fn expiry_of(lifetime: BlockNumberFor<T>) -> Result<BlockNumberFor<T>, Error<T>> {
        let bounds = BlockNumberFor::<T>::one()..=T::MaxLifetime::get();
        ensure!(bounds.contains(&lifetime), Error::BadLifetime);
        let now = frame_system::Pallet::<T>::block_number();
        now.checked_add(&lifetime).ok_or(Error::BadLifetime)
    }

    /// Holds the deposit of one more announcement, within what an account may have on hold.
    fn hold(publisher: &AccountId, deposit: Balance) -> DispatchResult {
        let reason = HoldReason::Announcement.into();
        let held = T::Currency::balance_on_hold(&reason, publisher).checked_add(deposit);
        ensure!(held.is_some_and(|held| held <= T::MaxDeposit::get()), Error::<T>::TooMuchOnHold);
        T::Currency::hold(&reason, publisher, deposit)
    }

    /// Releases the deposit and forgets the announcement; the index is the caller's.
    fn remove(
        id: AnnouncementId,
        record: &AnnouncementRecord<BlockNumberFor<T>>,
    ) -> DispatchResult {
        // Whatever may have been slashed meanwhile cannot be released.
        let (reason, publisher) = (HoldReason::Announcement.into(), &record.publisher);
        T::Currency::release(&reason, publisher, record.deposit, Precision::BestEffort)?;
        Announcements::<T>::remove(id);
        Ok(())
    }

    /// Prunes what is due, within the steps of one block.
    fn expire(now: BlockNumberFor<T>) -> Weight {
        let overdue = Overdue::<T>::get();
        let mut walk = Walk { at: overdue.unwrap_or(now), steps: T::MaxStepsPerBlock::get() };
        let (mut looks, mut pruned) = (0u64, 0u32);
        while walk.may_look(now) {
            let mut ids = ExpiringAt::<T>::get(walk.at);
            let stay = ids.len().saturating_sub(walk.look(ids.len()));
            looks = looks.saturating_add(1);
            for id in ids.iter().skip(stay) {
                Self::prune(*id);
                pruned = pruned.saturating_add(1);
            }
            if stay > 0 {
                ids.truncate(stay);
                ExpiringAt::<T>::insert(walk.at, ids);
                break;
            }
            ExpiringAt::<T>::remove(walk.at);
            walk.advance();
        }
        let left_over = Some(walk.at).filter(|at| *at <= now);
        if left_over != overdue {
            Overdue::<T>::set(left_over);
        }
        // The base of the measured weight has one look in it.
        T::WeightInfo::expire(pruned)
            .saturating_add(T::WeightInfo::look().saturating_mul(looks.saturating_sub(1)))
    }

    fn prune(id: AnnouncementId) {
        let Some(record) = Announcements::<T>::get(id).defensive() else { return };
        if Self::remove(id, &record).defensive().is_ok() {
            Self::deposit_event(Event::Expired { id });
        }
    }

    /// Checks that index and holds agree with the announcements.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn do_try_state(now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
        let oldest = Overdue::<T>::get();
        ensure!(oldest.is_none_or(|at| at <= now), "expiry is overdue from a future block");
        let mut indexed = 0usize;
        for (at, ids) in ExpiringAt::<T>::iter() {
            ensure!(!ids.is_empty(), "an empty index was left behind");
            ensure!(at > now || oldest.is_some_and(|o| o <= at), "an index was passed over");
            for id in &ids {
                let record = Announcements::<T>::get(id).ok_or("the index names a stranger")?;
                ensure!(record.expires_at == at, "an announcement is in the wrong index");
            }
            indexed = indexed.saturating_add(ids.len());
        }
        ensure!(indexed == Announcements::<T>::iter_keys().count(), "the index is incomplete");
        let mut deposits = alloc::collections::BTreeMap::<AccountId, Balance>::new();
        for record in Announcements::<T>::iter_values() {
            let sum = deposits.entry(record.publisher).or_default();
            *sum = sum.checked_add(record.deposit).ok_or("the deposits overflow")?;
        }
        for who in frame_system::Account::<T>::iter_keys() {
            let held = T::Currency::balance_on_hold(&HoldReason::Announcement.into(), &who);
            let sum = deposits.remove(&who).unwrap_or_default();
            ensure!(held == sum, "the hold differs from the deposits");
        }
        ensure!(deposits.is_empty(), "a publisher has no account");
        Ok(())
    }
}
