//! Coin that votes or is not released yet, and coin that others were promised.

use codec::Encode;
use frame_support::{
    assert_noop, assert_ok,
    traits::{schedule::DispatchTime, Bounded, InstanceFilter},
};
use frame_system::RawOrigin;
use pallet_conviction_voting::{AccountVote, Conviction, Vote};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET as LOCAL;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Eve, Ferdie};
use sp_runtime::DispatchError;

use super::{
    blocks::{call, on_a_chain_of, run_blocks},
    open,
};
use crate::{
    configs::{accounts::ProxyType, pace::SHORT},
    AccountId, Balance, Runtime, RuntimeCall, System, XEN,
};

type Refer = pallet_referenda::Call<Runtime>;
type Voting = pallet_conviction_voting::Call<Runtime>;

/// The only track.
const ROOT: u16 = 0;

fn account(who: Sr25519Keyring) -> AccountId {
    who.to_account_id()
}

/// A referendum without a deposit: it is prepared, and can be voted on.
fn referendum() -> RuntimeCall {
    let remark = RuntimeCall::from(frame_system::Call::remark { remark: vec![] });
    let submit = Refer::submit {
        proposal_origin: Box::new(RawOrigin::Root.into()),
        proposal: Bounded::Inline(remark.encode().try_into().unwrap()),
        enactment_moment: DispatchTime::After(0),
    };
    submit.into()
}

fn vote(balance: Balance) -> RuntimeCall {
    let vote = Vote { aye: true, conviction: Conviction::Locked1x };
    Voting::vote { poll_index: 0, vote: AccountVote::Standard { vote, balance } }.into()
}

fn delegate(balance: Balance) -> RuntimeCall {
    let to = account(Charlie).into();
    Voting::delegate { class: ROOT, to, conviction: Conviction::Locked1x, balance }.into()
}

#[test]
fn coin_that_voted_cannot_leave_through_a_channel_and_vote_again() {
    on_a_chain_of(LOCAL, || {
        assert_ok!(call(&account(Charlie), referendum()));
        assert_ok!(call(&account(Eve), vote(XEN)));
        let locked = DispatchError::from(pallet_deposits::Error::<Runtime>::CoinLocked);
        // Even coin that did not vote: what is sent away beside it would leave the vote uncovered.
        assert_noop!(call(&account(Eve), open(account(Bob), XEN)), locked);
        let lock = pallet_deposits::Call::<Runtime>::lock {
            counterparty: account(Bob),
            amount: XEN,
            refund_at: System::block_number() + 10,
        };
        assert_noop!(call(&account(Eve), lock), locked);
        // When the vote is over, it is an account like any other.
        assert_ok!(call(&account(Eve), Voting::remove_vote { class: Some(ROOT), index: 0 }));
        let unlock = Voting::unlock { class: ROOT, target: account(Eve).into() };
        assert_ok!(call(&account(Eve), unlock));
        assert_ok!(call(&account(Eve), open(account(Bob), XEN)));
    });
}

#[test]
fn an_account_that_promised_coin_neither_votes_nor_delegates() {
    on_a_chain_of(LOCAL, || {
        assert_ok!(call(&account(Charlie), referendum()));
        assert_ok!(call(&account(Eve), open(account(Bob), XEN)));
        let none = pallet_conviction_voting::Error::<Runtime>::InsufficientFunds;
        let none = DispatchError::from(none);
        assert_noop!(call(&account(Eve), vote(XEN)), none);
        assert_noop!(call(&account(Eve), delegate(XEN)), none);
        assert_eq!(System::account(account(Eve)).data.frozen, 0);
        // It may vote for bookkeepers: that stake is held, and apart from the deposit.
        let candidates = vec![account(Alice)].try_into().unwrap();
        assert_ok!(call(
            &account(Eve),
            pallet_dpos::Call::<Runtime>::vote { candidates, stake: XEN }
        ));
    });
}

#[test]
fn nobody_can_lock_another_accounts_coin() {
    on_a_chain_of(LOCAL, || {
        assert_ok!(call(&account(Eve), open(account(Bob), XEN)));
        let schedule = pallet_vesting::VestingInfo::new(2 * XEN, XEN, 1_000);
        let give = pallet_vesting::Call::<Runtime>::vested_transfer {
            target: account(Eve).into(),
            schedule,
        };
        let filtered = frame_system::Error::<Runtime>::CallFiltered;
        assert_noop!(call(&account(Ferdie), give), filtered);
    });
}

#[test]
fn nobody_can_burn_coin() {
    on_a_chain_of(LOCAL, || {
        let burn = RuntimeCall::from(pallet_balances::Call::burn { value: XEN, keep_alive: true });
        let filtered: DispatchError = frame_system::Error::<Runtime>::CallFiltered.into();
        assert_eq!(call(&account(Eve), burn.clone()), Err(filtered));
        // Nor in a batch.
        let batch = pallet_utility::Call::<Runtime>::batch_all { calls: vec![burn] };
        assert_eq!(call(&account(Eve), batch), Err(filtered));
    });
}

#[test]
fn a_voting_proxy_takes_part_in_governance_and_a_market_proxy_does_not() {
    let governance: [RuntimeCall; 3] =
        [vote(XEN), referendum(), pallet_preimage::Call::note_preimage { bytes: vec![] }.into()];
    for call in governance {
        assert!(ProxyType::Any.filter(&call) && ProxyType::Voting.filter(&call), "{call:?}");
        assert!(!ProxyType::Market.filter(&call), "{call:?}");
    }
    let transfer =
        pallet_balances::Call::transfer_all { dest: account(Eve).into(), keep_alive: false };
    assert!(!ProxyType::Voting.filter(&transfer.into()));
    assert!(!ProxyType::Voting.filter(&open(account(Bob), XEN)));
}

#[test]
fn a_lost_vote_is_free_at_once_and_a_won_one_after_its_lock() {
    on_a_chain_of(LOCAL, || {
        assert_ok!(call(&account(Charlie), referendum()));
        let decide = Refer::place_decision_deposit { index: 0 };
        assert_ok!(call(&account(Charlie), decide));
        assert_ok!(call(&account(Eve), vote(XEN)));
        let vote = Vote { aye: false, conviction: Conviction::Locked1x };
        let against = AccountVote::Standard { vote, balance: XEN };
        assert_ok!(call(&account(Ferdie), Voting::vote { poll_index: 0, vote: against }));
        run_blocks(SHORT.prepare + SHORT.decision + 5);
        for who in [Eve, Ferdie] {
            assert_ok!(call(&account(who), Voting::remove_vote { class: Some(ROOT), index: 0 }));
            let unlock = Voting::unlock { class: ROOT, target: account(who).into() };
            assert_ok!(call(&account(who), unlock));
        }
        // It was rejected: Ferdie's side won.
        assert_eq!(System::account(account(Eve)).data.frozen, 0);
        assert_eq!(System::account(account(Ferdie)).data.frozen, XEN);
        run_blocks(SHORT.vote_lock);
        let unlock = Voting::unlock { class: ROOT, target: account(Ferdie).into() };
        assert_ok!(call(&account(Eve), unlock));
        assert_eq!(System::account(account(Ferdie)).data.frozen, 0);
    });
}
