//! Referenda on nothing of consequence, the votes on them, and what cannot be released.

use codec::Encode;
use frame_support::traits::{fungible::Inspect, schedule::DispatchTime, Bounded};
use pallet_conviction_voting::{AccountVote, Conviction, Vote, Voting as Standing, VotingFor};
use pallet_preimage::{RequestStatus, RequestStatusFor};
use pallet_referenda::{ReferendumCount, ReferendumIndex};
use sp_runtime::MultiAddress;

use super::{any_key, Generator};
use crate::{
    tests::random::world::{Transaction, World},
    Balances, OriginCaller, Runtime, RuntimeCall,
};

type Preimage = pallet_preimage::Call<Runtime>;
type Referenda = pallet_referenda::Call<Runtime>;
type Voting = pallet_conviction_voting::Call<Runtime>;
type Vesting = pallet_vesting::Call<Runtime>;

/// The only track.
const ROOT: u16 = 0;

pub(super) struct Governance;

impl Generator for Governance {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        match world.chance.below(4) {
            0 => preimage(world),
            1 => Some(referendum(world)),
            2 => vote(world),
            _ => take_back(world),
        }
    }
}

fn preimage(world: &mut World) -> Option<Transaction> {
    let by = world.person();
    let noted = any_key::<RequestStatusFor<Runtime>, _, _>(&mut world.chance);
    match (world.chance.below(4), noted) {
        (0, Some(hash)) => {
            Some(Transaction::new(by, Preimage::ensure_updated { hashes: vec![hash] }))
        }
        (1, Some(hash)) => {
            let RequestStatus::Unrequested { ticket: (owner, _), .. } =
                RequestStatusFor::<Runtime>::get(hash)?
            else {
                return None;
            };
            Some(Transaction::new(world.mostly(&owner), Preimage::unnote_preimage { hash }))
        }
        _ => {
            let bytes = world.chance.bytes().to_vec();
            Some(Transaction::new(by, Preimage::note_preimage { bytes }))
        }
    }
}

/// One of the latest, which may be going on, or a little one that does not exist.
fn latest(world: &mut World) -> ReferendumIndex {
    let next = ReferendumCount::<Runtime>::get();
    next.saturating_sub(world.chance.below(12) as u32)
}

fn referendum(world: &mut World) -> Transaction {
    let index = latest(world);
    let call: RuntimeCall = match world.chance.below(12) {
        0..=2 => {
            let remark = frame_system::Call::<Runtime>::remark { remark: vec![] };
            let proposal = RuntimeCall::from(remark).encode();
            Referenda::submit {
                proposal_origin: Box::new(OriginCaller::system(frame_system::RawOrigin::Root)),
                proposal: Bounded::Inline(proposal.try_into().expect("it is short; qed")),
                enactment_moment: DispatchTime::After(0),
            }
            .into()
        }
        3..=5 => Referenda::place_decision_deposit { index }.into(),
        6..=7 => Referenda::refund_decision_deposit { index }.into(),
        8 => Referenda::refund_submission_deposit { index }.into(),
        9 => Referenda::kill { index }.into(),
        10 => Vesting::vest {}.into(),
        _ => Referenda::set_metadata { index, maybe_hash: None }.into(),
    };
    Transaction::new(world.person(), call)
}

fn vote(world: &mut World) -> Option<Transaction> {
    let who = world.person();
    let balance = world.amount(Balances::total_balance(&who));
    if world.chance.once_in(3) {
        let conviction = Conviction::Locked1x;
        let to = MultiAddress::Id(world.person());
        let call = Voting::delegate { class: ROOT, to, conviction, balance };
        return Some(Transaction::new(who, call));
    }
    let aye = !world.chance.once_in(4);
    let conviction = match world.chance.below(3) {
        0 => Conviction::None,
        _ => Conviction::Locked1x,
    };
    let vote = AccountVote::Standard { vote: Vote { aye, conviction }, balance };
    let poll_index = latest(world);
    Some(Transaction::new(who, Voting::vote { poll_index, vote }))
}

fn take_back(world: &mut World) -> Option<Transaction> {
    let standing: Vec<_> = VotingFor::<Runtime>::iter().collect();
    let (who, class, voting) = world.chance.pick(&standing)?.clone();
    let by = world.mostly(&who);
    let target = MultiAddress::Id(who);
    let call = match (world.chance.below(4), first_vote(&voting)) {
        (0, Some(index)) => Voting::remove_vote { class: Some(class), index },
        (1, Some(index)) => Voting::remove_other_vote { target, class, index },
        (2, None) => Voting::undelegate { class },
        _ => Voting::unlock { class, target },
    };
    Some(Transaction::new(by, call))
}

type StandingOf = pallet_conviction_voting::VotingOf<Runtime>;

fn first_vote(voting: &StandingOf) -> Option<ReferendumIndex> {
    match voting {
        Standing::Casting(casting) => casting.votes.first().map(|(index, _)| *index),
        Standing::Delegating(_) => None,
    }
}
