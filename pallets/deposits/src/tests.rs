use frame_support::{
    assert_noop, assert_ok,
    traits::{
        fungible::{Inspect, InspectHold, Mutate},
        LockableCurrency, WithdrawReasons,
    },
};
use sp_core::Pair;
use zennet_primitives::{amount::Balance, signed::Signable, AccountId, Hash, Signature};

use crate::{
    deposit_id, mock::*, DepositContext, DepositId, DepositLedger, DepositRecord, Deposits as Map,
    Error, Event, HoldReason, NextNonce, Spend,
};

const OWNER: u8 = 1;
const OTHER: u8 = 2;
const THIRD: u8 = 3;
const NOBODY: u8 = 9;

fn signed(seed: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(account(seed))
}

fn lock(amount: Balance) -> DepositId {
    let nonce = NextNonce::<Test>::get(account(OWNER));
    assert_ok!(Deposits::lock(signed(OWNER), account(OTHER), amount, 50));
    deposit_id(Deposits::genesis(), &account(OWNER), &account(OTHER), nonce)
}

fn context(deposit: DepositId) -> DepositContext {
    DepositContext { genesis: Deposits::genesis(), deposit }
}

fn sign(seed: u8, spend: &Spend, context: &DepositContext) -> Signature {
    pair(seed).sign(&spend.signing_bytes(context))
}

fn pay(sequence: u32, to: u8, amount: Balance) -> Spend {
    Spend { sequence, to: account(to), amount }
}

fn show(deposit: DepositId, spend: Spend) -> sp_runtime::DispatchResult {
    let context = context(deposit);
    let (owner, other) = (sign(OWNER, &spend, &context), sign(OTHER, &spend, &context));
    Deposits::spend(signed(THIRD), deposit, spend, owner, other)
}

fn held(reason: HoldReason, who: &AccountId) -> Balance {
    Balances::balance_on_hold(&reason.into(), who)
}

#[test]
fn an_account_with_coin_that_is_locked_elsewhere_locks_none_here() {
    build_and_execute(|| {
        let deposit = lock(100);
        Locked::set(Some(account(OWNER)));
        let again = Deposits::lock(signed(OWNER), account(OTHER), 100, 50);
        assert_noop!(again, Error::<Test>::CoinLocked);
        let for_a_channel = <Deposits as DepositLedger>::lock(&account(OWNER), 100);
        assert_noop!(for_a_channel, Error::<Test>::CoinLocked);
        // What was locked before is paid and returns all the same.
        assert_ok!(show(deposit, pay(0, OTHER, 40)));
        System::set_block_number(50);
        assert_ok!(Deposits::refund(signed(THIRD), deposit));
        assert_eq!(held(HoldReason::Deposit, &account(OWNER)), 0);
        Locked::set(None);
    });
}

#[test]
fn a_lock_holds_the_coins_on_the_owners_own_account() {
    build_and_execute(|| {
        let deposit = lock(1000);
        assert_eq!(held(HoldReason::Deposit, &account(OWNER)), 1000 + RECORD_DEPOSIT);
        assert_eq!(Balances::total_balance(&account(OWNER)), ENDOWMENT);
        assert_eq!(
            Map::<Test>::get(deposit),
            Some(DepositRecord {
                owner: account(OWNER),
                counterparty: account(OTHER),
                amount: 1000,
                record_deposit: RECORD_DEPOSIT,
                refund_at: 50,
                sequence: 0,
            })
        );
        System::assert_last_event(
            Event::Locked {
                deposit,
                owner: account(OWNER),
                counterparty: account(OTHER),
                amount: 1000,
                refund_at: 50,
                nonce: 0,
            }
            .into(),
        );
    });
}

