//! Proof on a new connection that it belongs to a lease that is under way.
//!
//! The lease's own machine knows nothing of it: it goes on with what it is told, and hears of the
//! connection only when the other side is proven. So a stranger who connects changes nothing.
//!
//! ```text
//! provider                      publisher
//!    │ Hello (contract) ────────► │
//!    │ ◄──────── Hello (contract) │
//!    │ ◄───────────────────  Auth │
//!    │ Auth ────────────────────► │
//! ```

use zennet_primitives::{
    auth::{AuthClaim, AuthContext, Challenge, PeerIdBytes},
    close::CloseReason,
    contract::Terms,
    frame::{Frame, Hello, PROTOCOL_VERSION},
    pow::Role,
    AccountId, Hash,
};

use crate::meeting::{check_hello, is_proven, Meeting};

/// One attempt on one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reunion {
    genesis: Hash,
    announcement: Hash,
    lease: Hash,
    role: Role,
    own: AccountId,
    other: AccountId,
    meeting: Meeting,
    /// The other side's challenge, once it has said Hello.
    theirs: Option<Challenge>,
}

/// What the driver of a reunion has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "actions are performed one at a time")]
pub enum ReunionAction {
    /// Send a frame.
    Send(Frame),
    /// Sign the claim in its context with the account key and send the signature as
    /// [`Frame::Auth`].
    SendAuth {
        /// What is claimed.
        claim: AuthClaim,
        /// The meeting as this side sees it.
        context: AuthContext,
    },
    /// The other side is who signed the contract: the lease goes on here.
    Proven,
}

impl Reunion {
    /// Begins with what is to be sent first. `own_peer` and `other_peer` are the transport's peer
    /// ids of this connection, `challenge` is fresh random bytes.
    pub fn begin(
        terms: &Terms,
        role: Role,
        own_peer: PeerIdBytes,
        other_peer: PeerIdBytes,
        challenge: Challenge,
    ) -> (Self, Vec<ReunionAction>) {
        let (own, other) = match role {
            Role::Provider => (terms.provider.clone(), terms.publisher.clone()),
            Role::Publisher => (terms.publisher.clone(), terms.provider.clone()),
        };
        let reunion = Reunion {
            genesis: terms.genesis,
            announcement: terms.announcement,
            lease: terms.hash(),
            role,
            own,
            other,
            meeting: Meeting { own_peer, other_peer, own_challenge: challenge },
            theirs: None,
        };
        let first = match role {
            Role::Provider => vec![reunion.hello()],
            Role::Publisher => Vec::new(),
        };
        (reunion, first)
    }

    /// What follows from a frame; a refusal ends the connection and nothing else.
    pub fn receive(self, frame: Frame) -> Result<(Self, Vec<ReunionAction>), CloseReason> {
        match (self.theirs, frame) {
            (None, Frame::Hello(hello)) => self.greeted(&hello),
            (Some(theirs), Frame::Auth(signature)) => {
                let role = match self.role {
                    Role::Provider => Role::Publisher,
                    Role::Publisher => Role::Provider,
                };
                if !is_proven(&self.context(theirs), &self.own, role, signature) {
                    return Err(CloseReason::NotAuthentic);
                }
                Ok((self, vec![ReunionAction::Proven]))
            }
            (_, Frame::Close(reason)) => Err(reason),
            (None | Some(_), _) => Err(CloseReason::ProtocolViolation),
        }
    }

    fn greeted(mut self, hello: &Hello) -> Result<(Self, Vec<ReunionAction>), CloseReason> {
        check_hello(hello, self.genesis, self.announcement, Some(self.lease))?;
        if hello.account != self.other {
            return Err(CloseReason::NotAuthentic);
        }
        self.theirs = Some(hello.challenge);
        let claim = AuthClaim { role: self.role, account: self.own.clone() };
        let context = self.context(hello.challenge);
        let mut actions = match self.role {
            Role::Provider => Vec::new(),
            Role::Publisher => vec![self.hello()],
        };
        actions.push(ReunionAction::SendAuth { claim, context });
        Ok((self, actions))
    }

    fn hello(&self) -> ReunionAction {
        ReunionAction::Send(Frame::Hello(Hello {
            version: PROTOCOL_VERSION,
            genesis: self.genesis,
            announcement: self.announcement,
            account: self.own.clone(),
            challenge: self.meeting.own_challenge,
            lease: Some(self.lease),
        }))
    }

    fn context(&self, theirs: Challenge) -> AuthContext {
        self.meeting.context(self.genesis, self.announcement, theirs, self.other.clone())
    }
}
