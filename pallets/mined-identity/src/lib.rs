//! Mined identities: accounts that proved work once.
//!
//! # Terminology
//!
//! - **Role**: what an identity is for, publisher or provider. Each has a difficulty of its own.
//! - **Anchor**: a recent block, whose hash goes into the work, so that nothing is mined ahead.
//! - **Epoch**: a number of blocks, after which the difficulty of a role is retargeted. It ends
//!   early when [`pow::MAX_CHANGE`] times the registrations wanted are there, so that those who
//!   come all at once do not pay the price of those before them.
//!
//! # Scenario
//!
//! An account that owns nothing takes the hash of a recent block, searches a nonce whose
//! [`pow::identity_work`] meets the difficulty of the role, and sends `register` as a general
//! transaction: no signature, no fee. The work is the price. The rules are checked before the
//! transaction enters a pool, and again when it runs.
//!
//! # Flooding
//!
//! A pool holds one registration of each account and role, only while the anchor is good, at the
//! lowest priority, so that transactions which pay a fee go first. A block takes in a bounded
//! number of them.
//!
//! # Data
//!
//! [`Identities`] by role and account; [`Difficulties`] and [`Epochs`] by role;
//! [`RegisteredInBlock`], the tally of the last block that had a registration.
//!
//! # Calls
//!
//! [`register`](Pallet::register), the only one.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

use frame_support::pallet_prelude::*;
use frame_system::{ensure_authorized, pallet_prelude::*};
use sp_runtime::traits::Zero;
use zennet_primitives::{
    pow::{self, Difficulty, Epoch, PowNonce, Role},
    record::IdentityRecord,
    AccountId, Hash,
};

pub use pallet::*;
pub use types::{Anchor, BlockTally};
pub use weights::WeightInfo;

/// Every role, in the order of its encoding.
pub const ROLES: [Role; 2] = [Role::Publisher, Role::Provider];

/// Answers whether an account has proved its work.
pub trait MinedIdentities {
    /// Whether `account` has an identity in `role`.
    fn is_mined(role: Role, account: &AccountId) -> bool;
}

/// Mined identities: accounts that proved work once, as a publisher or as a provider of machines.
/// Registering costs no coin; the work is the price.
#[frame_support::pallet]
pub mod pallet {
    use super::*;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId, Hash = Hash> {
        /// How many blocks an anchor, the block whose hash is mined on, is good for.
        #[pallet::constant]
        type AnchorWindow: Get<BlockNumberFor<Self>>;

        /// Blocks between two retargetings of a role, unless registrations are very many.
        #[pallet::constant]
        type EpochLength: Get<BlockNumberFor<Self>>;

        /// Registrations wanted in an epoch, for each role.
        #[pallet::constant]
        type WantedPerEpoch: Get<u32>;

        /// Difficulty below which no retargeting goes, so that quiet times do not make identities
        /// free: expected number of hashes.
        #[pallet::constant]
        type MinDifficulty: Get<Difficulty>;

        /// Registrations that one block takes in, both roles together.
        #[pallet::constant]
        type MaxPerBlock: Get<u32>;

        /// Weights of this pallet.
        type WeightInfo: WeightInfo;
    }

    /// Mined identities by role and account.
    #[pallet::storage]
    pub type Identities<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        Role,
        Blake2_128Concat,
        AccountId,
        IdentityRecord<BlockNumberFor<T>>,
        OptionQuery,
    >;

    /// Difficulty in force for each role: expected number of hashes that an identity costs.
    #[pallet::storage]
    pub type Difficulties<T: Config> =
        StorageMap<_, Twox64Concat, Role, Difficulty, ValueQuery, T::MinDifficulty>;

    /// Registrations of each role since its last retargeting.
    #[pallet::storage]
    pub type Epochs<T: Config> =
        StorageMap<_, Twox64Concat, Role, Epoch<BlockNumberFor<T>>, ValueQuery>;

    /// Number of registrations in the last block that had one, and which block that was.
    #[pallet::storage]
    pub type RegisteredInBlock<T: Config> =
        StorageValue<_, BlockTally<BlockNumberFor<T>>, ValueQuery>;