#[test]
fn both_together_spend_in_parts_to_anyone() {
    build_and_execute(|| {
        let deposit = lock(1000);
        assert_ok!(show(deposit, pay(0, OTHER, 300)));
        System::assert_last_event(
            Event::Spent { deposit, to: account(OTHER), amount: 300, left: 700 }.into(),
        );
        assert_ok!(show(deposit, pay(1, NOBODY, 200)));
        // What the record costs is held until the deposit is spent, and then is the owner's.
        assert_eq!(held(HoldReason::Deposit, &account(OWNER)), 500 + RECORD_DEPOSIT);
        assert_ok!(show(deposit, pay(2, OWNER, 500)));
        assert_eq!(held(HoldReason::Deposit, &account(OWNER)), 0);
        assert_eq!(Map::<Test>::get(deposit), None);
        assert_eq!(Balances::free_balance(account(OTHER)), ENDOWMENT + 300);
        assert_eq!(Balances::free_balance(account(NOBODY)), 200);
        assert_eq!(Balances::free_balance(account(OWNER)), ENDOWMENT - 500);
    });
}

#[test]
fn anyone_refunds_from_the_refund_block_on() {
    build_and_execute(|| {
        let deposit = lock(1000);
        assert_ok!(show(deposit, pay(0, OTHER, 300)));
        go_to(49);
        assert_noop!(Deposits::refund(signed(THIRD), deposit), Error::<Test>::TooEarly);
        go_to(50);
        assert_ok!(Deposits::refund(signed(THIRD), deposit));
        System::assert_last_event(
            Event::Refunded { deposit, owner: account(OWNER), amount: 700 }.into(),
        );
        assert_eq!(Balances::free_balance(account(OWNER)), ENDOWMENT - 300);
        assert_noop!(Deposits::refund(signed(THIRD), deposit), Error::<Test>::NotFound);
        assert_noop!(show(deposit, pay(1, OTHER, 1)), Error::<Test>::NotFound);
    });
}

#[test]
fn both_together_spend_after_the_refund_block_until_someone_refunds() {
    build_and_execute(|| {
        let deposit = lock(1000);
        go_to(60);
        assert_ok!(show(deposit, pay(0, OTHER, 300)));
        assert_ok!(Deposits::refund(signed(THIRD), deposit));
        assert_noop!(show(deposit, pay(1, OTHER, 300)), Error::<Test>::NotFound);
    });
}

#[test]
fn unknown_deposits_are_refused() {
    build_and_execute(|| {
        let unknown = Hash::repeat_byte(0xff);
        assert_noop!(show(unknown, pay(0, OTHER, 1)), Error::<Test>::NotFound);
        assert_noop!(Deposits::refund(signed(OWNER), unknown), Error::<Test>::NotFound);
    });
}

#[test]
fn identifiers_are_never_used_again() {
    build_and_execute(|| {
        let first = lock(1000);
        assert_ok!(show(first, pay(0, OTHER, 1000)));
        let second = lock(1000);
        assert_ne!(first, second);
        assert_eq!(NextNonce::<Test>::get(account(OWNER)), 2);
    });
}

#[test]
fn a_lock_for_oneself_is_refused() {
    build_and_execute(|| {
        assert_noop!(
            Deposits::lock(signed(OWNER), account(OWNER), 1000, 50),
            Error::<Test>::SameParty
        );
    });
}

#[test]
fn a_lock_below_the_existential_deposit_is_refused() {
    build_and_execute(|| {
        assert_noop!(
            Deposits::lock(signed(OWNER), account(OTHER), EXISTENTIAL_DEPOSIT - 1, 50),
            Error::<Test>::TooSmall
        );
    });
}

#[test]
fn a_refund_block_in_the_past_or_too_far_away_is_refused() {
    build_and_execute(|| {
        for refund_at in [0, 1, 2 + MAX_LOCK, u64::MAX] {
            assert_noop!(
                Deposits::lock(signed(OWNER), account(OTHER), 1000, refund_at),
                Error::<Test>::BadRefundBlock
            );
        }
        assert_ok!(Deposits::lock(signed(OWNER), account(OTHER), 1000, 1 + MAX_LOCK));
    });
}

#[test]
fn the_owner_keeps_the_existential_deposit_besides_that_of_the_record() {
    build_and_execute(|| {
        System::inc_providers(&account(OWNER));
        let most = ENDOWMENT - RECORD_DEPOSIT - EXISTENTIAL_DEPOSIT;
        assert_noop!(
            Deposits::lock(signed(OWNER), account(OTHER), most + 1, 50),
            Error::<Test>::NotEnoughFree
        );
        assert_ok!(Deposits::lock(signed(OWNER), account(OTHER), most, 50));
    });
}

