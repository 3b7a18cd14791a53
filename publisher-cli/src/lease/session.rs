//! The key that signs the vouchers of one lease.

use rand::{rngs::OsRng, RngCore};
use sp_core::{sr25519, Pair};
use zennet_primitives::{
    channel::{ChannelContext, Voucher},
    signed::{Signable, Unverified},
    SessionKey,
};

/// A session key with its seed.
#[derive(Clone)]
pub(crate) struct Session {
    seed: [u8; 32],
    pair: sr25519::Pair,
}

impl Session {
    /// A new random key.
    pub(crate) fn generate() -> Self {
        let mut seed = [0; 32];
        OsRng.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// The key of a stored lease.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Session { seed, pair: sr25519::Pair::from_seed(&seed) }
    }

    /// What the store keeps.
    pub(crate) fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// What the contract names.
    pub(crate) fn public(&self) -> SessionKey {
        self.pair.public()
    }

    /// Signs a voucher for one channel.
    pub(crate) fn sign(&self, voucher: Voucher, context: &ChannelContext) -> Unverified<Voucher> {
        let signature = self.pair.sign(&voucher.signing_bytes(context));
        Unverified { payload: voucher, signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::Hash;

    #[test]
    fn a_voucher_verifies_with_the_key_of_its_own_session_alone() {
        let session = Session::generate();
        let again = Session::from_seed(session.seed());
        let context =
            ChannelContext { genesis: Hash::repeat_byte(1), channel: Hash::repeat_byte(2) };
        let voucher = Voucher { cumulative: 5, usage_hash: Hash::repeat_byte(3) };
        let signed = again.sign(voucher, &context);
        assert!(signed.clone().verify(&context, &session.public()).is_ok());
        assert!(signed.verify(&context, &Session::generate().public()).is_err());
    }
}
