//! Evidence that a bookkeeper signed two things of which it may sign one.

use codec::{Decode, Encode};
use pallet_equivocation::{Equivocators, ProofOf, Seal};
use sp_consensus_aura::{digests::CompatibleDigestItem, AURA_ENGINE_ID};
use sp_consensus_grandpa::{runtime_decl_for_grandpa_api::GrandpaApiV3, EquivocationProof};
use sp_core::Pair;
use sp_runtime::{traits::Header as _, Digest, DigestItem};

use super::Generator;
use crate::{
    tests::random::world::{Transaction, World},
    BlockNumber, Grandpa, Hash, Header, Runtime, RuntimeCall, Session, System,
};

/// Bookkeepers that equivocate in a run: each is out for good.
const MOST: usize = 6;

pub(super) struct Equivocation;

impl Generator for Equivocation {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        // The second of two is the first once more where nobody is to be proven guilty.
        let guilty = known() < MOST && world.chance.once_in(4);
        match world.chance.below(2) {
            0 => blocks(guilty, world),
            _ => votes(guilty, world),
        }
    }
}

fn known() -> usize {
    let offenders = pallet_dpos::Barred::<Runtime>::iter_keys().count();
    offenders.max(Equivocators::<Runtime>::iter_keys().count())
}

fn blocks(guilty: bool, world: &mut World) -> Option<Transaction> {
    let authors = pallet_aura::Authorities::<Runtime>::get();
    let offender = world.chance.pick(&authors)?.clone();
    let slot = pallet_aura::CurrentSlot::<Runtime>::get();
    let pair = world.author_pair(offender.as_ref())?;
    let block = |tag: u8| {
        let pre_digest = <DigestItem as CompatibleDigestItem<Seal>>::aura_pre_digest(slot);
        let root = Hash::repeat_byte(tag);
        let mut header = Header::new(2, root, root, root, Digest { logs: vec![pre_digest] });
        let seal = pair.sign(header.hash().as_ref());
        header.digest_mut().push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
        header
    };
    let first_header = block(1);
    let second_header = if guilty { block(2) } else { first_header.clone() };
    let proof = ProofOf::<Runtime> { offender, slot, first_header, second_header };
    let session = Session::current_index();
    let call = pallet_equivocation::Call::<Runtime>::report { proof, session };
    let by = world.chance.once_in(4).then(|| world.person());
    Some(Transaction { by, call: call.into() })
}

fn votes(guilty: bool, world: &mut World) -> Option<Transaction> {
    let voters = Grandpa::grandpa_authorities();
    let (offender, _) = world.chance.pick(&voters)?.clone();
    let set = Grandpa::current_set_id();
    let pair = world.voter_pair(offender.as_ref())?;
    // A prevote, as GRANDPA signs and encodes it.
    let vote = |tag: u8| {
        let target: (Hash, BlockNumber) = (Hash::repeat_byte(tag), System::block_number());
        let signature = pair.sign(&(0u8, target, 1u64, set).encode());
        (target, signature)
    };
    let votes = (vote(1), vote(if guilty { 2 } else { 1 }));
    let bytes = (set, 0u8, 1u64, &offender, votes).encode();
    let proof = EquivocationProof::decode(&mut &bytes[..]).expect("it is a proof");
    let equivocation_proof = Box::new(proof);
    let key_owner_proof = Runtime::generate_key_ownership_proof(set, offender)?.decode()?;
    let signed = world.chance.once_in(2);
    let call: RuntimeCall = if signed {
        pallet_grandpa::Call::report_equivocation { equivocation_proof, key_owner_proof }.into()
    } else {
        pallet_grandpa::Call::report_equivocation_unsigned { equivocation_proof, key_owner_proof }
            .into()
    };
    let by = signed.then(|| world.person());
    Some(Transaction { by, call })
}