#[test]
fn a_spend_cannot_be_shown_twice() {
    build_and_execute(|| {
        let deposit = lock(1000);
        assert_ok!(show(deposit, pay(0, OTHER, 300)));
        assert_noop!(show(deposit, pay(0, OTHER, 300)), Error::<Test>::WrongSequence);
        assert_noop!(show(deposit, pay(2, OTHER, 300)), Error::<Test>::WrongSequence);
    });
}

#[test]
fn a_spend_of_nothing_or_of_too_much_is_refused() {
    build_and_execute(|| {
        let deposit = lock(1000);
        assert_noop!(show(deposit, pay(0, OTHER, 0)), Error::<Test>::NothingToSpend);
        assert_noop!(show(deposit, pay(0, OTHER, 1001)), Error::<Test>::AboveDeposit);
        assert_noop!(show(deposit, pay(0, OTHER, Balance::MAX)), Error::<Test>::AboveDeposit);
        assert_ok!(show(deposit, pay(0, OTHER, 300)));
        assert_noop!(show(deposit, pay(1, OTHER, 701)), Error::<Test>::AboveDeposit);
    });
}

#[test]
fn a_spend_needs_both_signatures() {
    build_and_execute(|| {
        let deposit = lock(1000);
        let spend = pay(0, OTHER, 300);
        let owner = sign(OWNER, &spend, &context(deposit));
        let other = sign(OTHER, &spend, &context(deposit));
        assert_noop!(
            Deposits::spend(signed(OTHER), deposit, spend.clone(), other, other),
            Error::<Test>::BadOwnerSignature
        );
        assert_noop!(
            Deposits::spend(signed(OWNER), deposit, spend.clone(), owner, owner),
            Error::<Test>::BadCounterpartySignature
        );
        let changed = pay(0, OTHER, 301);
        assert_noop!(
            Deposits::spend(signed(OTHER), deposit, changed, owner, other),
            Error::<Test>::BadOwnerSignature
        );
    });
}

#[test]
fn a_spend_holds_for_one_deposit_on_one_chain() {
    build_and_execute(|| {
        let first = lock(1000);
        let second = lock(1000);
        let spend = pay(0, OTHER, 300);
        let other_chain = DepositContext { genesis: Hash::repeat_byte(7), ..context(second) };
        for wrong in [context(first), other_chain] {
            let (owner, other) = (sign(OWNER, &spend, &wrong), sign(OTHER, &spend, &wrong));
            assert_noop!(
                Deposits::spend(signed(THIRD), second, spend.clone(), owner, other),
                Error::<Test>::BadOwnerSignature
            );
            let owner = sign(OWNER, &spend, &context(second));
            assert_noop!(
                Deposits::spend(signed(THIRD), second, spend.clone(), owner, other),
                Error::<Test>::BadCounterpartySignature
            );
        }
    });
}

#[test]
fn a_payout_under_the_existential_deposit_stays_locked() {
    build_and_execute(|| {
        let deposit = lock(1000);
        let small = pay(0, NOBODY, EXISTENTIAL_DEPOSIT - 1);
        assert_noop!(show(deposit, small.clone()), Error::<Test>::PayoutTooSmall);
        assert_ok!(Balances::transfer_allow_death(
            signed(THIRD),
            account(NOBODY),
            EXISTENTIAL_DEPOSIT
        ));
        assert_ok!(show(deposit, small));
    });
}

#[test]
fn an_owner_that_owns_nothing_else_gets_back_the_least_that_is_left() {
    build_and_execute(|| {
        let (first, second) = (lock(1000), lock(1000));
        assert_ok!(show(first, pay(0, OTHER, 999)));
        System::inc_providers(&account(OWNER));
        let free = Balances::free_balance(account(OWNER));
        assert_ok!(Balances::transfer_allow_death(signed(OWNER), account(OTHER), free));
        go_to(50);
        assert_ok!(Deposits::refund(signed(THIRD), first));
        assert_eq!(Balances::free_balance(account(OWNER)), 1 + RECORD_DEPOSIT);
        assert_ok!(show(second, pay(0, OTHER, 1000)));
        assert_eq!(Balances::free_balance(account(OWNER)), 1 + 2 * RECORD_DEPOSIT);
    });
}

