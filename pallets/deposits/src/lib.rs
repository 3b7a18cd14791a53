//! # Deposits
//!
//! **Terms.** A *deposit* is coin that its *owner* locks for a *counterparty*. Only both together
//! can spend it. A *refund block*, fixed when the coin is locked, returns what is left.
//!
//! **Scenario.** The owner calls [`Call::lock`]. The two agree on a [`Spend`], both sign it, and
//! anyone shows it with [`Call::spend`]; several may follow each other. If the counterparty
//! vanishes, anyone calls [`Call::refund`] from the refund block on.
//!
//! **Data.** The coins never leave the owner's account before they are paid: they are held there
//! under a [`HoldReason`], so there is no pooled account that could be short. [`Deposits`] has a
//! record for each. What a spend signs covers the chain, the deposit and a sequence number, so it
//! cannot be shown twice or anywhere else.
//!
//! **Space.** The record itself costs its owner a *record deposit*, which is held besides and can be
//! spent by nobody. It returns to the owner whole when the deposit is spent or refunded.
//!
//! **Rules of payment.** A payment that would leave its receiver below the existential deposit is
//! refused and stays locked, so it can be made later and is never lost. Freezes on the owner's
//! account do not stop a payment: the coins were promised before.
//!
//! Other pallets build on this one through [`DepositLedger`].

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod ledger;
mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use ledger::DepositLedger;
pub use pallet::*;
pub use types::{deposit_id, DepositContext, DepositId, DepositRecord, Spend};
pub use weights::WeightInfo;

/// Deposits that two accounts can spend only together, and that return to their owner at a block
/// which is fixed when they are locked.
#[frame_support::pallet]
pub mod pallet {
    use frame_support::{
        pallet_prelude::*,
        traits::{
            fungible::{hold, Inspect, InspectHold, MutateHold},
            tokens::{Fortitude, Precision, Preservation, Provenance, Restriction},
            Contains,
        },
    };
    use frame_system::pallet_prelude::*;
    use sp_runtime::{traits::Zero, ArithmeticError};
    use zennet_primitives::{
        amount::Balance,
        signed::{account_key, Unverified},
        AccountId, Hash, Signature,
    };

