//! Mined identities, really mined.

use pallet_mined_identity::{Call, Difficulties, Identities, ROLES};
use zennet_primitives::{
    pow::{self, Role},
    AccountId,
};

use super::Generator;
use crate::{
    tests::random::world::{Transaction, World},
    BlockNumber, Runtime, System, MINUTES,
};

/// Identities of a run in one role, at most: they stay forever, and are looked at after each block.
const MOST: usize = 200;

pub(super) struct Identity;

impl Generator for Identity {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        let role = ROLES[world.chance.below(ROLES.len())];
        let account = someone(role, world);
        let now = System::block_number();
        let age = match world.chance.below(12) {
            0 => 0,
            1 => 10 * MINUTES + 1,
            _ => world.chance.blocks(1, (10 * MINUTES).min(now)),
        };
        let anchor_number = now.saturating_sub(age);
        let nonce = if world.chance.once_in(4) { 0 } else { mine(role, &account, anchor_number)? };
        let by = world.chance.once_in(20).then(|| account.clone());
        let call = Call::<Runtime>::register { role, account, anchor_number, nonce };
        Some(Transaction { by, call: call.into() })
    }
}

/// Whoever can sign comes first, since only they announce; then accounts that own nothing.
fn someone(role: Role, world: &mut World) -> AccountId {
    let unknown = |who: &&AccountId| !Identities::<Runtime>::contains_key(role, who);
    if let Some(who) = world.people().iter().find(unknown) {
        return who.clone();
    }
    if Identities::<Runtime>::iter_key_prefix(role).count() < MOST {
        return AccountId::new(world.chance.bytes());
    }
    world.person()
}

fn mine(role: Role, account: &AccountId, anchor: BlockNumber) -> Option<pow::PowNonce> {
    // What is known, or bound to be refused, is not worth the work.
    if Identities::<Runtime>::contains_key(role, account) {
        return Some(0);
    }
    let difficulty = Difficulties::<Runtime>::get(role);
    let anchor = System::block_hash(anchor);
    let work = |nonce| pow::identity_work(role, account, anchor, nonce);
    pow::mine(work, difficulty, 0, 64 * difficulty)
}
