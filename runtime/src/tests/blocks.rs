//! Blocks that are begun and ended as a bookkeeper does it.

use codec::Encode;
use frame_support::assert_ok;
use sp_consensus_aura::{Slot, AURA_ENGINE_ID};
use sp_runtime::{
    generic::{Digest, DigestItem},
    traits::Dispatchable,
    DispatchResult,
};

use crate::{
    AccountId, Balance, Balances, BlockNumber, Executive, Hash, Header, Runtime, RuntimeCall,
    RuntimeOrigin, System, SLOT_MILLIS, TOTAL_SUPPLY,
};

/// Runs a test from the first block of a preset's chain on, then checks what must always hold.
pub(super) fn on_a_chain_of(preset: &str, test: impl FnOnce()) {
    super::state_of(preset).execute_with(|| {
        next_block();
        test();
        next_block();
        assert_the_supply_is_whole();
        #[cfg(feature = "try-runtime")]
        super::assert_sound();
    });
}

/// Ends the block, if there is one, and begins the next.
pub(super) fn next_block() {
    let number = System::block_number();
    let parent =
        if number == 0 { System::block_hash(0) } else { Executive::finalize_block().hash() };
    begin(number + 1, parent);
}

fn begin(number: BlockNumber, parent: Hash) {
    let slot = Slot::from(u64::from(number)).encode();
    let digest = Digest { logs: vec![DigestItem::PreRuntime(AURA_ENGINE_ID, slot)] };
    let none = Hash::default();
    let header: Header =
        Header { parent_hash: parent, number, state_root: none, extrinsics_root: none, digest };
    Executive::initialize_block(&header);
    let now = u64::from(number) * SLOT_MILLIS;
    let time = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
    assert_ok!(time.dispatch(RuntimeOrigin::none()));
}

/// Runs blocks until something holds, `most` at most; says after how many it did.
pub(super) fn blocks_until(most: BlockNumber, holds: impl Fn() -> bool) -> BlockNumber {
    for count in 0..=most {
        if holds() {
            return count;
        }
        next_block();
    }
    panic!("it does not hold after {most} blocks");
}

pub(super) fn run_blocks(count: BlockNumber) {
    (0..count).for_each(|_| next_block());
}

/// Has an account make a call.
pub(super) fn call(who: &AccountId, call: impl Into<RuntimeCall>) -> DispatchResult {
    let done = call.into().dispatch(RuntimeOrigin::signed(who.clone()));
    done.map(|_| ()).map_err(|refused| refused.error)
}

/// All coin is on accounts, and it is all that was made at genesis.
pub(super) fn assert_the_supply_is_whole() {
    let accounts = frame_system::Account::<Runtime>::iter();
    let sum: Balance = accounts.map(|(_, info)| info.data.free + info.data.reserved).sum();
    assert_eq!((sum, Balances::total_issuance()), (TOTAL_SUPPLY, TOTAL_SUPPLY));
}
