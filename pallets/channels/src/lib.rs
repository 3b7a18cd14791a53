//! # Payment channels
//!
//! **Terms.** A *channel* pays one *provider* from one *publisher*'s deposit. A *voucher* is a
//! cumulative amount signed with the channel's session key; the rising amount is its nonce. A
//! channel *ends* at its expiry, or earlier when the publisher asked for it and the *challenge* has
//! passed: from that block on vouchers are refused and anyone may refund the rest.
//!
//! ```text
//!   open ──► Open ── request_close ──► Closing
//!            │  ▲ top_up, extend         │
//!            │  └──── claim ─────────────┤
//!            ├── close, close_together ──┤──► Settled (deleted)
//!            └──────── ends ─────────────┴──► Ended ── finalize, close, close_together ──► Settled
//! ```
//!
//! **Scenario.** The publisher opens a channel under the hash of a contract and sends a voucher each
//! tick, outside the chain. The provider closes with the newest one: two transactions for a rental
//! of any length. If the provider vanishes, the publisher gets the rest back after the expiry; if
//! the publisher vanishes, the provider has its newest voucher. Only the provider gains from showing
//! a voucher and it always wants the newest, so no old state can be played back.
//!
//! **Data.** [`Channels`] has a record for each channel; the coins are held on the publisher's own
//! account through a [`DepositLedger`]. The event [`Event::Settled`] is the public record of a
//! contract.
//!
//! **Space.** The record itself costs its publisher a *record deposit*, which is locked besides and
//! pays nobody. It returns to the publisher whole when the channel is settled.
//!
//! **Rules of payment.** A payment that would leave the provider below the existential deposit is
//! refused with a typed error: nothing moves, the voucher stays good until the channel ends, and the
//! provider may also close without it. A developer's part that its account cannot take goes to the
//! provider. What returns to the publisher is never too little for its account, since the record
//! deposit is in it: no publisher can stop a provider from being paid.
//!
//! **Fees.** [`Call::claim`] and [`Call::close`] are charged for the accounts that they may change, so
//! a fee that was estimated before is the most that they cost.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod payments;
#[cfg(any(test, feature = "try-runtime"))]
mod try_state;
mod types;
mod weighing;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use weights::WeightInfo;

/// Payment channels: a publisher locks a deposit, pays a provider by signed vouchers outside of the
/// chain, and the channel is settled by the last of them.
#[frame_support::pallet]
pub mod pallet {
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use pallet_deposits::DepositLedger;
    use sp_runtime::{
        traits::{CheckedAdd, Zero},
        ArithmeticError,
    };
    use zennet_primitives::{
        amount::Balance,
        channel::{channel_id, ChannelId, Split, Voucher},
        record::{AppShare, ChannelRecord},
        signed::{account_key, Unverified},
        AccountId, Hash, SessionKey, Signature,
    };

    use super::weights::WeightInfo;

    pub(crate) type Channel<T> = ChannelRecord<BlockNumberFor<T>>;

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId, Hash = Hash> {
        /// Locks the deposits.
        type Ledger: DepositLedger;

        /// What is locked for the space of a record, in the smallest coin unit, until the channel
        /// is settled: at least the existential deposit, so that its return is never refused.
        #[pallet::constant]
        type RecordDeposit: Get<Balance>;

        /// Shortest time that a provider has after a request to close, blocks.
        #[pallet::constant]
        type MinChallenge: Get<BlockNumberFor<Self>>;

        /// Longest time that a provider has after a request to close, blocks.
        #[pallet::constant]
        type MaxChallenge: Get<BlockNumberFor<Self>>;

        /// Furthest that an expiry can lie in the future, blocks.
        #[pallet::constant]
        type MaxLifetime: Get<BlockNumberFor<Self>>;

        /// Weights of the calls.
        type WeightInfo: WeightInfo;
    }

    /// Every channel that is not settled, by its identifier.
    #[pallet::storage]
    pub type Channels<T: Config> = StorageMap<_, Blake2_128Concat, ChannelId, Channel<T>>;

