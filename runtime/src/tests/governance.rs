//! What the holders of the coin decide is carried out, and nothing else.

use alloc::{boxed::Box, string::String, vec::Vec};

use codec::Encode;
use frame_support::{
    assert_noop, assert_ok,
    storage::unhashed,
    traits::{fungible::Inspect, schedule::DispatchTime, Bounded, PollStatus, Polling},
};
use frame_system::RawOrigin;
use pallet_conviction_voting::{AccountVote, Conviction, Vote};
use pallet_referenda::{ReferendumIndex, ReferendumInfo, ReferendumInfoFor};
use sp_core::{
    storage::well_known_keys::CODE,
    traits::{Externalities, ReadRuntimeVersion, ReadRuntimeVersionExt},
};
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET as LOCAL;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Dave, Eve, Ferdie};
use sp_runtime::traits::{BlakeTwo256, Dispatchable, Hash as _};

use super::blocks::{
    assert_the_supply_is_whole, blocks_until, call, next_block, on_a_chain_of, run_blocks,
};
use crate::{
    configs::pace::SHORT, AccountId, Balance, Balances, Hash, Referenda, Runtime, RuntimeCall,
    RuntimeEvent, RuntimeOrigin, System, DAYS, VERSION, XEN,
};

type Refer = pallet_referenda::Call<Runtime>;
type Voting = pallet_conviction_voting::Call<Runtime>;

/// The only track.
const ROOT: u16 = 0;

/// Longer than any referendum of the quick chain takes.
const LONG: u32 = 200;

fn account(who: Sr25519Keyring) -> AccountId {
    who.to_account_id()
}

fn owned(who: Sr25519Keyring) -> Balance {
    Balances::total_balance(&account(who))
}

fn held(who: Sr25519Keyring) -> Balance {
    System::account(account(who)).data.reserved
}

fn locked(who: Sr25519Keyring) -> Balance {
    System::account(account(who)).data.frozen
}

/// Submits a referendum on a call with the rights of root; Alice pays for its preimage, Bob for its
/// decision.
fn propose(proposal: RuntimeCall) -> ReferendumIndex {
    let bytes = proposal.encode();
    let hash = BlakeTwo256::hash(&bytes);
    let len = bytes.len() as u32;
    assert_ok!(call(&account(Alice), pallet_preimage::Call::note_preimage { bytes }));
    let index = pallet_referenda::ReferendumCount::<Runtime>::get();
    let submit = Refer::submit {
        proposal_origin: Box::new(RawOrigin::Root.into()),
        proposal: Bounded::Lookup { hash, len },
        enactment_moment: DispatchTime::After(0),
    };
    assert_ok!(call(&account(Alice), submit));
    assert_ok!(call(&account(Bob), Refer::place_decision_deposit { index }));
    index
}

fn vote(who: Sr25519Keyring, poll_index: ReferendumIndex, aye: bool, balance: Balance) {
    let vote = Vote { aye, conviction: Conviction::Locked1x };
    let vote = AccountVote::Standard { vote, balance };
    assert_ok!(call(&account(who), Voting::vote { poll_index, vote }));
}

fn vote_all(who: Sr25519Keyring, index: ReferendumIndex, aye: bool) {
    vote(who, index, aye, owned(who));
}

fn delegate(who: Sr25519Keyring, to: Sr25519Keyring, balance: Balance) {
    let to = account(to).into();
    let conviction = Conviction::Locked1x;
    assert_ok!(call(&account(who), Voting::delegate { class: ROOT, to, conviction, balance }));
}

fn abstain(who: Sr25519Keyring, poll_index: ReferendumIndex, abstain: Balance) {
    let vote = AccountVote::SplitAbstain { aye: 0, nay: 0, abstain };
    assert_ok!(call(&account(who), Voting::vote { poll_index, vote }));
}

/// Votes in favour and against, and coin that is in favour or abstains.
fn tally(index: ReferendumIndex) -> (Balance, Balance, Balance) {
    Referenda::access_poll(index, |status| match status {
        PollStatus::Ongoing(tally, _) => (tally.ayes, tally.nays, tally.support),
        _ => panic!("the referendum is over"),
    })
}

