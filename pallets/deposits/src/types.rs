//! Deposits and the payload that both of its parties sign.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use zennet_primitives::{amount::Balance, hash_of, signed::Signable, AccountId, Hash};

/// Identifies a deposit on one chain, forever: the owner's nonce never resets.
pub type DepositId = Hash;

/// Computes the identifier of a deposit.
pub fn deposit_id(
    genesis: Hash,
    owner: &AccountId,
    counterparty: &AccountId,
    nonce: u64,
) -> DepositId {
    hash_of(&(*b"zennet/deposit/v1", genesis, owner, counterparty, nonce))
}

/// Coins that two parties can spend together and that return to their owner in time.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct DepositRecord<BlockNumber> {
    /// Who locked the coins; they are held on this account.
    pub owner: AccountId,
    /// Whose signature a spend needs besides the owner's.
    pub counterparty: AccountId,
    /// What is still locked, in the smallest coin unit.
    pub amount: Balance,
    /// Held on the owner's account besides, for the space of this record, and returned to it when
    /// the record is deleted.
    pub record_deposit: Balance,
    /// First block in which anyone may return it to the owner.
    pub refund_at: BlockNumber,
    /// Number of spends so far, which the next one must name.
    pub sequence: u32,
}

impl<BlockNumber: Copy + Ord> DepositRecord<BlockNumber> {
    /// All that is held on the owner's account for this deposit.
    pub fn held(&self) -> Option<Balance> {
        self.amount.checked_add(self.record_deposit)
    }

    /// Whether the owner may have its coins back.
    pub fn is_refundable(&self, now: BlockNumber) -> bool {
        now >= self.refund_at
    }
}

/// The chain and the deposit that a signature holds for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DepositContext {
    /// Hash of the chain's first block.
    pub genesis: Hash,
    /// The deposit.
    pub deposit: DepositId,
}

/// A payment out of a deposit, signed by both parties.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Spend {
    /// Number of spends before this one, so that it can be shown only once.
    pub sequence: u32,
    /// Who is paid.
    pub to: AccountId,
    /// What is paid, in the smallest coin unit.
    pub amount: Balance,
}

impl Signable for Spend {
    type Context = DepositContext;

    fn signing_bytes(&self, context: &DepositContext) -> Vec<u8> {
        (*b"ZND1", context.genesis, context.deposit, self.sequence, &self.to, self.amount).encode()
    }
}