    /// Nonce of each publisher's next channel. Never resets, so an identifier is never used again.
    #[pallet::storage]
    pub type NextNonce<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, u64, ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A channel was opened.
        Opened {
            /// The new channel.
            channel: ChannelId,
            /// Who pays.
            publisher: AccountId,
            /// Who is paid.
            provider: AccountId,
            /// Hash of the contract.
            contract: Hash,
            /// What was locked for the provider, without the deposit for the record.
            deposit: Balance,
            /// First block in which vouchers are refused.
            expires_at: BlockNumberFor<T>,
            /// The publisher's nonce in the channel's identifier.
            nonce: u64,
        },
        /// More was locked.
        ToppedUp {
            /// The channel.
            channel: ChannelId,
            /// All that was ever locked for the provider.
            deposit: Balance,
        },
        /// The expiry moved.
        Extended {
            /// The channel.
            channel: ChannelId,
            /// First block in which vouchers are refused.
            expires_at: BlockNumberFor<T>,
        },
        /// A voucher was paid.
        Claimed {
            /// The channel.
            channel: ChannelId,
            /// All that the channel has paid.
            cumulative: Balance,
            /// Hash of the usage that the voucher pays for.
            usage_hash: Hash,
            /// What this voucher added, a developer's part included.
            paid: Balance,
        },
        /// The publisher wants to close.
        CloseRequested {
            /// The channel.
            channel: ChannelId,
            /// First block in which vouchers are refused.
            closing_at: BlockNumberFor<T>,
        },
        /// A channel ended: the public record of its contract.
        Settled {
            /// The channel.
            channel: ChannelId,
            /// Who paid.
            publisher: AccountId,
            /// Who was paid.
            provider: AccountId,
            /// All that was paid, a developer's part included.
            paid: Balance,
            /// What returned to the publisher, besides the deposit for the record.
            refunded: Balance,
            /// Hash of the contract.
            contract: Hash,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such channel, or no longer.
        NotFound,
        /// The identifier is in use.
        Exists,
        /// Publisher and provider are the same account.
        SameParty,
        /// The deposit is below the existential deposit.
        DepositTooSmall,
        /// The challenge is shorter or longer than allowed.
        BadChallenge,
        /// The expiry is not in the future, or too far in it.
        BadExpiry,
        /// The developer's account does not exist, so small parts could not be paid to it.
        DeveloperCannotBePaid,
        /// Only the publisher may do this.
        NotPublisher,
        /// Only the provider may do this.
        NotProvider,
        /// Only the publisher and the provider may do this.
        NotParty,
        /// The publisher already asked to close.
        AlreadyClosing,
        /// The channel has ended.
        Ended,
        /// The channel has not ended.
        NotEnded,
        /// Nothing would be added to the deposit.
        NothingToAdd,
        /// An expiry only moves later.
        NotLater,
        /// The voucher pays no more than was already paid.
        StaleVoucher,
        /// The amount is above the deposit.
        AboveDeposit,
        /// The split gives the provider less than it was already paid.
        BelowPaid,
        /// The session key did not sign this voucher for this channel and chain.
        BadVoucherSignature,
        /// The publisher did not sign this split for this channel and chain.
        BadPublisherSignature,
        /// The provider did not sign this split for this channel and chain.
        BadProviderSignature,
        /// The payment would leave the provider below the existential deposit; it stays locked.
        PayoutTooSmall,
    }