fn outcome(index: ReferendumIndex) -> &'static str {
    match ReferendumInfoFor::<Runtime>::get(index).expect("there is such a referendum") {
        ReferendumInfo::Ongoing(_) => "ongoing",
        ReferendumInfo::Approved(..) => "approved",
        ReferendumInfo::Rejected(..) => "rejected",
        ReferendumInfo::Cancelled(..) => "cancelled",
        ReferendumInfo::TimedOut(..) => "timed out",
        ReferendumInfo::Killed(_) => "killed",
    }
}

fn is_over(index: ReferendumIndex) -> bool {
    outcome(index) != "ongoing"
}

/// Something that leaves a trace when it is carried out.
fn decision() -> RuntimeCall {
    decision_on(b"decided")
}

/// The same with a trace in another place.
fn decision_on(place: &[u8]) -> RuntimeCall {
    frame_system::Call::set_storage { items: vec![(place.to_vec(), b"yes".to_vec())] }.into()
}

fn is_decided() -> bool {
    unhashed::get_raw(b"decided").is_some()
}

/// Reads the next version of this program from any code.
struct NextVersion;

impl ReadRuntimeVersion for NextVersion {
    fn read_runtime_version(&self, _: &[u8], _: &mut dyn Externalities) -> Result<Vec<u8>, String> {
        Ok(sp_version::RuntimeVersion { spec_version: VERSION.spec_version + 1, ..VERSION }
            .encode())
    }
}

#[test]
fn the_program_is_replaced_by_a_vote_of_the_holders() {
    let mut state = super::state_of(LOCAL);
    state.register_extension(ReadRuntimeVersionExt::new(NextVersion));
    state.execute_with(|| {
        next_block();
        let code = b"the next program".to_vec();
        let before = [Alice, Bob].map(|who| (owned(who), held(who)));
        let code_hash: Hash = BlakeTwo256::hash(&code);
        let index = propose(frame_system::Call::authorize_upgrade { code_hash }.into());
        for who in [Alice, Bob, Charlie] {
            vote_all(who, index, true);
        }
        delegate(Dave, Alice, owned(Dave));
        // A third of the supply: less than half of it, with which it would pass at once.
        blocks_until(LONG, || is_over(index));
        assert_eq!(outcome(index), "approved");
        blocks_until(SHORT.enactment, || System::authorized_upgrade().is_some());

        let apply = frame_system::Call::apply_authorized_upgrade { code: code.clone() };
        let other = frame_system::Call::apply_authorized_upgrade { code: b"another".to_vec() };
        let unauthorized = frame_system::Error::<Runtime>::Unauthorized;
        assert_eq!(call(&account(Eve), other), Err(unauthorized.into()));
        // Whoever has it brings the program.
        assert_ok!(call(&account(Eve), apply));
        System::assert_has_event(RuntimeEvent::System(frame_system::Event::CodeUpdated {
            hash: code_hash,
        }));
        assert_eq!(unhashed::get_raw(CODE), Some(code.clone()));

        next_block();
        assert_ok!(call(&account(Eve), Refer::refund_decision_deposit { index }));
        assert_ok!(call(&account(Eve), Refer::refund_submission_deposit { index }));
        let hash = BlakeTwo256::hash(
            &RuntimeCall::from(frame_system::Call::authorize_upgrade { code_hash }).encode(),
        );
        assert_ok!(call(&account(Alice), pallet_preimage::Call::unnote_preimage { hash }));
        assert_eq!([Alice, Bob].map(|who| (owned(who), held(who))), before);
        assert_the_supply_is_whole();
    });
}

#[test]
fn what_is_approved_is_done_after_the_enactment_period_and_not_before() {
    on_a_chain_of(LOCAL, || {
        let index = propose(decision());
        for who in [Alice, Bob, Charlie, Dave, Eve, Ferdie, Sr25519Keyring::AliceStash] {
            vote_all(who, index, true);
        }
        // More than half of the supply is in favour: only the preparation and the confirmation are
        // waited for.
        let blocks = blocks_until(LONG, || is_over(index));
        assert_eq!(outcome(index), "approved");
        let quickest = SHORT.prepare + SHORT.confirm;
        assert!((quickest..quickest + 3).contains(&blocks), "{blocks} blocks");
        assert_eq!(blocks_until(LONG, is_decided), SHORT.enactment);
    });
}

