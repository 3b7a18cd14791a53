//! Announcements with real stamps.

use pallet_announcements::{Announcements as Map, Call};
use pallet_mined_identity::Identities;
use sp_runtime::BoundedVec;
use zennet_primitives::{
    amount::Rates,
    announcement::{Announcement, ImageRef, LeaseRange, Needs},
    pow::{self, PowNonce, Role},
    usage::Counter,
};

use super::{any_key, Generator};
use crate::{
    tests::random::world::{Transaction, World},
    AccountId, Channels, Runtime, DAYS,
};

/// Stamped bodies that are kept to be announced again: a stamp takes some thousand hashes.
const KEPT: usize = 40;

/// Work of a stamp that the chain asks for.
const DIFFICULTY: pow::Difficulty = 1 << 12;

struct Stamped {
    publisher: AccountId,
    body: Announcement,
    stamp: PowNonce,
}

#[derive(Default)]
pub(super) struct Announcements(Vec<Stamped>);

impl Generator for Announcements {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        if world.chance.once_in(3) {
            let id = any_key::<Map<Runtime>, _, _>(&mut world.chance)?;
            let record = Map::<Runtime>::get(id)?;
            return Some(Transaction::new(
                world.mostly(&record.publisher),
                Call::<Runtime>::cancel { id },
            ));
        }
        if self.0.len() < KEPT || world.chance.once_in(8) {
            self.stamp_another(world)?;
        }
        let Stamped { publisher, body, stamp } = world.chance.pick(&self.0)?;
        let stamp = if world.chance.once_in(20) { stamp.wrapping_add(1) } else { *stamp };
        let mut body = body.clone();
        if world.chance.once_in(8) {
            spoil(&mut body, world);
        }
        let lifetime = world.lifetime(DAYS);
        let call = Call::<Runtime>::announce { body, lifetime, stamp };
        Some(Transaction::new(world.mostly(publisher), call))
    }
}

impl Announcements {
    /// Only what a known publisher announces is worth a stamp.
    fn stamp_another(&mut self, world: &mut World) -> Option<()> {
        let publisher = world.person();
        if !Identities::<Runtime>::contains_key(Role::Publisher, &publisher) {
            return None;
        }
        let body = body(world);
        let id = body.id(Channels::genesis(), &publisher);
        let stamp = pow::mine(|nonce| pow::stamp_work(id, nonce), DIFFICULTY, 0, 64 * DIFFICULTY)?;
        if self.0.len() >= KEPT {
            self.0.swap_remove(world.chance.below(KEPT));
        }
        self.0.push(Stamped { publisher, body, stamp });
        Some(())
    }
}

fn body(world: &mut World) -> Announcement {
    let image = ImageRef::truncate_from(vec![b'i'; 1 + world.chance.below(96)]);
    let rates = Rates::default().with(Counter::ALL[0], world.chance.between(0, 1 << 60));
    Announcement {
        task: world.chance.between(0, u64::MAX.into()) as u64,
        machines: world.chance.blocks(1, 100),
        images: BoundedVec::truncate_from(vec![image; world.chance.below(3)]),
        needs: Needs { memory_mib: Some(world.chance.blocks(1, 4096)), ..Default::default() },
        lease: LeaseRange { min_secs: 60, max_secs: world.chance.blocks(60, 86_400) },
        interval_ms: 2000,
        max_rates: world.chance.once_in(2).then_some(rates),
        proposal_secs: 30,
        asks: 1,
        info_url: Default::default(),
        endpoint: BoundedVec::truncate_from(vec![b'e'; 1 + world.chance.below(100)]),
    }
}

/// One of the things that are refused.
fn spoil(body: &mut Announcement, world: &mut World) {
    match world.chance.below(7) {
        0 => body.machines = 0,
        1 => body.lease.min_secs = 0,
        2 => body.lease.min_secs = u32::MAX,
        3 => body.interval_ms = i32::MIN,
        4 => body.endpoint = Default::default(),
        5 => body.endpoint = BoundedVec::truncate_from(b"\x1b[2J".to_vec()),
        _ => {
            let image = ImageRef::truncate_from(vec![b'i'; 96]);
            body.images = BoundedVec::truncate_from(vec![image; 4]);
            body.info_url = BoundedVec::truncate_from(vec![b'u'; 96]);
            body.endpoint = BoundedVec::truncate_from(vec![b'e'; 192]);
        }
    }
}
