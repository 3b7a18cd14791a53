//! Blocks as a node makes them.

use codec::Encode;
use frame_support::{
    storage::{with_transaction_unchecked, TransactionOutcome},
    traits::DisabledValidators,
};
use pallet_dpos::{Barred, Jailed};
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_runtime::{traits::Header as _, ApplyExtrinsicResult, Digest, DigestItem};

use crate::{
    AccountId, BlockNumber, Executive, Hash, Header, Runtime, RuntimeCall, Session,
    UncheckedExtrinsic, SLOT_MILLIS,
};

/// Slot of the genesis.
const START: u64 = 900_000_000;

pub(super) struct Chain {
    parent: Hash,
    number: BlockNumber,
    slot: u64,
    /// A bookkeeper that takes no turn, and the block from which on it is back.
    away: Option<(AccountId, BlockNumber)>,
}

impl Chain {
    pub(super) fn new() -> Self {
        Self { parent: Hash::repeat_byte(7), number: 0, slot: START, away: None }
    }

    /// Lets a bookkeeper take no turn for so many blocks, in place of the one that took none before.
    pub(super) fn send_away(&mut self, who: AccountId, blocks: BlockNumber) {
        self.away = Some((who, self.number + blocks));
    }

    /// Number of the newest block.
    pub(super) fn number(&self) -> BlockNumber {
        self.number
    }

    /// Begins the next block and sets its time. As many slots as are `missed` have no block.
    pub(super) fn begin(&mut self, missed: u64) {
        self.number += 1;
        self.slot = self.authored_from(self.slot + 1 + missed);
        let header = Header::new(
            self.number,
            Default::default(),
            Default::default(),
            self.parent,
            Digest { logs: vec![DigestItem::PreRuntime(AURA_ENGINE_ID, self.slot.encode())] },
        );
        Executive::initialize_block(&header);
        let now = self.slot * SLOT_MILLIS;
        let time = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
        Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(time))
            .expect("time is an inherent; qed")
            .expect("time goes on; qed");
    }

    /// Applies a transaction, or leaves the block as it is where that is not valid.
    pub(super) fn apply(&mut self, transaction: UncheckedExtrinsic) -> ApplyExtrinsicResult {
        with_transaction_unchecked(|| match Executive::apply_extrinsic(transaction) {
            Ok(applied) => TransactionOutcome::Commit(Ok(applied)),
            Err(invalid) => TransactionOutcome::Rollback(Err(invalid)),
        })
    }

    pub(super) fn end(&mut self) {
        self.parent = Executive::finalize_block().hash();
    }

    /// The first slot, from `slot` on, that somebody takes: who has a turn, is to keep it in this
    /// block, and is not away, if there is any such.
    fn authored_from(&self, slot: u64) -> u64 {
        let seated = Session::validators();
        let seats = seated.len() as u64;
        let who = |slot: u64| &seated[(slot % seats) as usize];
        let may = |slot: &u64| {
            !Session::is_disabled((slot % seats) as u32)
                && !Jailed::<Runtime>::contains_key(who(*slot))
                && !Barred::<Runtime>::contains_key(who(*slot))
        };
        let away = self.away.as_ref().filter(|(_, back)| self.number < *back).map(|(who, _)| who);
        let round = slot..slot + seats;
        let present = round.clone().find(|slot| may(slot) && away != Some(who(*slot)));
        // Where too few are left, those who are excluded keep their turns, but for the first of them.
        let excluded = |slot: &u64| (!Barred::<Runtime>::contains_key(who(*slot)), slot % seats);
        let enabled = |slot: &u64| !Session::is_disabled((slot % seats) as u32);
        present
            .or_else(|| round.clone().find(may))
            .or_else(|| round.filter(enabled).max_by_key(excluded))
            .expect("somebody may author")
    }
}