#[test]
fn a_minority_of_the_supply_decides_nothing_even_if_nobody_is_against() {
    on_a_chain_of(LOCAL, || {
        let before = held(Bob);
        let index = propose(decision());
        // A twelfth of the supply.
        vote_all(Alice, index, true);
        let blocks = blocks_until(LONG, || is_over(index));
        assert_eq!(outcome(index), "rejected");
        assert!(blocks >= SHORT.prepare + SHORT.decision, "{blocks} blocks");
        run_blocks(2 * SHORT.enactment);
        assert!(!is_decided());
        // The deposit for the decision returns, the one for the record does not.
        assert_ok!(call(&account(Bob), Refer::refund_decision_deposit { index }));
        assert_eq!(held(Bob), before);
        let kept = pallet_referenda::Error::<Runtime>::BadStatus;
        assert_noop!(call(&account(Alice), Refer::refund_submission_deposit { index }), kept);
    });
}

#[test]
fn no_more_votes_in_favour_than_against_decide_nothing() {
    on_a_chain_of(LOCAL, || {
        let index = propose(decision());
        let equal = owned(Alice).min(owned(Bob)).min(owned(Charlie)).min(owned(Dave));
        for (who, aye) in [(Alice, true), (Bob, true), (Charlie, false), (Dave, false)] {
            vote(who, index, aye, equal);
        }
        blocks_until(LONG, || is_over(index));
        assert_eq!(outcome(index), "rejected");
        run_blocks(2 * SHORT.enactment);
        assert!(!is_decided());
    });
}

#[test]
fn coin_that_abstains_supports_what_others_decide_and_coin_against_does_not() {
    on_a_chain_of(LOCAL, || {
        let (abstained, opposed) = (propose(decision()), propose(decision_on(b"another")));
        for index in [abstained, opposed] {
            // A twelfth of the supply, which is too little.
            vote_all(Alice, index, true);
        }
        abstain(Bob, abstained, owned(Bob));
        // Less than what is in favour, or it would decide.
        vote(Bob, opposed, false, owned(Alice) / 2);
        let in_favour = owned(Alice);
        assert_eq!(tally(abstained), (in_favour, 0, in_favour + owned(Bob)));
        assert_eq!(tally(opposed), (in_favour, in_favour / 2, in_favour));
        blocks_until(LONG, || is_over(abstained) && is_over(opposed));
        assert_eq!([abstained, opposed].map(outcome), ["approved", "rejected"]);
    });
}

#[test]
fn a_hundred_referenda_are_decided_at_a_time_and_the_next_one_when_one_is_over() {
    on_a_chain_of(LOCAL, || {
        let all: Vec<_> = (0..101u8).map(|number| propose(decision_on(&[number]))).collect();
        run_blocks(SHORT.prepare + 2);
        let deciding = |index: &&ReferendumIndex| {
            matches!(
                ReferendumInfoFor::<Runtime>::get(*index),
                Some(ReferendumInfo::Ongoing(status)) if status.deciding.is_some()
            )
        };
        assert_eq!(all.iter().filter(deciding).count(), 100);
        // An account votes on all of them.
        for index in &all {
            vote(Eve, *index, false, XEN);
        }
        let waits = *all.iter().find(|index| !deciding(index)).expect("one waits");
        blocks_until(LONG, || is_over(all[0]));
        run_blocks(2);
        assert!(deciding(&&waits));
    });
}

#[test]
fn a_delegated_stake_votes_with_its_delegate_until_it_is_taken_back() {
    on_a_chain_of(LOCAL, || {
        let index = propose(decision());
        delegate(Bob, Alice, 30 * XEN);
        vote(Alice, index, true, 10 * XEN);
        assert_eq!(tally(index), (40 * XEN, 0, 40 * XEN));
        delegate(Charlie, Alice, 5 * XEN);
        assert_eq!(tally(index), (45 * XEN, 0, 45 * XEN));
        vote(Alice, index, false, 10 * XEN);
        assert_eq!(tally(index), (0, 45 * XEN, 0));
        assert_ok!(call(&account(Bob), Voting::undelegate { class: ROOT }));
        assert_eq!(tally(index), (0, 15 * XEN, 0));
        // What was taken back stays where it is for the time of the lock.
        let release = Voting::unlock { class: ROOT, target: account(Bob).into() };
        assert_ok!(call(&account(Bob), release.clone()));
        assert_eq!(locked(Bob), 30 * XEN);
        run_blocks(SHORT.vote_lock);
        assert_ok!(call(&account(Bob), release));
        assert_eq!(locked(Bob), 0);
    });
}

