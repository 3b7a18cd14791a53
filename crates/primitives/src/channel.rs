//! Payment channels: identifiers, vouchers and co-signed splits.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;

use crate::{amount::Balance, hash_of, signed::Signable, AccountId};

/// Identifies a channel on one chain, forever: the publisher's nonce never resets.
pub type ChannelId = H256;

/// Computes the identifier of a channel.
pub fn channel_id(
    genesis: H256,
    publisher: &AccountId,
    provider: &AccountId,
    contract: H256,
    nonce: u64,
) -> ChannelId {
    hash_of(&(*b"zennet/channel/v1", genesis, publisher, provider, contract, nonce))
}

/// The chain and the channel that a signature holds for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ChannelContext {
    /// Hash of the chain's first block.
    pub genesis: H256,
    /// The channel.
    pub channel: ChannelId,
}

/// A signed promise to pay a cumulative amount. The rising amount is its nonce.
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
pub struct Voucher {
    /// All that the channel has paid with this voucher, in the smallest coin unit.
    pub cumulative: Balance,
    /// Hash of the usage that it pays for.
    pub usage_hash: H256,
}

/// Length of the signed bytes of a voucher.
pub const VOUCHER_BYTES: usize = 4 + 32 + 32 + 16 + 32;

impl Signable for Voucher {
    type Context = ChannelContext;

    fn signing_bytes(&self, context: &ChannelContext) -> Vec<u8> {
        (*b"ZNV1", context.genesis, context.channel, self.cumulative, self.usage_hash).encode()
    }
}

/// A final split of the deposit, signed by both parties.
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
pub struct Split {
    /// All that the provider gets from the channel, what it was already paid included; the rest
    /// returns to the publisher.
    pub to_provider: Balance,
}

impl Signable for Split {
    type Context = ChannelContext;

    fn signing_bytes(&self, context: &ChannelContext) -> Vec<u8> {
        (*b"ZNS1", context.genesis, context.channel, self.to_provider).encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::{BadSignature, Unverified};
    use sp_core::{sr25519, Pair};

    fn context() -> ChannelContext {
        ChannelContext { genesis: H256::repeat_byte(1), channel: H256::repeat_byte(2) }
    }

    fn voucher() -> Voucher {
        Voucher { cumulative: 0x0102, usage_hash: H256::repeat_byte(3) }
    }

    fn sign(context: &ChannelContext) -> (sr25519::Public, Unverified<Voucher>) {
        let pair = sr25519::Pair::from_seed(&[9; 32]);
        let signature = pair.sign(&voucher().signing_bytes(context));
        (pair.public(), Unverified { payload: voucher(), signature })
    }

    #[test]
    fn the_signed_bytes_of_a_voucher_are_golden() {
        let bytes = voucher().signing_bytes(&context());
        assert_eq!(bytes.len(), VOUCHER_BYTES);
        let golden = [
            "5a4e5631",
            &"01".repeat(32),
            &"02".repeat(32),
            "02010000000000000000000000000000",
            &"03".repeat(32),
        ]
        .concat();
        assert_eq!(hex::encode(bytes), golden);
    }

    #[test]
    fn the_signed_bytes_of_a_split_are_golden() {
        let bytes = Split { to_provider: 1 }.signing_bytes(&context());
        let golden =
            ["5a4e5331", &"01".repeat(32), &"02".repeat(32), "01000000000000000000000000000000"]
                .concat();
        assert_eq!(hex::encode(bytes), golden);
    }

    #[test]
    fn the_channel_id_is_golden() {
        let id = channel_id(
            H256::repeat_byte(1),
            &AccountId::new([2; 32]),
            &AccountId::new([3; 32]),
            H256::repeat_byte(4),
            5,
        );
        let preimage = [
            b"zennet/channel/v1".to_vec(),
            [1; 32].to_vec(),
            [2; 32].to_vec(),
            [3; 32].to_vec(),
            [4; 32].to_vec(),
            5u64.to_le_bytes().to_vec(),
        ]
        .concat();
        assert_eq!(id.0, sp_crypto_hashing::blake2_256(&preimage));
    }

    #[test]
    fn a_voucher_verifies_only_with_its_key_chain_and_channel() {
        let (key, unverified) = sign(&context());
        assert!(unverified.clone().verify(&context(), &key).is_ok());
        let stranger = sr25519::Pair::from_seed(&[8; 32]).public();
        assert_eq!(unverified.clone().verify(&context(), &stranger), Err(BadSignature));
        let other_chain = ChannelContext { genesis: H256::zero(), ..context() };
        assert_eq!(unverified.clone().verify(&other_chain, &key), Err(BadSignature));
        let other_channel = ChannelContext { channel: H256::zero(), ..context() };
        assert_eq!(unverified.verify(&other_channel, &key), Err(BadSignature));
    }

    #[test]
    fn a_changed_amount_breaks_the_signature() {
        let (key, mut unverified) = sign(&context());
        unverified.payload.cumulative += 1;
        assert_eq!(unverified.verify(&context(), &key), Err(BadSignature));
    }

    #[test]
    fn a_truncated_voucher_is_refused() {
        let (_, unverified) = sign(&context());
        let bytes = unverified.encode();
        for length in 0..bytes.len() {
            assert!(Unverified::<Voucher>::decode(&mut &bytes[..length]).is_err());
        }
    }

    #[test]
    fn a_split_is_no_voucher() {
        let pair = sr25519::Pair::from_seed(&[9; 32]);
        let signature = pair.sign(&Split { to_provider: 0x0102 }.signing_bytes(&context()));
        let forged = Unverified { payload: voucher(), signature };
        assert_eq!(forged.verify(&context(), &pair.public()), Err(BadSignature));
    }
}
