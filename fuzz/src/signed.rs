//! Whatever carries a signature.

use codec::{Decode, DecodeAll, Encode};
use zennet_primitives::{
    auth::{AuthClaim, AuthContext},
    channel::{ChannelContext, Split, Voucher, VOUCHER_BYTES},
    pow::Role,
    signed::{Signable, Unverified},
    Hash, SessionKey, Signature,
};

use crate::{
    input::Input,
    sample::{account, genesis, peer, public, sign, PROVIDER, SESSION, STRANGER},
};

/// Arbitrary payloads, contexts, keys and signatures are judged without a panic. A signature that
/// this side made holds for exactly its payload, context and key: one changed bit, and it does not.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % 6 {
        0 => arbitrary::<Voucher>(input.rest()),
        1 => arbitrary::<Split>(input.rest()),
        2 => proof(input),
        3 => altered_voucher(input),
        4 => altered_split(input),
        _ => same_bytes(input.rest()),
    }
}

fn arbitrary<T>(mut data: &[u8])
where
    T: Signable<Context = ChannelContext> + Decode + Encode + Clone + PartialEq + std::fmt::Debug,
{
    let Ok((unverified, context, signer)) =
        <(Unverified<T>, ChannelContext, SessionKey)>::decode(&mut data)
    else {
        return;
    };
    if let Ok(signed) = unverified.clone().verify(&context, &signer) {
        assert_eq!(*signed.payload(), unverified.payload);
        assert_eq!(signed.into_unverified(), unverified);
    }
}

fn proof(mut input: Input) {
    let role = *input.pick(&[Role::Publisher, Role::Provider]);
    let context = AuthContext {
        genesis: genesis(),
        announcement: Hash::repeat_byte(input.u8()),
        own_peer: peer(1),
        other_peer: peer(2),
        own_challenge: [input.u8(); 32],
        other_challenge: [input.u8(); 32],
        other_account: account(PROVIDER),
    };
    let mirrored = context.mirrored(account(SESSION));
    assert_eq!(mirrored.own_challenge, context.other_challenge);
    assert_eq!(mirrored.mirrored(context.other_account.clone()), context);
    let claim = AuthClaim { role, account: account(SESSION) };
    let proof = sign(SESSION, claim, &context);
    assert!(proof.clone().verify(&context, &public(SESSION)).is_ok());
    assert!(proof.clone().verify(&mirrored, &public(SESSION)).is_err());
    let mut altered = proof.clone();
    flip(&mut altered.signature.0, input.u16());
    assert!(altered.verify(&context, &public(SESSION)).is_err());
    // Signing is randomised, so an input may hold a sound signature of an earlier run by the same
    // key. No signature is sound for a key that never signs.
    let Ok(signature) = Signature::decode_all(&mut input.rest()) else { return };
    let forged = Unverified { signature, ..proof };
    assert!(forged.verify(&context, &public(STRANGER)).is_err());
}

/// Changes one bit of the bytes.
fn flip(bytes: &mut [u8], which: u16) {
    let bit = usize::from(which) % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn altered_voucher(mut input: Input) {
    let (context, amount) = (context(&mut input), input.u128());
    let voucher = Voucher { cumulative: amount, usage_hash: Hash::repeat_byte(input.u8()) };
    assert_eq!(voucher.signing_bytes(&context).len(), VOUCHER_BYTES);
    altered(input, voucher, context);
}

fn altered_split(mut input: Input) {
    let (context, to_provider) = (context(&mut input), input.u128());
    altered(input, Split { to_provider }, context);
}

fn context(input: &mut Input) -> ChannelContext {
    ChannelContext {
        genesis: Hash::repeat_byte(input.u8()),
        channel: Hash::repeat_byte(input.u8()),
    }
}

/// Signs, and flips the bits that the rest of the input names.
fn altered<T>(mut input: Input, payload: T, context: ChannelContext)
where
    T: Signable<Context = ChannelContext> + Decode + Encode,
{
    let whole = (sign(SESSION, payload, &context), context, public(SESSION)).encode();
    let mut bytes = whole.clone();
    for _ in 0..input.u8() % 4 {
        flip(&mut bytes, input.u16());
    }
    let (unverified, context, signer) =
        <(Unverified<T>, ChannelContext, SessionKey)>::decode_all(&mut &bytes[..])
            .expect("all of it has a fixed length and no invalid values");
    let holds = unverified.verify(&context, &signer).is_ok();
    assert_eq!(holds, bytes == whole);
}

/// No two payloads have the same signed bytes in the same context.
fn same_bytes(mut data: &[u8]) {
    let Ok((one, two, context)) = <(Voucher, Voucher, ChannelContext)>::decode(&mut data) else {
        return;
    };
    assert_eq!(one == two, one.signing_bytes(&context) == two.signing_bytes(&context));
    let split = Split { to_provider: one.cumulative };
    assert_ne!(one.signing_bytes(&context), split.signing_bytes(&context));
}

/// Each kind, with and without changes.
pub fn seeds() -> Vec<Vec<u8>> {
    let context = ChannelContext { genesis: genesis(), channel: Hash::repeat_byte(2) };
    let voucher = Voucher { cumulative: 258, usage_hash: Hash::repeat_byte(3) };
    let signer = public(SESSION);
    let of = |kind: u8, rest: Vec<u8>| [vec![kind], rest].concat();
    let mut seeds = vec![
        of(0, (sign(SESSION, voucher, &context), context, signer).encode()),
        of(1, (sign(SESSION, Split { to_provider: 9 }, &context), context, signer).encode()),
        of(2, vec![0, 1, 2, 3]),
        of(2, [vec![1, 1, 2, 3, 0, 0], vec![0x80; 64]].concat()),
        of(5, (voucher, voucher, context).encode()),
    ];
    for changes in 0..3u8 {
        let tail = [1u8, 2].into_iter().chain([3; 16]);
        seeds.push(of(3, tail.clone().chain([4, changes, 9, 0, 200, 2]).collect()));
        seeds.push(of(4, tail.chain([changes, 9, 0, 200, 2]).collect()));
    }
    seeds
}
