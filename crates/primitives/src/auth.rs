//! Proof that a connection belongs to a chain account.
//!
//! The transport proves both peer ids; the account signs both of them. A man in the middle must
//! have another peer id on one side, so what it relays does not verify.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::BoundedVec;

use crate::{pow::Role, signed::Signable, AccountId};

/// Random bytes that make each proof fresh.
pub type Challenge = [u8; 32];

/// A transport peer id in its binary form.
pub type PeerIdBytes = BoundedVec<u8, ConstU32<64>>;

/// What both sides know of their meeting, from the point of view of the one who signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthContext {
    /// Hash of the chain's first block.
    pub genesis: H256,
    /// The announcement that brought the two together.
    pub announcement: H256,
    /// Peer id of the signer.
    pub own_peer: PeerIdBytes,
    /// Peer id of the other side.
    pub other_peer: PeerIdBytes,
    /// Challenge of the signer.
    pub own_challenge: Challenge,
    /// Challenge of the other side.
    pub other_challenge: Challenge,
    /// Account of the other side.
    pub other_account: AccountId,
}

impl AuthContext {
    /// The same meeting as the other side, whose account is given, sees it.
    #[must_use]
    pub fn mirrored(&self, own_account: AccountId) -> Self {
        Self {
            genesis: self.genesis,
            announcement: self.announcement,
            own_peer: self.other_peer.clone(),
            other_peer: self.own_peer.clone(),
            own_challenge: self.other_challenge,
            other_challenge: self.own_challenge,
            other_account: own_account,
        }
    }
}

/// The claim to be an account in a role.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AuthClaim {
    /// Role of the signer.
    pub role: Role,
    /// Account of the signer.
    pub account: AccountId,
}

impl Signable for AuthClaim {
    type Context = AuthContext;

    fn signing_bytes(&self, c: &AuthContext) -> Vec<u8> {
        (
            (*b"zennet/auth/v1", c.genesis, c.announcement, self.role),
            (&c.own_peer, &c.other_peer),
            (c.own_challenge, c.other_challenge),
            (&self.account, &c.other_account),
        )
            .encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::{account_key, BadSignature, Unverified};
    use sp_core::{sr25519, Pair};

    fn context() -> AuthContext {
        AuthContext {
            genesis: H256::repeat_byte(1),
            announcement: H256::repeat_byte(2),
            own_peer: BoundedVec::truncate_from(alloc::vec![3; 2]),
            other_peer: BoundedVec::truncate_from(alloc::vec![4; 2]),
            own_challenge: [5; 32],
            other_challenge: [6; 32],
            other_account: AccountId::new([8; 32]),
        }
    }

    #[test]
    fn the_signed_bytes_are_golden() {
        let claim = AuthClaim { role: Role::Provider, account: AccountId::new([7; 32]) };
        let golden = [
            hex::encode("zennet/auth/v1"),
            "01".repeat(32),
            "02".repeat(32),
            "01".into(),
            "080303".into(),
            "080404".into(),
            "05".repeat(32),
            "06".repeat(32),
            "07".repeat(32),
            "08".repeat(32),
        ]
        .concat();
        assert_eq!(hex::encode(claim.signing_bytes(&context())), golden);
    }

    #[test]
    fn a_proof_relayed_by_a_man_in_the_middle_fails() {
        let pair = sr25519::Pair::from_seed(&[1; 32]);
        let account = AccountId::from(pair.public());
        let claim = AuthClaim { role: Role::Provider, account: account.clone() };
        let signature = pair.sign(&claim.signing_bytes(&context()));
        let proof = Unverified { payload: claim, signature };
        let key = account_key(&account);
        assert!(proof.clone().verify(&context(), &key).is_ok());
        let middle = PeerIdBytes::truncate_from(alloc::vec![9; 2]);
        let seen = AuthContext { own_peer: middle, ..context() };
        assert_eq!(proof.verify(&seen, &key), Err(BadSignature));
    }

    #[test]
    fn mirroring_twice_returns_the_context() {
        let own = AccountId::new([7; 32]);
        let there = context().mirrored(own);
        assert_eq!(there.mirrored(context().other_account), context());
    }
}
