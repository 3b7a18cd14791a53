//! Where fees and tips go, through the adapter of the transaction payment pallet.

use frame_support::{
    dispatch::{DispatchInfo, PostDispatchInfo},
    traits::{Imbalance, SuppressedDrop},
};
use pallet_transaction_payment::OnChargeTransaction;

use super::*;
use crate::{CarriedFees, Event};

type Charge = <Test as pallet_transaction_payment::Config>::OnChargeTransaction;

/// An account that does not exist.
const POOR: u64 = 77;

/// Charges account 21 for a transaction.
fn charge(fee: u128, tip: u128) {
    let call = RuntimeCall::System(frame_system::Call::remark { remark: Vec::new() });
    let (info, post) = (DispatchInfo::default(), PostDispatchInfo::default());
    // More is withdrawn at first than the transaction turns out to cost.
    let held =
        <Charge as OnChargeTransaction<Test>>::withdraw_fee(&21, &call, &info, fee + tip + 5, tip)
            .expect("21 can pay");
    <Charge as OnChargeTransaction<Test>>::correct_and_deposit_fee(
        &21,
        &info,
        &post,
        fee + tip,
        tip,
        held,
    )
    .expect("a fee can be deposited");
}

fn carried() -> u128 {
    CarriedFees::<Test>::get().map_or(0, |credit| credit.as_ref().peek())
}

/// Everything on accounts and everything carried is the issuance of genesis.
fn assert_supply_is_conserved() {
    let genesis = ENDOWED * (u128::from(LAST_WITH_KEYS) + VOTERS.len() as u128);
    let on_accounts: u128 = frame_system::Account::<Test>::iter_values()
        .map(|account| account.data.free + account.data.reserved)
        .sum();
    assert_eq!(Balances::total_issuance(), genesis);
    assert_eq!(on_accounts + carried(), genesis);
}

#[test]
fn the_author_gets_the_fee_and_the_tip() {
    ExtBuilder::default().build_and_execute(|| {
        next_block_by(Some(3));
        charge(70, 7);
        assert_eq!(Balances::free_balance(3), ENDOWED - MIN_BOND + 77);
        assert_eq!(Balances::free_balance(21), ENDOWED - 77);
        assert_eq!(carried(), 0);
        assert_supply_is_conserved();
    });
}

#[test]
fn an_author_pays_fees_to_itself() {
    ExtBuilder::default().build_and_execute(|| {
        next_block_by(Some(21));
        charge(70, 7);
        assert_eq!(Balances::free_balance(21), ENDOWED);
        assert_supply_is_conserved();
    });
}

#[test]
fn fees_of_a_block_without_a_known_author_go_to_the_next_author() {
    ExtBuilder::default().build_and_execute(|| {
        next_block_by(None);
        charge(70, 7);
        charge(30, 0);
        assert_eq!(carried(), 107);
        assert!(has_event(Event::FeesCarried { amount: 107 }));
        assert_supply_is_conserved();

        next_block_by(Some(3));
        charge(10, 0);
        assert_eq!(Balances::free_balance(3), ENDOWED - MIN_BOND + 117);
        assert!(!CarriedFees::<Test>::exists());
        assert_supply_is_conserved();
    });
}

#[test]
fn fees_that_an_author_cannot_be_credited_with_are_carried_until_they_suffice() {
    ExtBuilder::default().build_and_execute(|| {
        next_block_by(Some(POOR));
        charge(ED - 4, 0);
        assert_eq!(Balances::free_balance(POOR), 0);
        assert_eq!(carried(), ED - 4);
        assert_supply_is_conserved();

        charge(3, 0);
        assert_eq!(carried(), ED - 1);
        assert_supply_is_conserved();

        charge(0, 1);
        assert_eq!(Balances::free_balance(POOR), ED);
        assert_eq!(carried(), 0);
        assert_supply_is_conserved();
    });
}

#[test]
fn a_transaction_without_fee_moves_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        next_block_by(None);
        charge(0, 0);
        assert_eq!(carried(), 0);
        assert!(!CarriedFees::<Test>::exists());
        assert_supply_is_conserved();
    });
}