#[test]
fn stake_that_is_held_for_bookkeepers_votes_in_referenda_at_the_same_time() {
    on_a_chain_of(LOCAL, || {
        let stake = owned(Eve) - XEN;
        let candidates = vec![account(Alice)].try_into().unwrap();
        assert_ok!(call(&account(Eve), pallet_dpos::Call::<Runtime>::vote { candidates, stake }));
        let index = propose(decision());
        vote_all(Eve, index, true);
        assert_eq!(tally(index).2, stake + XEN);
        assert_eq!((held(Eve), locked(Eve)), (stake, stake + XEN));
        // The other way round: what is locked can be staked.
        vote_all(Ferdie, index, true);
        let candidates = vec![account(Bob)].try_into().unwrap();
        assert_ok!(call(
            &account(Ferdie),
            pallet_dpos::Call::<Runtime>::vote { candidates, stake }
        ));
        // It cannot be sent to another account, to vote there again.
        let transfer = pallet_balances::Call::transfer_allow_death {
            dest: account(Dave).into(),
            value: XEN / 2,
        };
        assert!(call(&account(Ferdie), transfer).is_err());
    });
}

#[test]
fn a_killed_referendum_costs_its_deposits_and_they_stay_in_the_supply() {
    on_a_chain_of(LOCAL, || {
        let before = owned(Alice);
        let index = propose(decision());
        let kill = RuntimeCall::from(Refer::kill { index });
        assert!(call(&account(Eve), kill.clone()).is_err(), "a stranger killed it");
        assert_ok!(kill.dispatch(RuntimeOrigin::root()));
        assert_eq!(outcome(index), "killed");
        assert_the_supply_is_whole();
        // Bob is the author of this block. What he paid may come back to him, not what Alice did.
        assert_eq!(owned(Alice), before - 100 * XEN);
        assert_eq!(held_deposits(), 0);
    });
}

/// What is reserved without a reason: deposits of referenda are.
fn held_deposits() -> Balance {
    let holds = |who: Sr25519Keyring| -> Balance {
        pallet_balances::Holds::<Runtime>::get(account(who)).iter().map(|hold| hold.amount).sum()
    };
    [Alice, Bob].map(|who| held(who) - holds(who)).iter().sum()
}

#[test]
fn nobody_decides_alone() {
    on_a_chain_of(LOCAL, || {
        let calls: [RuntimeCall; 4] = [
            frame_system::Call::set_code { code: vec![1] }.into(),
            frame_system::Call::authorize_upgrade { code_hash: Hash::zero() }.into(),
            pallet_scheduler::Call::<Runtime>::schedule {
                when: 100,
                maybe_periodic: None,
                priority: 0,
                call: Box::new(decision()),
            }
            .into(),
            pallet_balances::Call::force_set_balance { who: account(Alice).into(), new_free: 0 }
                .into(),
        ];
        for refused in calls {
            assert_eq!(call(&account(Alice), refused), Err(sp_runtime::DispatchError::BadOrigin));
        }
    });
}

#[test]
fn a_referendum_for_other_rights_than_those_of_root_has_no_track() {
    on_a_chain_of(LOCAL, || {
        let submit = Refer::submit {
            proposal_origin: Box::new(RawOrigin::Signed(account(Bob)).into()),
            proposal: Bounded::Inline(decision().encode().try_into().unwrap()),
            enactment_moment: DispatchTime::After(0),
        };
        let no_track = pallet_referenda::Error::<Runtime>::NoTrack;
        assert_noop!(call(&account(Alice), submit), no_track);
    });
}

#[test]
fn the_main_chain_takes_its_time() {
    use pallet_referenda::TracksInfo;
    sp_io::TestExternalities::default().execute_with(|| {
        let mut tracks = crate::configs::governance::Tracks::tracks();
        let info = tracks.next().expect("there is a track").info.clone();
        assert!(tracks.next().is_none());
        assert_eq!((info.decision_period, info.confirm_period), (7 * DAYS, DAYS));
        assert_eq!(info.min_enactment_period, DAYS);
    });
}
