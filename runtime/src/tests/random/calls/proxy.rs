//! Accounts that act for others, at once or after an announcement; accounts without a key.

use pallet_proxy::{Call, Event, Proxies, ProxyDefinition};
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _},
    MultiAddress,
};

use super::{any_key, Source, Wrapper};
use crate::{
    tests::random::{
        tally::Tally,
        world::{Transaction, World},
    },
    AccountId, BlockNumber, Runtime, RuntimeCall, RuntimeEvent,
};

type ProxyType = <Runtime as pallet_proxy::Config>::ProxyType;

const TYPES: [ProxyType; 3] = [ProxyType::Any, ProxyType::Market, ProxyType::Voting];

/// Announced calls, and accounts without a key, that are remembered, at most.
const MOST: usize = 30;

/// A call that a delegate announced.
struct Announced {
    real: AccountId,
    delegate: AccountId,
    call: RuntimeCall,
}

/// An account without a key, and what it was made of.
struct Pure {
    account: AccountId,
    spawner: AccountId,
    proxy_type: ProxyType,
    index: u16,
    height: BlockNumber,
    ext_index: u32,
}

#[derive(Default)]
pub(super) struct Proxy {
    announced: Vec<Announced>,
    pures: Vec<Pure>,
}

impl Wrapper for Proxy {
    fn next(&mut self, world: &mut World, inner: &mut Source) -> Option<Transaction> {
        match world.chance.below(20) {
            0..=3 => Some(add(world)),
            4..=6 => remove(world),
            7 => Some(create_pure(world)),
            8 => self.kill_pure(world),
            9..=11 => self.announce(world, inner),
            12..=15 => self.use_announced(world),
            16 => Some(Transaction::new(world.person(), Call::<Runtime>::poke_deposit {})),
            _ => act(world, inner),
        }
    }

    fn saw(&mut self, event: &RuntimeEvent, world: &mut World, tally: &mut Tally) {
        match event {
            RuntimeEvent::Proxy(Event::PureCreated {
                pure,
                who,
                proxy_type,
                disambiguation_index,
                at,
                extrinsic_index,
            }) => {
                world.learn(pure.clone());
                self.pures.truncate(MOST - 1);
                self.pures.insert(
                    0,
                    Pure {
                        account: pure.clone(),
                        spawner: who.clone(),
                        proxy_type: *proxy_type,
                        index: *disambiguation_index,
                        height: *at,
                        ext_index: *extrinsic_index,
                    },
                );
            }
            RuntimeEvent::Proxy(Event::PureKilled { .. }) => {
                tally.succeeded_inside("Proxy", "kill_pure");
            }
            _ => (),
        }
    }
}

fn address(account: &AccountId) -> MultiAddress<AccountId, ()> {
    MultiAddress::Id(account.clone())
}

fn any_type(world: &mut World) -> ProxyType {
    TYPES[world.chance.below(TYPES.len())]
}

/// An account that has delegates, and one of them.
fn any_proxy(
    world: &mut World,
    announced: bool,
) -> Option<(AccountId, ProxyDefinition<AccountId, ProxyType, BlockNumber>)> {
    let real = any_key::<Proxies<Runtime>, _, _>(&mut world.chance)?;
    let (definitions, _) = Proxies::<Runtime>::get(&real);
    let fitting = |def: &&ProxyDefinition<_, _, BlockNumber>| (def.delay > 0) == announced;
    let definition = definitions.iter().find(fitting).or(definitions.first())?;
    Some((real, definition.clone()))
}

fn add(world: &mut World) -> Transaction {
    let (who, delegate) = (world.person(), world.person());
    let delay = if world.chance.once_in(2) { 0 } else { world.chance.blocks(1, 20) };
    let call = Call::<Runtime>::add_proxy {
        delegate: address(&delegate),
        proxy_type: any_type(world),
        delay,
    };
    Transaction::new(who, call)
}

fn remove(world: &mut World) -> Option<Transaction> {
    let announced = world.chance.once_in(2);
    let (real, definition) = any_proxy(world, announced)?;
    let ProxyDefinition { delegate, proxy_type, delay } = definition;
    let call = match world.chance.below(4) {
        0 => Call::<Runtime>::remove_proxies {},
        _ => Call::remove_proxy { delegate: address(&delegate), proxy_type, delay },
    };
    Some(Transaction::new(world.mostly(&real), call))
}

fn create_pure(world: &mut World) -> Transaction {
    let proxy_type = if world.chance.once_in(3) { any_type(world) } else { ProxyType::Any };
    let call = Call::<Runtime>::create_pure { proxy_type, delay: 0, index: 0 };
    Transaction::new(world.person(), call)
}

/// A call for another account, by its delegate.
fn act(world: &mut World, inner: &mut Source) -> Option<Transaction> {
    let (real, definition) = any_proxy(world, false)?;
    let force_proxy_type = world.chance.once_in(6).then(|| any_type(world));
    let call = Box::new(inner(world).call);
    let call = Call::<Runtime>::proxy { real: address(&real), force_proxy_type, call };
    Some(Transaction::new(world.mostly(&definition.delegate), call))
}

impl Proxy {
    fn kill_pure(&self, world: &mut World) -> Option<Transaction> {
        let pure = world.chance.pick(&self.pures)?;
        let kill = Call::<Runtime>::kill_pure {
            spawner: address(&pure.spawner),
            proxy_type: pure.proxy_type,
            index: pure.index,
            height: pure.height,
            ext_index: pure.ext_index,
        };
        let call = Call::<Runtime>::proxy {
            real: address(&pure.account),
            force_proxy_type: None,
            call: Box::new(kill.into()),
        };
        Some(Transaction::new(world.mostly(&pure.spawner), call))
    }

    fn announce(&mut self, world: &mut World, inner: &mut Source) -> Option<Transaction> {
        let (real, definition) = any_proxy(world, true)?;
        let (delegate, call) = (definition.delegate, inner(world).call);
        let call_hash = BlakeTwo256::hash_of(&call);
        if self.announced.len() >= MOST {
            self.announced.swap_remove(world.chance.below(MOST));
        }
        self.announced.push(Announced { real: real.clone(), delegate: delegate.clone(), call });
        let call = Call::<Runtime>::announce { real: address(&real), call_hash };
        Some(Transaction::new(delegate, call))
    }

    fn use_announced(&mut self, world: &mut World) -> Option<Transaction> {
        if self.announced.is_empty() {
            return None;
        }
        let place = world.chance.below(self.announced.len());
        let Announced { real, delegate, call } = &self.announced[place];
        let (real, delegate) = (real.clone(), delegate.clone());
        let call_hash = BlakeTwo256::hash_of(call);
        let transaction = match world.chance.below(6) {
            0 => {
                let call = Call::<Runtime>::remove_announcement { real: address(&real), call_hash };
                Transaction::new(world.mostly(&delegate), call)
            }
            1 => {
                let delegate = address(&delegate);
                let call = Call::<Runtime>::reject_announcement { delegate, call_hash };
                Transaction::new(world.mostly(&real), call)
            }
            _ => {
                let call = Call::<Runtime>::proxy_announced {
                    delegate: address(&delegate),
                    real: address(&real),
                    force_proxy_type: None,
                    call: Box::new(call.clone()),
                };
                Transaction::new(world.person(), call)
            }
        };
        // It may be too early, so that it is tried again.
        if world.chance.once_in(4) {
            self.announced.swap_remove(place);
        }
        Some(transaction)
    }
}