#[test]
fn a_lock_that_overflows_with_the_deposit_for_its_record_is_an_error() {
    build_and_execute(|| {
        assert_noop!(
            Deposits::lock(signed(OWNER), account(OTHER), Balance::MAX, 50),
            sp_runtime::ArithmeticError::Overflow
        );
    });
}

#[test]
fn frozen_coins_cannot_be_locked() {
    build_and_execute(|| {
        Balances::set_lock(*b"frozen  ", &account(OWNER), 9500, WithdrawReasons::all());
        assert_noop!(
            Deposits::lock(signed(OWNER), account(OTHER), 1000, 50),
            Error::<Test>::NotEnoughFree
        );
    });
}

#[test]
fn a_freeze_that_comes_later_does_not_stop_a_payment() {
    build_and_execute(|| {
        let deposit = lock(1000);
        Balances::set_lock(*b"frozen  ", &account(OWNER), ENDOWMENT, WithdrawReasons::all());
        assert_ok!(show(deposit, pay(0, OTHER, 1000)));
    });
}

#[test]
fn a_nonce_that_would_overflow_is_an_error() {
    build_and_execute(|| {
        NextNonce::<Test>::insert(account(OWNER), u64::MAX);
        assert_noop!(
            Deposits::lock(signed(OWNER), account(OTHER), 1000, 50),
            sp_runtime::ArithmeticError::Overflow
        );
    });
}

#[test]
fn a_sequence_that_would_overflow_is_an_error() {
    build_and_execute(|| {
        let deposit = lock(1000);
        Map::<Test>::mutate(deposit, |record| record.as_mut().unwrap().sequence = u32::MAX);
        assert_noop!(
            show(deposit, pay(u32::MAX, OTHER, 300)),
            sp_runtime::ArithmeticError::Overflow
        );
    });
}

#[test]
fn unsigned_calls_are_refused() {
    build_and_execute(|| {
        let deposit = lock(1000);
        let spend = pay(0, OTHER, 300);
        let signature = sign(OWNER, &spend, &context(deposit));
        let bad = sp_runtime::DispatchError::BadOrigin;
        let none = RuntimeOrigin::none;
        assert_noop!(Deposits::lock(none(), account(OTHER), 1000, 50), bad);
        assert_noop!(Deposits::spend(none(), deposit, spend, signature, signature), bad);
        assert_noop!(Deposits::refund(none(), deposit), bad);
    });
}

#[test]
fn the_ledger_keeps_its_coins_apart_from_the_deposits() {
    build_and_execute(|| {
        let owner = account(OWNER);
        lock(1000);
        assert_ok!(<Deposits as DepositLedger>::lock(&owner, 500));
        assert_eq!(<Deposits as DepositLedger>::locked(&owner), 500);
        assert_ok!(<Deposits as DepositLedger>::pay(&owner, &account(OTHER), 200));
        assert_ok!(<Deposits as DepositLedger>::refund(&owner, 300));
        assert_eq!(<Deposits as DepositLedger>::locked(&owner), 0);
        assert_eq!(held(HoldReason::Deposit, &owner), 1000 + RECORD_DEPOSIT);
        assert_noop!(
            <Deposits as DepositLedger>::pay(&owner, &account(OTHER), 1),
            sp_runtime::TokenError::FundsUnavailable
        );
    });
}

#[test]
fn the_signed_bytes_of_a_spend_are_golden() {
    let context = DepositContext { genesis: Hash::repeat_byte(1), deposit: Hash::repeat_byte(2) };
    let spend = Spend { sequence: 3, to: AccountId::new([4; 32]), amount: 5 };
    let golden = [
        b"ZND1".to_vec(),
        vec![1; 32],
        vec![2; 32],
        vec![3, 0, 0, 0],
        vec![4; 32],
        5u128.to_le_bytes().to_vec(),
    ]
    .concat();
    assert_eq!(spend.signing_bytes(&context), golden);
}

#[test]
fn coins_minted_for_a_test_do_not_hide_a_change_of_supply() {
    let changed = std::panic::catch_unwind(|| {
        build_and_execute(|| {
            assert_ok!(Balances::mint_into(&account(OWNER), 1));
        })
    });
    assert!(changed.is_err());
}
