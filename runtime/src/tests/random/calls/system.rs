//! Remarks.

use frame_system::Call;

use super::Generator;
use crate::{
    tests::random::world::{Transaction, World},
    Runtime,
};

pub(super) struct System;

impl Generator for System {
    fn next(&mut self, world: &mut World) -> Option<Transaction> {
        let remark = vec![0; world.chance.below(300)];
        let call = match world.chance.below(2) {
            0 => Call::<Runtime>::remark { remark },
            _ => Call::remark_with_event { remark },
        };
        Some(Transaction::new(world.person(), call))
    }
}