    /// Difficulties to start with. What is below the minimum is refused.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// Expected number of hashes of a publisher's identity.
        pub publisher_difficulty: Difficulty,
        /// Expected number of hashes of a provider's identity.
        pub provider_difficulty: Difficulty,
        #[serde(skip)]
        pub _marker: PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            let least = T::MinDifficulty::get();
            Self { publisher_difficulty: least, provider_difficulty: least, _marker: PhantomData }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let starts = [self.publisher_difficulty, self.provider_difficulty];
            for (role, start) in ROLES.into_iter().zip(starts) {
                assert!(
                    start >= T::MinDifficulty::get(),
                    "genesis sets the difficulty of {role:?} to {start}, below the minimum of {}",
                    T::MinDifficulty::get()
                );
                Difficulties::<T>::insert(role, start);
            }
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account proved its work.
        Registered {
            /// What the identity is for.
            role: Role,
            /// Whose it is.
            account: AccountId,
            /// Difficulty that was in force: expected number of hashes.
            difficulty: Difficulty,
        },
        /// An epoch ended and the difficulty follows what was registered in it.
        Retargeted {
            /// Role whose difficulty it is.
            role: Role,
            /// Difficulty of the epoch that ended.
            old: Difficulty,
            /// Difficulty from this block on.
            new: Difficulty,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account has an identity in this role already: there is nothing to do.
        AlreadyRegistered,
        /// The anchor is not below the current block: mine on the hash of a past block.
        AnchorAhead,
        /// The anchor is too old: mine again on the hash of a recent block.
        AnchorExpired,
        /// The work does not meet the difficulty of the role: read it, and go on mining.
        WorkInsufficient,
        /// The block has taken in all the registrations that it may: send it in the next block.
        BlockFull,
    }

    #[pallet::call(weight(<T as Config>::WeightInfo))]
    impl<T: Config> Pallet<T> {
        /// Registers a mined identity. Sent as a general transaction, without signature and fee:
        /// the account needs to own nothing.
        ///
        /// The work is the BLAKE2b-256 hash of `zennet/identity/v1`, the role, the account, the
        /// hash of the anchor block and the nonce. Read as a big-endian number it must be at most
        /// 2^256 - 1 divided by the difficulty of the role.
        ///
        /// - `role`: what the identity is for.
        /// - `account`: whose it is.
        /// - `anchor_number`: a recent block, at most `AnchorWindow` blocks ago.
        /// - `nonce`: the number that was searched for.
        #[pallet::call_index(0)]
        #[pallet::authorize(Self::authorize_register)]
        pub fn register(
            origin: OriginFor<T>,
            role: Role,
            account: AccountId,
            anchor_number: BlockNumberFor<T>,
            nonce: PowNonce,
        ) -> DispatchResult {
            ensure_authorized(origin)?;
            let accepted = Self::check(role, &account, anchor_number, nonce)?;

            let now = frame_system::Pallet::<T>::block_number();
            let difficulty = accepted.difficulty;
            Identities::<T>::insert(
                role,
                &account,
                IdentityRecord { registered_at: now, difficulty },
            );
            RegisteredInBlock::<T>::mutate(|tally| *tally = tally.with_one_more(now));
            let epoch = Epochs::<T>::get(role).with_one_more();
            Epochs::<T>::insert(role, epoch);
            Self::deposit_event(Event::Registered { role, account, difficulty });
            Self::retarget_if_over(role, epoch, now);
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            let mut weight = T::DbWeight::get().reads(ROLES.len() as u64);
            for role in ROLES {
                if Self::retarget_if_over(role, Epochs::<T>::get(role), now) {
                    weight = T::WeightInfo::retarget();
                }
            }
            weight
        }