    use super::{
        types::{deposit_id, DepositContext, DepositId, DepositRecord, Spend},
        weights::WeightInfo,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId, Hash = Hash> {
        /// The runtime's hold reasons.
        type RuntimeHoldReason: From<HoldReason>;

        /// The coin.
        type Currency: Inspect<AccountId, Balance = Balance>
            + hold::Mutate<AccountId, Reason = Self::RuntimeHoldReason>;

        /// Accounts that may lock coin here. One with coin that is locked elsewhere may not: what is
        /// locked here leaves the account whatever is locked besides.
        type Unlocked: Contains<AccountId>;

        /// What is held for the space of a record, in the smallest coin unit, until the record is
        /// deleted: at least the existential deposit, so that its return is never refused.
        #[pallet::constant]
        type RecordDeposit: Get<Balance>;

        /// Longest time that a deposit can be locked, blocks.
        #[pallet::constant]
        type MaxLock: Get<BlockNumberFor<Self>>;

        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    /// Every deposit that is not yet spent or refunded, by its identifier.
    #[pallet::storage]
    pub type Deposits<T: Config> =
        StorageMap<_, Blake2_128Concat, DepositId, DepositRecord<BlockNumberFor<T>>>;

    /// Nonce of each owner's next deposit. Never resets, so an identifier is never used again.
    #[pallet::storage]
    pub type NextNonce<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, u64, ValueQuery>;

    /// Why coins are held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A deposit of this pallet, and what its record costs.
        #[codec(index = 0)]
        Deposit,
        /// Locked through [`DepositLedger`](crate::DepositLedger) for a payment channel, with what
        /// its record costs.
        #[codec(index = 1)]
        Channel,
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Coins were locked.
        Locked {
            /// The new deposit.
            deposit: DepositId,
            /// Who locked them.
            owner: AccountId,
            /// Whose signature a spend needs besides the owner's.
            counterparty: AccountId,
            /// What was locked, without the deposit for the record.
            amount: Balance,
            /// First block in which anyone may return it.
            refund_at: BlockNumberFor<T>,
            /// Nonce of the deposit.
            nonce: u64,
        },
        /// Both parties spent from a deposit.
        Spent {
            /// The deposit.
            deposit: DepositId,
            /// Who was paid.
            to: AccountId,
            /// What was paid.
            amount: Balance,
            /// What is left. When that is nothing, the deposit ends and the deposit for its record
            /// returns to the owner.
            left: Balance,
        },
        /// What was left returned to the owner and the deposit ended.
        Refunded {
            /// The deposit.
            deposit: DepositId,
            /// The owner.
            owner: AccountId,
            /// What returned, besides the deposit for the record.
            amount: Balance,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such deposit, or no longer.
        NotFound,
        /// Owner and counterparty are the same account.
        SameParty,
        /// Less than the existential deposit.
        TooSmall,
        /// The refund block is not in the future, or further away than the longest lock.
        BadRefundBlock,
        /// The owner has too little free coin for the deposit, the deposit for its record, and the
        /// existential deposit.
        NotEnoughFree,
        /// The spend names another sequence number than the deposit's next.
        WrongSequence,
        /// The spend pays nothing.
        NothingToSpend,
        /// The spend pays more than is left.
        AboveDeposit,
        /// The owner's signature does not fit this spend, deposit and chain.
        BadOwnerSignature,
        /// The counterparty's signature does not fit this spend, deposit and chain.
        BadCounterpartySignature,
        /// The refund block has not come.
        TooEarly,
        /// The payment would leave its receiver below the existential deposit; it stays locked.
        PayoutTooSmall,
        /// The owner has coin that is locked, by a vote in a referendum or because it is not
        /// released yet. Unlock it, or use an account without such coin.
        CoinLocked,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Locks coins for a counterparty until they are spent together or the refund block comes.
        ///
        /// `RecordDeposit` is held besides, and returns to the caller when the deposit ends.
        ///
        /// - `counterparty`: whose signature each spend needs besides the caller's.
        /// - `amount`: what is locked, in the smallest coin unit.
        /// - `refund_at`: first block in which anyone may return what is left to the caller.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::lock())]
        pub fn lock(
            origin: OriginFor<T>,
            counterparty: AccountId,
            amount: Balance,
            refund_at: BlockNumberFor<T>,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let now = frame_system::Pallet::<T>::block_number();
            let nonce = NextNonce::<T>::get(&owner);
            let next_nonce = nonce.checked_add(1).ok_or(ArithmeticError::Overflow)?;
            ensure!(owner != counterparty, Error::<T>::SameParty);
            ensure!(amount >= Self::minimum_balance(), Error::<T>::TooSmall);
            ensure!(
                refund_at > now && refund_at - now <= T::MaxLock::get(),
                Error::<T>::BadRefundBlock
            );
            let record = DepositRecord {
                owner: owner.clone(),
                counterparty: counterparty.clone(),
                amount,
                record_deposit: T::RecordDeposit::get(),
                refund_at,
                sequence: 0,
            };
            let held = record.held().ok_or(ArithmeticError::Overflow)?;

            Self::hold(HoldReason::Deposit, &owner, held)?;
            NextNonce::<T>::insert(&owner, next_nonce);
            let deposit = deposit_id(Self::genesis(), &owner, &counterparty, nonce);
            Deposits::<T>::insert(deposit, record);
            Self::deposit_event(Event::Locked {
                deposit,
                owner,
                counterparty,
                amount,
                refund_at,
                nonce,
            });
            Ok(())
        }

        /// Pays from a deposit what both parties signed. Anyone may show it.
        ///
        /// Both sign, with the sr25519 keys of their accounts, the bytes `ZND1`, the hash of the
        /// first block, the deposit, and the spend.
        ///
        /// - `deposit`: which deposit.
        /// - `spend`: its number among the deposit's spends, who is paid, and what.
        /// - `owner_signature`: the owner's signature.
        /// - `counterparty_signature`: the counterparty's signature.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::spend())]
        pub fn spend(
            origin: OriginFor<T>,
            deposit: DepositId,
            spend: Spend,
            owner_signature: Signature,
            counterparty_signature: Signature,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            let mut record = Deposits::<T>::get(deposit).ok_or(Error::<T>::NotFound)?;
            ensure!(spend.sequence == record.sequence, Error::<T>::WrongSequence);
            ensure!(!spend.amount.is_zero(), Error::<T>::NothingToSpend);
            let left = record.amount.checked_sub(spend.amount).ok_or(Error::<T>::AboveDeposit)?;
            let sequence = record.sequence.checked_add(1).ok_or(ArithmeticError::Overflow)?;
            let context = DepositContext { genesis: Self::genesis(), deposit };
            let by_owner = Unverified { payload: spend.clone(), signature: owner_signature };
            by_owner
                .verify(&context, &account_key(&record.owner))
                .map_err(|_| Error::<T>::BadOwnerSignature)?;
            let by_both = Unverified { payload: spend, signature: counterparty_signature }
                .verify(&context, &account_key(&record.counterparty))
                .map_err(|_| Error::<T>::BadCounterpartySignature)?;
            let Spend { to, amount, .. } = by_both.into_unverified().payload;

            Self::pay_held(HoldReason::Deposit, &record.owner, &to, amount)?;
            if left.is_zero() {
                Self::release(HoldReason::Deposit, &record.owner, record.record_deposit)?;
                Deposits::<T>::remove(deposit);
            } else {
                record.amount = left;
                record.sequence = sequence;
                Deposits::<T>::insert(deposit, record);
            }
            Self::deposit_event(Event::Spent { deposit, to, amount, left });
            Ok(())
        }

        /// Returns what is left to the owner once the refund block has come. Anyone may ask.
        ///
        /// - `deposit`: which deposit.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::refund())]
        pub fn refund(origin: OriginFor<T>, deposit: DepositId) -> DispatchResult {
            ensure_signed(origin)?;
            let record = Deposits::<T>::get(deposit).ok_or(Error::<T>::NotFound)?;
            let now = frame_system::Pallet::<T>::block_number();
            ensure!(record.is_refundable(now), Error::<T>::TooEarly);
            let held = record.held().ok_or(ArithmeticError::Overflow)?;

            Self::release(HoldReason::Deposit, &record.owner, held)?;
            Deposits::<T>::remove(deposit);
            Self::deposit_event(Event::Refunded {
                deposit,
                owner: record.owner,
                amount: record.amount,
            });
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(!T::MaxLock::get().is_zero(), "a deposit must be allowed to last a block");
            assert!(Self::minimum_balance() > 0, "without an existential deposit accounts leak");
            assert!(T::RecordDeposit::get() >= Self::minimum_balance(), "a return may be refused");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Hash of the chain's first block, which every signature covers.
        pub fn genesis() -> Hash {
            frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero())
        }

        pub(crate) fn minimum_balance() -> Balance {
            T::Currency::minimum_balance()
        }

        pub(crate) fn held(reason: HoldReason, who: &AccountId) -> Balance {
            T::Currency::balance_on_hold(&reason.into(), who)
        }

        pub(crate) fn can_take(who: &AccountId, amount: Balance) -> bool {
            T::Currency::can_deposit(who, amount, Provenance::Extant).into_result().is_ok()
        }

        /// Holds only coins that are free of freezes, and never the existential deposit: a hold
        /// alone would accept both.
        pub(crate) fn hold(
            reason: HoldReason,
            owner: &AccountId,
            amount: Balance,
        ) -> DispatchResult {
            ensure!(T::Unlocked::contains(owner), Error::<T>::CoinLocked);
            let free =
                T::Currency::reducible_balance(owner, Preservation::Preserve, Fortitude::Polite);
            ensure!(amount <= free, Error::<T>::NotEnoughFree);
            T::Currency::hold(&reason.into(), owner, amount)
        }

        pub(crate) fn pay_held(
            reason: HoldReason,
            owner: &AccountId,
            to: &AccountId,
            amount: Balance,
        ) -> DispatchResult {
            ensure!(Self::can_take(to, amount), Error::<T>::PayoutTooSmall);
            T::Currency::transfer_on_hold(
                &reason.into(),
                owner,
                to,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?;
            Ok(())
        }

        /// Returns held coins. With the deposit for a record among them they are never too few for
        /// an account, so nothing that its owner does can stop it.
        pub(crate) fn release(
            reason: HoldReason,
            owner: &AccountId,
            amount: Balance,
        ) -> DispatchResult {
            T::Currency::release(&reason.into(), owner, amount, Precision::Exact)?;
            Ok(())
        }

        /// Checks that the coins of all deposits and their records, and no others, are held on their
        /// owners' accounts.
        #[cfg(any(test, feature = "try-runtime"))]
        pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
            let mut sums = alloc::collections::BTreeMap::<AccountId, Balance>::new();
            for (_, record) in Deposits::<T>::iter() {
                ensure!(!record.amount.is_zero(), "an empty deposit was kept");
                ensure!(NextNonce::<T>::get(&record.owner) > 0, "a deposit without a nonce");
                let held = record.held().ok_or("a deposit overflows")?;
                let sum = sums.entry(record.owner).or_default();
                *sum = sum.checked_add(held).ok_or("the deposits overflow")?;
            }
            // Owners without a deposit have used a nonce, so none is missed.
            for owner in NextNonce::<T>::iter_keys() {
                let sum = sums.get(&owner).copied().unwrap_or_default();
                ensure!(
                    Self::held(HoldReason::Deposit, &owner) == sum,
                    "the hold differs from the owner's deposits"
                );
            }
            Ok(())
        }
    }
}
