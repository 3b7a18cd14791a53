//! What both sides do alike when they meet.

use codec::{Decode, Encode};
use zennet_primitives::{
    announcement::AnnouncementId,
    auth::{AuthClaim, AuthContext, Challenge, PeerIdBytes},
    close::CloseReason,
    frame::{Hello, PROTOCOL_VERSION},
    pow::Role,
    signed::{account_key, Unverified},
    AccountId, Hash, Signature,
};

/// One connection, as this side sees it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Meeting {
    pub(crate) own_peer: PeerIdBytes,
    pub(crate) other_peer: PeerIdBytes,
    pub(crate) own_challenge: Challenge,
}

impl Meeting {
    /// What this side signs, once the other side has said who it is.
    pub(crate) fn context(
        &self,
        genesis: Hash,
        announcement: AnnouncementId,
        other_challenge: Challenge,
        other_account: AccountId,
    ) -> AuthContext {
        AuthContext {
            genesis,
            announcement,
            own_peer: self.own_peer.clone(),
            other_peer: self.other_peer.clone(),
            own_challenge: self.own_challenge,
            other_challenge,
            other_account,
        }
    }
}

/// Whether the other side speaks of the same protocol, chain, announcement and lease.
pub(crate) fn check_hello(
    hello: &Hello,
    genesis: Hash,
    announcement: AnnouncementId,
    lease: Option<Hash>,
) -> Result<(), CloseReason> {
    if hello.version != PROTOCOL_VERSION || hello.genesis != genesis {
        return Err(CloseReason::Incompatible);
    }
    if hello.announcement != announcement || hello.lease != lease {
        return Err(CloseReason::NotAuthentic);
    }
    Ok(())
}

/// Whether the other side, whose account and role are given, signed the meeting as it must see
/// it.
pub(crate) fn is_proven(
    own_context: &AuthContext,
    own_account: &AccountId,
    role: Role,
    signature: Signature,
) -> bool {
    let account = own_context.other_account.clone();
    let key = account_key(&account);
    let proof = Unverified { payload: AuthClaim { role, account }, signature };
    proof.verify(&own_context.mirrored(own_account.clone()), &key).is_ok()
}

/// The reason that both sides record when each has sent one before it saw the other's.
pub(crate) fn merged(own: CloseReason, theirs: CloseReason) -> CloseReason {
    if theirs.encode() > own.encode() {
        theirs
    } else {
        own
    }
}
