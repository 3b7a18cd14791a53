//! Session keys, set and changed; nobody can take them back.

use pallet_session::Call;

use super::Generator;
use crate::{
    tests::random::world::{Transaction, World},
    Runtime,
};

pub(super) struct Session;

impl Generator for Session {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        let who = world.person();
        if world.chance.once_in(6) {
            return Some(Transaction::new(who, Call::<Runtime>::purge_keys {}));
        }
        // Now and then those of another.
        let owner = world.mostly(&who);
        let (keys, proof) = world.session_keys(&owner);
        Some(Transaction::new(who, Call::<Runtime>::set_keys { keys, proof }))
    }
}