    #[pallet::call(weight(<T as Config>::WeightInfo))]
    impl<T: Config> Pallet<T> {
        /// Opens a channel from the caller, the publisher, to a provider and locks its deposit.
        ///
        /// `RecordDeposit` is locked besides, and returns to the caller when the channel is settled.
        ///
        /// - `provider`: who is paid.
        /// - `contract`: hash of the contract that both signed.
        /// - `session_key`: sr25519 key that signs the vouchers of this channel.
        /// - `deposit`: what is locked for the provider, in the smallest coin unit; no more can be
        ///   paid.
        /// - `expires_at`: first block in which no voucher is paid and anyone may refund the rest.
        /// - `challenge`: blocks that the provider has to answer a request to close.
        /// - `app`: part of each payment that goes to the developer of the application, if any.
        #[pallet::call_index(0)]
        #[allow(clippy::too_many_arguments)]
        pub fn open(
            origin: OriginFor<T>,
            provider: AccountId,
            contract: Hash,
            session_key: SessionKey,
            deposit: Balance,
            expires_at: BlockNumberFor<T>,
            challenge: BlockNumberFor<T>,
            app: Option<AppShare>,
        ) -> DispatchResult {
            let publisher = ensure_signed(origin)?;
            let nonce = NextNonce::<T>::get(&publisher);
            let next_nonce = nonce.checked_add(1).ok_or(ArithmeticError::Overflow)?;
            let channel = channel_id(Self::genesis(), &publisher, &provider, contract, nonce);
            ensure!(!Channels::<T>::contains_key(channel), Error::<T>::Exists);
            ensure!(publisher != provider, Error::<T>::SameParty);
            ensure!(deposit >= T::Ledger::existential_deposit(), Error::<T>::DepositTooSmall);
            ensure!(
                challenge >= T::MinChallenge::get() && challenge <= T::MaxChallenge::get(),
                Error::<T>::BadChallenge
            );
            Self::ensure_expiry(expires_at)?;
            if let Some(app) = &app {
                let exists = T::Ledger::can_receive(&app.developer, 1);
                ensure!(exists, Error::<T>::DeveloperCannotBePaid);
            }
            let record = ChannelRecord {
                publisher: publisher.clone(),
                provider: provider.clone(),
                contract,
                session_key,
                deposit,
                paid: 0,
                record_deposit: T::RecordDeposit::get(),
                expires_at,
                challenge,
                closing_at: None,
                app,
            };

            T::Ledger::lock(&publisher, Self::locked(&record)?)?;
            NextNonce::<T>::insert(&publisher, next_nonce);
            Channels::<T>::insert(channel, record);
            Self::deposit_event(Event::Opened {
                channel,
                publisher,
                provider,
                contract,
                deposit,
                expires_at,
                nonce,
            });
            Ok(())
        }

        /// Locks more. For the publisher, while the channel is open.
        ///
        /// - `channel`: which channel.
        /// - `amount`: what is added to the deposit, in the smallest coin unit.
        #[pallet::call_index(1)]
        pub fn top_up(origin: OriginFor<T>, channel: ChannelId, amount: Balance) -> DispatchResult {
            let mut record = Self::open_channel_of(ensure_signed(origin)?, channel)?;
            ensure!(!amount.is_zero(), Error::<T>::NothingToAdd);
            let deposit = record.deposit.checked_add(amount).ok_or(ArithmeticError::Overflow)?;

            T::Ledger::lock(&record.publisher, amount)?;
            record.deposit = deposit;
            Channels::<T>::insert(channel, record);
            Self::deposit_event(Event::ToppedUp { channel, deposit });
            Ok(())
        }

        /// Moves the expiry later. For the publisher, while the channel is open.
        ///
        /// - `channel`: which channel.
        /// - `expires_at`: first block in which vouchers are refused.
        #[pallet::call_index(2)]
        pub fn extend(
            origin: OriginFor<T>,
            channel: ChannelId,
            expires_at: BlockNumberFor<T>,
        ) -> DispatchResult {
            let mut record = Self::open_channel_of(ensure_signed(origin)?, channel)?;
            ensure!(expires_at > record.expires_at, Error::<T>::NotLater);
            Self::ensure_expiry(expires_at)?;

            record.expires_at = expires_at;
            Channels::<T>::insert(channel, record);
            Self::deposit_event(Event::Extended { channel, expires_at });
            Ok(())
        }

        /// Pays what a voucher adds to what was paid. Anyone may show it, before the channel ends.
        ///
        /// The session key signs the bytes `ZNV1`, the hash of the first block, the channel, and
        /// the voucher.
        ///
        /// - `channel`: which channel.
        /// - `voucher`: the amount paid in all, the hash of the usage, and the signature.
        #[pallet::call_index(3)]
        pub fn claim(
            origin: OriginFor<T>,
            channel: ChannelId,
            voucher: Unverified<Voucher>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let mut record = Self::record(channel)?;
            ensure!(voucher.payload.cumulative > record.paid, Error::<T>::StaleVoucher);
            let voucher = Self::verify(channel, &record, voucher)?;

            Self::pay_voucher(channel, &mut record, &voucher)?;
            let weight = Self::weight_of_claim(&who, &record);
            Channels::<T>::insert(channel, record);
            Ok(Some(weight).into())
        }

