//! Where fees, tips and dust go, through the adapter of the transaction payment pallet.

use super::*;
use crate::{CarriedFees, Event};

fn pot() -> u128 {
    Balances::free_balance(Dpos::pot())
}

#[test]
fn fees_and_tips_collect_in_the_pot_and_not_with_the_author() {
    ExtBuilder::default().build_and_execute(|| {
        next_block_by(Some(3));
        charge(21, 70, 7);
        charge(22, 30, 0);
        assert_eq!(pot(), 107);
        assert_eq!(Balances::free_balance(3), ENDOWED - MIN_BOND);
        assert_eq!(Balances::free_balance(21), ENDOWED - 77);
        assert_eq!(carried(), 0);
        assert_supply_is_conserved();
    });
}

#[test]
fn fees_that_the_pot_cannot_take_are_carried_until_they_suffice() {
    ExtBuilder::default().build_and_execute(|| {
        charge(21, ED - 4, 0);
        assert_eq!((pot(), carried()), (0, ED - 4));
        assert!(has_event(Event::FeesCarried { amount: ED - 4 }));
        assert_supply_is_conserved();

        charge(21, 3, 0);
        assert_eq!((pot(), carried()), (0, ED - 1));
        assert_supply_is_conserved();

        charge(21, 0, 1);
        assert_eq!((pot(), carried()), (ED, 0));
        assert!(!CarriedFees::<Test>::exists());
        charge(21, 1, 0);
        assert_eq!((pot(), carried()), (ED + 1, 0));
        assert_supply_is_conserved();
    });
}

#[test]
fn dust_goes_where_fees_go() {
    ExtBuilder::default().build_and_execute(|| {
        charge(21, ED, 0);
        let all_but_dust = ENDOWED - (ED - 1);
        let origin = RuntimeOrigin::signed(22);
        frame_support::assert_ok!(Balances::transfer_allow_death(origin, 23, all_but_dust));
        assert!(!frame_system::Account::<Test>::contains_key(22));
        assert_eq!(pot(), ED + ED - 1);
        assert_supply_is_conserved();
    });
}

#[test]
fn a_transaction_without_fee_moves_nothing() {
    ExtBuilder::default().build_and_execute(|| {
        charge(21, 0, 0);
        assert_eq!((pot(), carried()), (0, 0));
        assert!(!CarriedFees::<Test>::exists());
        assert_supply_is_conserved();
    });
}
