//! What accounts send, a file for each pallet.
//!
//! A [`Generator`] looks at the state and makes up a call that fits it, most often by who may make
//! it. A [`Wrapper`] puts calls of the others into one of its own.

mod announcements;
mod balances;
mod channels;
mod deposits;
mod dpos;
mod equivocation;
mod forbidden;
mod governance;
mod identity;
mod multisig;
mod proxy;
mod session;
mod system;
mod utility;

use codec::{FullCodec, FullEncode};
use frame_support::{storage::StoragePrefixedMap, IterableStorageMap};

use super::{
    chance::Chance,
    tally::Tally,
    world::{Transaction, World},
};
use crate::RuntimeEvent;

/// Makes up calls of one pallet.
pub(super) trait Generator {
    /// Something that somebody might send now; `None` where there is nothing to be called.
    fn next(&mut self, world: &mut World) -> Option<Transaction>;

    /// Learns of what happened in a block.
    fn saw(&mut self, _: &RuntimeEvent, _: &mut World, _: &mut Tally) {}
}

/// Gives calls of the generators.
type Source<'a> = dyn FnMut(&mut World) -> Transaction + 'a;

/// Makes up calls that have others in them.
pub(super) trait Wrapper {
    /// As [`Generator::next`].
    fn next(&mut self, world: &mut World, inner: &mut Source) -> Option<Transaction>;

    /// Learns of what happened in a block.
    fn saw(&mut self, _: &RuntimeEvent, _: &mut World, _: &mut Tally) {}
}

/// One call of so many has others in it.
const WRAPPED: usize = 8;

pub(super) struct Calls {
    generators: Vec<(usize, Box<dyn Generator>)>,
    wrappers: Vec<(usize, Box<dyn Wrapper>)>,
}

impl Calls {
    /// With how often each is used, against the others. Work is dear, so what needs it comes seldom.
    pub(super) fn new() -> Self {
        Self {
            generators: vec![
                (60, Box::new(announcements::Announcements::default())),
                (160, Box::new(balances::Balances)),
                (260, Box::new(channels::Channels)),
                (100, Box::new(deposits::Deposits)),
                (160, Box::new(dpos::Dpos)),
                (4, Box::new(equivocation::Equivocation)),
                (20, Box::new(forbidden::Forbidden)),
                (40, Box::new(governance::Governance)),
                (8, Box::new(identity::Identity)),
                (20, Box::new(session::Session)),
                (10, Box::new(system::System)),
            ],
            wrappers: vec![
                (10, Box::new(multisig::Multisig::default())),
                (10, Box::new(proxy::Proxy::default())),
                (10, Box::new(utility::Utility)),
            ],
        }
    }

    pub(super) fn next(&mut self, world: &mut World) -> Transaction {
        let Self { generators, wrappers } = self;
        let mut plain = |world: &mut World| loop {
            let generator = weighted(generators, &mut world.chance);
            if let Some(transaction) = generator.next(world) {
                break transaction;
            }
        };
        let wrapped = world.chance.once_in(WRAPPED);
        let wrapped = wrapped.then(|| weighted(wrappers, &mut world.chance));
        let wrapped = wrapped.and_then(|wrapper| wrapper.next(world, &mut plain));
        wrapped.unwrap_or_else(|| plain(world))
    }

    pub(super) fn saw(&mut self, event: &RuntimeEvent, world: &mut World, tally: &mut Tally) {
        for (_, generator) in &mut self.generators {
            generator.saw(event, world, tally);
        }
        for (_, wrapper) in &mut self.wrappers {
            wrapper.saw(event, world, tally);
        }
    }
}

fn weighted<'a, T: ?Sized>(from: &'a mut [(usize, Box<T>)], chance: &mut Chance) -> &'a mut T {
    let sum = from.iter().map(|(weight, _)| weight).sum();
    let mut at = chance.below(sum);
    let place = from.iter().position(|(weight, _)| {
        let found = at < *weight;
        at = at.saturating_sub(*weight);
        found
    });
    &mut from[place.expect("the place is below the sum; qed")].1
}

/// A key of a map whose keys are hashed or are hashes, each about as likely as any other.
fn any_key<Map, K, V>(chance: &mut Chance) -> Option<K>
where
    Map: IterableStorageMap<K, V> + StoragePrefixedMap<V>,
    K: FullEncode,
    V: FullCodec,
{
    let mut from = Map::final_prefix().to_vec();
    from.extend(chance.bytes());
    Map::iter_keys_from(from).next().or_else(|| Map::iter_keys().next())
}
