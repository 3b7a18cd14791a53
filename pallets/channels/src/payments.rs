//! The rules that the calls share: who may change a channel, and how it pays and settles.

use frame_support::{dispatch::DispatchResult, ensure, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_deposits::DepositLedger;
use sp_runtime::{traits::Zero, ArithmeticError, DispatchError};
use zennet_primitives::{
    amount::Balance,
    channel::{ChannelContext, ChannelId, Voucher},
    signed::Unverified,
    AccountId, Hash,
};

use crate::{types::Payout, Channel, Channels, Config, Error, Event, Pallet};

impl<T: Config> Pallet<T> {
    /// Hash of the chain's first block, which identifiers and signatures cover.
    pub fn genesis() -> Hash {
        frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero())
    }

    pub(crate) fn context(channel: ChannelId) -> ChannelContext {
        ChannelContext { genesis: Self::genesis(), channel }
    }

    pub(crate) fn record(channel: ChannelId) -> Result<Channel<T>, Error<T>> {
        Channels::<T>::get(channel).ok_or(Error::NotFound)
    }

    /// A channel that its publisher may still change.
    pub(crate) fn open_channel_of(
        who: AccountId,
        channel: ChannelId,
    ) -> Result<Channel<T>, Error<T>> {
        let record = Self::record(channel)?;
        ensure!(who == record.publisher, Error::NotPublisher);
        ensure!(record.closing_at.is_none(), Error::AlreadyClosing);
        Self::ensure_not_ended(&record)?;
        Ok(record)
    }

    fn ensure_not_ended(record: &Channel<T>) -> Result<(), Error<T>> {
        ensure!(frame_system::Pallet::<T>::block_number() < record.ends_at(), Error::Ended);
        Ok(())
    }

    pub(crate) fn ensure_expiry(expires_at: BlockNumberFor<T>) -> Result<(), Error<T>> {
        let now = frame_system::Pallet::<T>::block_number();
        ensure!(expires_at > now && expires_at - now <= T::MaxLifetime::get(), Error::BadExpiry);
        Ok(())
    }

    /// Checks everything about a voucher but that it pays more than was paid.
    pub(crate) fn verify(
        channel: ChannelId,
        record: &Channel<T>,
        voucher: Unverified<Voucher>,
    ) -> Result<Voucher, Error<T>> {
        Self::ensure_not_ended(record)?;
        ensure!(voucher.payload.cumulative <= record.deposit, Error::AboveDeposit);
        let voucher = voucher
            .verify(&Self::context(channel), &record.session_key)
            .map_err(|_| Error::BadVoucherSignature)?;
        Ok(*voucher.payload())
    }

    pub(crate) fn pay_voucher(
        channel: ChannelId,
        record: &mut Channel<T>,
        voucher: &Voucher,
    ) -> DispatchResult {
        let paid = Self::pay(record, voucher.cumulative)?;
        if !paid.is_zero() {
            Self::deposit_event(Event::Claimed {
                channel,
                cumulative: voucher.cumulative,
                usage_hash: voucher.usage_hash,
                paid,
            });
        }
        Ok(())
    }

    /// Raises what was paid to `cumulative` and returns the difference.
    pub(crate) fn pay(
        record: &mut Channel<T>,
        cumulative: Balance,
    ) -> Result<Balance, DispatchError> {
        let Some(mut payout) = Payout::of(record, cumulative) else { return Ok(0) };
        let developer = record.app.as_ref().map(|app| &app.developer);
        if developer.is_some_and(|who| !T::Ledger::can_receive(who, payout.to_developer)) {
            payout = payout.without_developer().ok_or(ArithmeticError::Overflow)?;
        }
        let possible = T::Ledger::can_receive(&record.provider, payout.to_provider);
        ensure!(possible, Error::<T>::PayoutTooSmall);

        for (to, amount) in
            [(developer, payout.to_developer), (Some(&record.provider), payout.to_provider)]
        {
            if let Some(to) = to.filter(|_| !amount.is_zero()) {
                T::Ledger::pay(&record.publisher, to, amount)?;
            }
        }
        let paid = cumulative.checked_sub(record.paid).ok_or(ArithmeticError::Underflow)?;
        record.paid = cumulative;
        Ok(paid)
    }

    /// What the channel can still pay.
    fn rest(record: &Channel<T>) -> Result<Balance, ArithmeticError> {
        record.deposit.checked_sub(record.paid).ok_or(ArithmeticError::Underflow)
    }

    /// All that is locked on the publisher's account for this channel.
    pub(crate) fn locked(record: &Channel<T>) -> Result<Balance, ArithmeticError> {
        Self::rest(record)?.checked_add(record.record_deposit).ok_or(ArithmeticError::Overflow)
    }

    /// Returns the rest, with the deposit for the record, to the publisher and deletes the channel.
    pub(crate) fn settle(channel: ChannelId, record: Channel<T>) -> DispatchResult {
        let rest = Self::rest(&record)?;
        T::Ledger::refund(&record.publisher, Self::locked(&record)?)?;
        Channels::<T>::remove(channel);
        Self::deposit_event(Event::Settled {
            channel,
            publisher: record.publisher,
            provider: record.provider,
            paid: record.paid,
            refunded: rest,
            contract: record.contract,
        });
        Ok(())
    }
}