        /// Pays a last voucher, refunds the rest at once and deletes the channel. For the provider;
        /// without a voucher also after the channel ended.
        ///
        /// A voucher that was already paid in full is accepted, since anyone may have claimed it.
        ///
        /// - `channel`: which channel.
        /// - `voucher`: the last voucher, if there is one.
        #[pallet::call_index(4)]
        pub fn close(
            origin: OriginFor<T>,
            channel: ChannelId,
            voucher: Option<Unverified<Voucher>>,
        ) -> DispatchResultWithPostInfo {
            let who = ensure_signed(origin)?;
            let mut record = Self::record(channel)?;
            ensure!(who == record.provider, Error::<T>::NotProvider);
            let weight = Self::weight_of_close(&record, voucher.is_some());
            if let Some(voucher) = voucher {
                ensure!(voucher.payload.cumulative >= record.paid, Error::<T>::StaleVoucher);
                let voucher = Self::verify(channel, &record, voucher)?;
                Self::pay_voucher(channel, &mut record, &voucher)?;
            }
            Self::settle(channel, record)?;
            Ok(Some(weight).into())
        }

        /// Settles at once as both parties signed with their account keys. Either may submit.
        ///
        /// Both sign the bytes `ZNS1`, the hash of the first block, the channel, and the split. It
        /// holds for as long as the channel exists: sign none that is not final.
        ///
        /// - `channel`: which channel.
        /// - `split`: what the provider gets in all; the rest returns to the publisher.
        /// - `publisher_signature`: the publisher's signature.
        /// - `provider_signature`: the provider's signature.
        #[pallet::call_index(5)]
        pub fn close_together(
            origin: OriginFor<T>,
            channel: ChannelId,
            split: Split,
            publisher_signature: Signature,
            provider_signature: Signature,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            let mut record = Self::record(channel)?;
            ensure!(who == record.publisher || who == record.provider, Error::<T>::NotParty);
            ensure!(split.to_provider >= record.paid, Error::<T>::BelowPaid);
            ensure!(split.to_provider <= record.deposit, Error::<T>::AboveDeposit);
            let context = Self::context(channel);
            Unverified { payload: split, signature: publisher_signature }
                .verify(&context, &account_key(&record.publisher))
                .map_err(|_| Error::<T>::BadPublisherSignature)?;
            let split = Unverified { payload: split, signature: provider_signature }
                .verify(&context, &account_key(&record.provider))
                .map_err(|_| Error::<T>::BadProviderSignature)?;

            Self::pay(&mut record, split.payload().to_provider)?;
            Self::settle(channel, record)
        }

        /// Starts the challenge, after which the channel ends. For the publisher, once.
        ///
        /// - `channel`: which channel.
        #[pallet::call_index(6)]
        pub fn request_close(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            let mut record = Self::open_channel_of(ensure_signed(origin)?, channel)?;
            let now = frame_system::Pallet::<T>::block_number();
            let closing_at = now.checked_add(&record.challenge).ok_or(ArithmeticError::Overflow)?;

            record.closing_at = Some(closing_at);
            Channels::<T>::insert(channel, record);
            Self::deposit_event(Event::CloseRequested { channel, closing_at });
            Ok(())
        }

        /// Refunds the rest of a channel that has ended and deletes it. Anyone may ask.
        ///
        /// - `channel`: which channel.
        #[pallet::call_index(7)]
        pub fn finalize(origin: OriginFor<T>, channel: ChannelId) -> DispatchResult {
            ensure_signed(origin)?;
            let record = Self::record(channel)?;
            let now = frame_system::Pallet::<T>::block_number();
            ensure!(now >= record.ends_at(), Error::<T>::NotEnded);
            Self::settle(channel, record)
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(!T::MinChallenge::get().is_zero(), "a provider needs time to answer");
            assert!(T::MinChallenge::get() <= T::MaxChallenge::get(), "no challenge is allowed");
            assert!(T::MaxChallenge::get() <= T::MaxLifetime::get(), "challenges outlast channels");
            let least = T::Ledger::existential_deposit();
            assert!(T::RecordDeposit::get() >= least, "a return may be refused");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