        fn integrity_test() {
            assert!(!T::EpochLength::get().is_zero(), "an epoch must have blocks");
            assert!(T::WantedPerEpoch::get() > 0, "some registrations must be wanted");
            assert!(T::MinDifficulty::get() > 0, "the least difficulty must be positive");
            assert!(T::MaxPerBlock::get() > 0, "a block must take in registrations");
            assert!(!T::AnchorWindow::get().is_zero(), "anchors must be good for some blocks");
            assert!(
                T::AnchorWindow::get() <= T::BlockHashCount::get(),
                "the hashes of all anchors within the window must be known"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}

/// What a sound registration is worth.
struct Accepted {
    difficulty: Difficulty,
    blocks_left: u64,
}

impl<T: Config> Pallet<T> {
    /// Checks every rule of a registration; the cheapest first, one hash last.
    fn check(
        role: Role,
        account: &AccountId,
        anchor_number: BlockNumberFor<T>,
        nonce: PowNonce,
    ) -> Result<Accepted, Error<T>> {
        let now = frame_system::Pallet::<T>::block_number();
        let blocks_left = match Anchor::judge(anchor_number, now, T::AnchorWindow::get()) {
            Anchor::Ahead => return Err(Error::AnchorAhead),
            Anchor::Expired => return Err(Error::AnchorExpired),
            Anchor::Fresh { blocks_left } => blocks_left,
        };
        ensure!(!Identities::<T>::contains_key(role, account), Error::AlreadyRegistered);
        let difficulty = Difficulties::<T>::get(role);
        let anchor = frame_system::Pallet::<T>::block_hash(anchor_number);
        let work = pow::identity_work(role, account, anchor, nonce);
        ensure!(pow::meets(work, difficulty), Error::WorkInsufficient);
        ensure!(
            RegisteredInBlock::<T>::get().count_at(now) < T::MaxPerBlock::get(),
            Error::BlockFull
        );
        Ok(Accepted { difficulty, blocks_left })
    }

    /// Whether `register` may enter the pool and the block. It is local and bounded work.
    fn authorize_register(
        _source: TransactionSource,
        role: &Role,
        account: &AccountId,
        anchor_number: &BlockNumberFor<T>,
        nonce: &PowNonce,
    ) -> TransactionValidityWithRefund {
        let accepted =
            Self::check(*role, account, *anchor_number, *nonce).map_err(|error| match error {
                Error::AlreadyRegistered => InvalidTransaction::Stale,
                Error::AnchorAhead => InvalidTransaction::Future,
                Error::AnchorExpired => InvalidTransaction::AncientBirthBlock,
                Error::WorkInsufficient => InvalidTransaction::BadProof,
                // Leaves it in the pool for the next block.
                Error::BlockFull => InvalidTransaction::ExhaustsResources,
                Error::__Ignore(..) => InvalidTransaction::Call,
            })?;
        let validity = ValidTransaction::with_tag_prefix("MinedIdentity")
            .and_provides((role, account))
            .longevity(accepted.blocks_left)
            .priority(0)
            .propagate(true)
            .build()?;
        Ok((validity, Weight::zero()))
    }

    /// Sets the difficulty of a role anew and begins its next epoch, if this one is over.
    fn retarget_if_over(
        role: Role,
        epoch: Epoch<BlockNumberFor<T>>,
        now: BlockNumberFor<T>,
    ) -> bool {
        let wanted = T::WantedPerEpoch::get();
        let over = epoch.is_over(now, T::EpochLength::get(), wanted);
        if over {
            Epochs::<T>::insert(role, Epoch { began: now, registered: 0 });
            let old = Difficulties::<T>::get(role);
            let new = pow::retarget(old, epoch.registered, wanted).max(T::MinDifficulty::get());
            if new != old {
                Difficulties::<T>::insert(role, new);
                Self::deposit_event(Event::Retargeted { role, old, new });
            }
        }
        over
    }

    /// Checks that difficulties are in range and that the tallies match the identities.
    #[cfg(any(feature = "try-runtime", test))]
    pub(crate) fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
        let now = frame_system::Pallet::<T>::block_number();
        let mut in_block = 0u32;
        for role in ROLES {
            ensure!(
                Difficulties::<T>::get(role) >= T::MinDifficulty::get(),
                "a difficulty is below the minimum"
            );
            let epoch = Epochs::<T>::get(role);
            ensure!(epoch.began <= now, "an epoch began in the future");
            ensure!(
                sp_runtime::Saturating::saturating_sub(now, epoch.began) < T::EpochLength::get(),
                "an epoch is longer than it may be"
            );
            // Where an epoch ended early, the block has identities of both.
            let (mut since, mut after) = (0u32, 0u32);
            for (_, record) in Identities::<T>::iter_prefix(role) {
                ensure!(record.registered_at <= now, "an identity was registered in the future");
                since += u32::from(record.registered_at >= epoch.began);
                after += u32::from(record.registered_at > epoch.began);
                in_block += u32::from(record.registered_at == now);
            }
            ensure!(
                (after..=since).contains(&epoch.registered),
                "the tally of the epoch differs from its identities"
            );
        }
        ensure!(
            RegisteredInBlock::<T>::get().count_at(now) == in_block,
            "the tally of the block differs from its identities"
        );
        ensure!(in_block <= T::MaxPerBlock::get(), "the block took in too many registrations");
        Ok(())
    }
}

impl<T: Config> MinedIdentities for Pallet<T> {
    fn is_mined(role: Role, account: &AccountId) -> bool {
        Identities::<T>::contains_key(role, account)
    }
}
