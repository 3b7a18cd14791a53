//! The coin as referenda see it: what an account has promised to others does not vote.
//!
//! A vote locks coin in its place until its time is over, or one could vote with it, send it to
//! another account and vote again. What is locked and what is held may be the same coin: whoever
//! holds stake for bookkeepers votes in referenda with it as well. A deposit of the market is another
//! matter. Its coin leaves the account when the other side is paid, whatever is locked by then,
//! for the other side has worked for it. So an account has either deposits of the market or locked
//! coin. [`Unlocked`] keeps one that has locked coin from making deposits, and [`VotingCoin`] keeps
//! one that has deposits from voting; who wants to do both takes two accounts.

use frame_support::{
    dispatch::DispatchResult,
    traits::{
        fungible::{Inspect, InspectHold},
        tokens::{
            BalanceStatus, DepositConsequence, Fortitude, Preservation, Provenance,
            WithdrawConsequence,
        },
        Contains, Currency, ExistenceRequirement, LockIdentifier, LockableCurrency,
        ReservableCurrency, SignedImbalance, WithdrawReasons,
    },
};
use pallet_deposits::HoldReason;
use sp_runtime::DispatchError;

use crate::{AccountId, Balance, Balances, BlockNumber, Runtime, RuntimeHoldReason, System};

type Positive = <Balances as Currency<AccountId>>::PositiveImbalance;
type Negative = <Balances as Currency<AccountId>>::NegativeImbalance;

/// Accounts without a locked coin: neither for votes nor because it is not released yet.
pub struct Unlocked;

impl Contains<AccountId> for Unlocked {
    fn contains(who: &AccountId) -> bool {
        System::account(who).data.frozen == 0
    }
}

/// What an account has in deposits of the market.
fn promised(who: &AccountId) -> Balance {
    let held =
        |reason: HoldReason| Balances::balance_on_hold(&RuntimeHoldReason::Deposits(reason), who);
    held(HoldReason::Deposit).saturating_add(held(HoldReason::Channel))
}

/// The coin, of which an account with deposits of the market has none to vote with.
pub struct VotingCoin;

impl VotingCoin {
    fn votable(who: &AccountId) -> Balance {
        if promised(who) > 0 {
            return 0;
        }
        <Balances as Currency<AccountId>>::total_balance(who)
    }
}

impl LockableCurrency<AccountId> for VotingCoin {
    type Moment = BlockNumber;
    type MaxLocks = <Runtime as pallet_balances::Config>::MaxLocks;

    fn set_lock(id: LockIdentifier, who: &AccountId, amount: Balance, reasons: WithdrawReasons) {
        Balances::set_lock(id, who, amount, reasons);
    }

    fn extend_lock(id: LockIdentifier, who: &AccountId, amount: Balance, reasons: WithdrawReasons) {
        Balances::extend_lock(id, who, amount, reasons);
    }

    fn remove_lock(id: LockIdentifier, who: &AccountId) {
        Balances::remove_lock(id, who);
    }
}

// All that follows is the coin's own.

impl Currency<AccountId> for VotingCoin {
    type Balance = Balance;
    type PositiveImbalance = Positive;
    type NegativeImbalance = Negative;

    fn total_balance(who: &AccountId) -> Balance {
        Self::votable(who)
    }

    fn can_slash(who: &AccountId, value: Balance) -> bool {
        Balances::can_slash(who, value)
    }

    fn total_issuance() -> Balance {
        <Balances as Currency<AccountId>>::total_issuance()
    }

    fn minimum_balance() -> Balance {
        <Balances as Currency<AccountId>>::minimum_balance()
    }

    fn burn(amount: Balance) -> Positive {
        <Balances as Currency<AccountId>>::burn(amount)
    }

    fn issue(amount: Balance) -> Negative {
        <Balances as Currency<AccountId>>::issue(amount)
    }

    fn free_balance(who: &AccountId) -> Balance {
        Balances::free_balance(who)
    }

    fn ensure_can_withdraw(
        who: &AccountId,
        amount: Balance,
        reasons: WithdrawReasons,
        new_balance: Balance,
    ) -> DispatchResult {
        Balances::ensure_can_withdraw(who, amount, reasons, new_balance)
    }

    fn transfer(
        source: &AccountId,
        dest: &AccountId,
        value: Balance,
        existence: ExistenceRequirement,
    ) -> DispatchResult {
        <Balances as Currency<AccountId>>::transfer(source, dest, value, existence)
    }

    fn slash(who: &AccountId, value: Balance) -> (Negative, Balance) {
        <Balances as Currency<AccountId>>::slash(who, value)
    }

    fn deposit_into_existing(who: &AccountId, value: Balance) -> Result<Positive, DispatchError> {
        Balances::deposit_into_existing(who, value)
    }

    fn deposit_creating(who: &AccountId, value: Balance) -> Positive {
        Balances::deposit_creating(who, value)
    }

    fn withdraw(
        who: &AccountId,
        value: Balance,
        reasons: WithdrawReasons,
        liveness: ExistenceRequirement,
    ) -> Result<Negative, DispatchError> {
        <Balances as Currency<AccountId>>::withdraw(who, value, reasons, liveness)
    }

    fn make_free_balance_be(
        who: &AccountId,
        balance: Balance,
    ) -> SignedImbalance<Balance, Positive> {
        Balances::make_free_balance_be(who, balance)
    }
}

impl ReservableCurrency<AccountId> for VotingCoin {
    fn can_reserve(who: &AccountId, value: Balance) -> bool {
        Balances::can_reserve(who, value)
    }

    fn slash_reserved(who: &AccountId, value: Balance) -> (Negative, Balance) {
        Balances::slash_reserved(who, value)
    }

    fn reserved_balance(who: &AccountId) -> Balance {
        Balances::reserved_balance(who)
    }

    fn reserve(who: &AccountId, value: Balance) -> DispatchResult {
        Balances::reserve(who, value)
    }

    fn unreserve(who: &AccountId, value: Balance) -> Balance {
        Balances::unreserve(who, value)
    }

    fn repatriate_reserved(
        slashed: &AccountId,
        beneficiary: &AccountId,
        value: Balance,
        status: BalanceStatus,
    ) -> Result<Balance, DispatchError> {
        Balances::repatriate_reserved(slashed, beneficiary, value, status)
    }
}

impl Inspect<AccountId> for VotingCoin {
    type Balance = Balance;

    fn total_issuance() -> Balance {
        <Balances as Inspect<AccountId>>::total_issuance()
    }

    fn minimum_balance() -> Balance {
        <Balances as Inspect<AccountId>>::minimum_balance()
    }

    fn total_balance(who: &AccountId) -> Balance {
        Self::votable(who)
    }

    fn balance(who: &AccountId) -> Balance {
        Balances::balance(who)
    }

    fn reducible_balance(who: &AccountId, preservation: Preservation, force: Fortitude) -> Balance {
        Balances::reducible_balance(who, preservation, force)
    }

    fn can_deposit(who: &AccountId, amount: Balance, provenance: Provenance) -> DepositConsequence {
        Balances::can_deposit(who, amount, provenance)
    }

    fn can_withdraw(who: &AccountId, amount: Balance) -> WithdrawConsequence<Balance> {
        Balances::can_withdraw(who, amount)
    }
}
