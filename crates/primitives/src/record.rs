//! What the chain stores, in the shapes that pallets write and clients read.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{sr25519, H256};
use sp_runtime::Perbill;

use crate::{
    amount::Balance,
    announcement::Announcement,
    pow::{Difficulty, PowNonce},
    AccountId,
};

/// A stored announcement.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AnnouncementRecord<BlockNumber> {
    /// Who announced.
    pub publisher: AccountId,
    /// What was announced.
    pub body: Announcement,
    /// Nonce of the stamp; its work can be read from it.
    pub stamp: PowNonce,
    /// First block in which it no longer stands.
    pub expires_at: BlockNumber,
    /// Held on the publisher's account until it is pruned.
    pub deposit: Balance,
}

/// A mined identity.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct IdentityRecord<BlockNumber> {
    /// Block in which it was registered.
    pub registered_at: BlockNumber,
    /// Difficulty that it met.
    pub difficulty: Difficulty,
}

/// The share of each payment that goes to the developer of the application that runs.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AppShare {
    /// Account of the developer.
    pub developer: AccountId,
    /// Its part of what is paid.
    pub share: Perbill,
}

/// A payment channel.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ChannelRecord<BlockNumber> {
    /// Who pays; the deposit is held on this account.
    pub publisher: AccountId,
    /// Who is paid.
    pub provider: AccountId,
    /// Hash of the contract that the channel pays for.
    pub contract: H256,
    /// Key that signs the vouchers.
    pub session_key: sr25519::Public,
    /// All that was ever locked for the provider, what has been paid included.
    pub deposit: Balance,
    /// What has been paid.
    pub paid: Balance,
    /// Held on the publisher's account besides, for the space of this record, and returned to it
    /// when the record is deleted.
    pub record_deposit: Balance,
    /// First block in which vouchers are refused and anyone may refund.
    pub expires_at: BlockNumber,
    /// Time that the provider has after a request to close.
    pub challenge: BlockNumber,
    /// First block in which vouchers are refused, after a request to close.
    pub closing_at: Option<BlockNumber>,
    /// Share of an application's developer.
    pub app: Option<AppShare>,
}

impl<BlockNumber: Copy + Ord> ChannelRecord<BlockNumber> {
    /// First block in which vouchers are refused and anyone may refund the rest.
    pub fn ends_at(&self) -> BlockNumber {
        self.closing_at.map_or(self.expires_at, |closing| closing.min(self.expires_at))
    }
}
