//! What the pallet stores, reports and answers.

use alloc::{vec, vec::Vec};

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_consensus_aura::Slot;
use sp_runtime::Perbill;
use sp_staking::{
    offence::{Kind, Offence},
    SessionIndex,
};

/// Key with which a bookkeeper seals its blocks.
pub type AuthorKey = sp_consensus_aura::sr25519::AuthorityId;

/// Seal of a block.
pub type Seal = sp_consensus_aura::sr25519::AuthoritySignature;

/// Key with which a bookkeeper votes for blocks to be final.
pub type VoterKey = sp_consensus_grandpa::AuthorityId;

/// How an offender is named: by its account; nothing else is kept about it.
pub type Offender<AccountId> = (AccountId, ());

/// A bookkeeper of one session.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Seat<AccountId> {
    /// The bookkeeper's account.
    pub account: AccountId,
    /// Seals its blocks.
    pub author: AuthorKey,
    /// Signs its votes.
    pub voter: VoterKey,
}

/// What the chain makes of evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub enum Judgement {
    /// It is sound, and new.
    New,
    /// Its offender is known.
    Known,
    /// It proves nothing, or nothing that can still be punished.
    Refused,
}

/// Two blocks for one slot, proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockEquivocation<Offender> {
    /// The slot.
    pub slot: Slot,
    /// Session in which the key was in force.
    pub session: SessionIndex,
    /// Bookkeepers of that session.
    pub seats: u32,
    /// Who it was.
    pub offender: Offender,
}

impl<Offender: Clone> Offence<Offender> for BlockEquivocation<Offender> {
    const ID: Kind = *b"aura:equivocatio";
    type Slot = Slot;

    fn offenders(&self) -> Vec<Offender> {
        vec![self.offender.clone()]
    }

    fn session_index(&self) -> SessionIndex {
        self.session
    }

    fn validator_set_count(&self) -> u32 {
        self.seats
    }

    fn slot(&self) -> Slot {
        self.slot
    }

    /// `min((3k / n)^2, 1)` for `k` offenders among `n` bookkeepers, as for votes (see
    /// `pallet-grandpa`): the more commit it at once, the closer it is to an attack.
    fn slash_fraction(&self, offenders: u32) -> Perbill {
        Perbill::from_rational(offenders.saturating_mul(3), self.seats).square()
    }
}
