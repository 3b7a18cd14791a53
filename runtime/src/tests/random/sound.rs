//! What must hold after every block.

use frame_support::{
    dispatch::DispatchClass,
    traits::{Imbalance, SuppressedDrop, TryState, TryStateSelect},
    weights::Weight,
};
use pallet_session::Event::NewSession;

use crate::{
    AllPalletsWithSystem, Balance, Balances, Runtime, RuntimeEvent, Session, System,
    EXISTENTIAL_DEPOSIT, TOTAL_SUPPLY,
};

/// Panics if anything is broken. Called when a block is finished.
pub(super) fn assert_sound() {
    let now = System::block_number();
    if let Err(broken) = AllPalletsWithSystem::try_state(now, TryStateSelect::All) {
        panic!("the state is not sound: {broken:?}");
    }
    assert_supply();
    assert_within_limits();
    assert_bookkeepers();
}

/// The coin of all accounts, and of the fees that no author could take yet, is the supply.
fn assert_supply() {
    assert_eq!(Balances::total_issuance(), TOTAL_SUPPLY, "the issuance is not the supply");
    let mut sum: Balance = 0;
    for (who, account) in frame_system::Account::<Runtime>::iter() {
        let data = account.data;
        let owned = data.free.checked_add(data.reserved).expect("an account overflows");
        assert!(
            owned >= EXISTENTIAL_DEPOSIT || owned == 0,
            "{who} is left with {owned}, less than an account may have"
        );
        sum = sum.checked_add(owned).expect("the sum of all accounts overflows");
    }
    if let Some(carried) = pallet_dpos::CarriedFees::<Runtime>::get() {
        let credit = carried.into_inner();
        sum += credit.peek();
        // Dropped, it would be taken out of the supply.
        std::mem::forget(credit);
    }
    assert_eq!(sum, TOTAL_SUPPLY, "the accounts have another sum than the supply");
}

fn assert_within_limits() {
    let limits = <Runtime as frame_system::Config>::BlockWeights::get();
    let used = System::block_weight();
    let new_session = System::read_events_no_consensus()
        .any(|record| matches!(record.event, RuntimeEvent::Session(NewSession { .. })));
    // The session pallet declares that the end of a session takes a whole block.
    let declared = if new_session { limits.max_block } else { Weight::zero() };
    let most = limits.max_block.saturating_add(declared);
    assert!(used.total().all_lte(most), "the block weighs {:?}", used.total());
    for class in [DispatchClass::Normal, DispatchClass::Operational] {
        let most = limits.get(class).max_total.unwrap_or(limits.max_block);
        assert!(used.get(class).all_lte(most), "{class:?} weighs {:?}", used.get(class));
    }
}

/// Whoever is seated can author.
fn assert_bookkeepers() {
    let seated = Session::validators().len();
    assert!(seated > 0, "nobody is seated");
    assert_eq!(pallet_aura::Authorities::<Runtime>::get().len(), seated, "an author is missing");
}
