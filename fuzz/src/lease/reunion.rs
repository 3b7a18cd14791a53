//! Strangers on a new connection of a lease that goes on.

use zennet_lease::{Reunion, ReunionAction};
use zennet_primitives::{
    auth::{AuthClaim, AuthContext, Challenge},
    frame::{Frame, Hello, PROTOCOL_VERSION},
    pow::Role,
    signed::Unverified,
    Hash,
};

use super::{check_sent, raw_frame};
use crate::{
    input::Input,
    sample::{peer, sign, terms, PROVIDER, PUBLISHER, STRANGER},
};

/// Frames of one input at most.
const FRAMES: usize = 12;

/// Nobody is proven but by the signature of the account that signed the contract, over this
/// connection and both challenges, in its own role.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let role = *input.pick(&[Role::Provider, Role::Publisher]);
    let (mut reunion, first) = Reunion::begin(&terms(), role, peer(1), peer(2), [3; 32]);
    first.iter().for_each(|action| examine(action, role));
    // The challenge of the other side, once it is told.
    let mut theirs = None;
    for _ in 0..FRAMES {
        if input.is_empty() {
            return;
        }
        let (frame, is_proof) = frame(&mut input, role, theirs);
        if let (Frame::Hello(hello), None) = (&frame, theirs) {
            theirs = Some(hello.challenge);
        }
        let Ok((next, actions)) = reunion.receive(frame) else { return };
        let proven = actions.contains(&ReunionAction::Proven);
        assert_eq!(proven, is_proof, "who is proven has signed");
        actions.iter().for_each(|action| examine(action, role));
        reunion = next;
    }
}

fn examine(action: &ReunionAction, role: Role) {
    match action {
        ReunionAction::Send(frame) => check_sent(frame),
        ReunionAction::SendAuth { claim, context } => {
            assert_eq!(claim.role, role);
            assert_eq!((&context.own_peer, &context.other_peer), (&peer(1), &peer(2)));
            assert_eq!(context.own_challenge, [3; 32]);
        }
        ReunionAction::Proven => {}
    }
}

/// A frame, and whether it is the proof that is asked for.
fn frame(input: &mut Input, role: Role, theirs: Option<Challenge>) -> (Frame, bool) {
    let (other, seed) = match role {
        Role::Provider => (Role::Publisher, PUBLISHER),
        Role::Publisher => (Role::Provider, PROVIDER),
    };
    let terms = terms();
    let (own_account, account) = match role {
        Role::Provider => (terms.provider.clone(), terms.publisher.clone()),
        Role::Publisher => (terms.publisher.clone(), terms.provider.clone()),
    };
    match input.u8() % 3 {
        0 => (raw_frame(input).unwrap_or(Frame::Opened { nonce: 0 }), false),
        1 => {
            let mut hello = Hello {
                version: PROTOCOL_VERSION,
                genesis: terms.genesis,
                announcement: terms.announcement,
                account,
                challenge: [input.u8(); 32],
                lease: Some(terms.hash()),
            };
            match input.u8() % 8 {
                0 => hello.version = input.u16(),
                1 => hello.genesis = Hash::repeat_byte(input.u8()),
                2 => hello.lease = None,
                3 => hello.account = own_account,
                _ => {}
            }
            (Frame::Hello(hello), false)
        }
        _ => {
            let mut context = AuthContext {
                genesis: terms.genesis,
                announcement: terms.announcement,
                own_peer: peer(2),
                other_peer: peer(1),
                own_challenge: theirs.unwrap_or_default(),
                other_challenge: [3; 32],
                other_account: own_account.clone(),
            };
            let mut claim = AuthClaim { role: other, account: account.clone() };
            let change = input.u8() % 16;
            let mut signer = seed;
            match change {
                0 => claim.role = role,
                1 => claim.account = own_account,
                2 => context.own_peer = peer(3),
                3 => context.other_challenge = [4; 32],
                4 => context = context.mirrored(account),
                5 => signer = STRANGER,
                _ => {}
            }
            let Unverified { signature, .. } = sign(signer, claim, &context);
            (Frame::Auth(signature), theirs.is_some() && change > 5)
        }
    }
}

/// The right order for each role, each lie, and frames out of order.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for role in [0, 1] {
        seeds.push(vec![role, 1, 7, 4, 2, 9, 1, 7, 4]);
        seeds.push(vec![role, 2, 9, 1, 7, 4]);
        seeds.push(vec![role, 0, 2, 12, 0]);
        seeds.extend((0..4).map(|lie| vec![role, 1, 7, lie, 1]));
        seeds.extend((0..6).map(|lie| vec![role, 1, 7, 4, 2, lie]));
    }
    seeds
}
