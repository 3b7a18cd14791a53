//! What a pallet that builds on deposits needs of them.

use frame_support::pallet_prelude::DispatchResult;
use zennet_primitives::{amount::Balance, AccountId};

use crate::{Config, HoldReason, Pallet};

/// Locks coins on their owner's own account on behalf of another pallet, which keeps the books of
/// who may be paid from them and when they return.
pub trait DepositLedger {
    /// Locks `amount` more of the owner's coins; the owner keeps the existential deposit.
    fn lock(owner: &AccountId, amount: Balance) -> DispatchResult;

    /// Pays `amount` of the locked coins to `to`. A freeze on the owner's account is no obstacle:
    /// the coins were promised before.
    fn pay(owner: &AccountId, to: &AccountId, amount: Balance) -> DispatchResult;

    /// Returns `amount` of the locked coins to their owner: at least the existential deposit, which
    /// any account can take.
    fn refund(owner: &AccountId, amount: Balance) -> DispatchResult;

    /// What is locked on behalf of that pallet on the owner's account.
    fn locked(owner: &AccountId) -> Balance;

    /// Whether a payment of `amount` leaves `who` with at least the existential deposit.
    fn can_receive(who: &AccountId, amount: Balance) -> bool;

    /// Least balance of an account.
    fn existential_deposit() -> Balance;
}

impl<T: Config> DepositLedger for Pallet<T> {
    fn lock(owner: &AccountId, amount: Balance) -> DispatchResult {
        Self::hold(HoldReason::Channel, owner, amount)
    }

    fn pay(owner: &AccountId, to: &AccountId, amount: Balance) -> DispatchResult {
        Self::pay_held(HoldReason::Channel, owner, to, amount)
    }

    fn refund(owner: &AccountId, amount: Balance) -> DispatchResult {
        Self::release(HoldReason::Channel, owner, amount)
    }

    fn locked(owner: &AccountId) -> Balance {
        Self::held(HoldReason::Channel, owner)
    }

    fn can_receive(who: &AccountId, amount: Balance) -> bool {
        Self::can_take(who, amount)
    }

    fn existential_deposit() -> Balance {
        Self::minimum_balance()
    }
}
