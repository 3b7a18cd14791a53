//! Data whose signature has been verified.
//!
//! [`Unverified`] is what arrives; [`Unverified::verify`] is the only way to a [`Signed`], which
//! cannot be decoded.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::sr25519::{Public, Signature};
use sp_runtime::traits::Verify;
use thiserror::Error;

use crate::AccountId;

/// A payload together with everything that its signature depends on.
pub trait Signable {
    /// What the payload does not carry but its signature covers, such as the chain and the channel.
    type Context;

    /// The exact bytes that are signed. They start with a magic that no other payload has.
    fn signing_bytes(&self, context: &Self::Context) -> Vec<u8>;
}

/// The signature does not belong to this payload, context and key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the signature does not fit the payload, its context and the signer's key")]
pub struct BadSignature;

/// A payload and a signature that nobody has looked at yet.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Unverified<T> {
    /// What is claimed to be signed.
    pub payload: T,
    /// sr25519 signature over [`Signable::signing_bytes`].
    pub signature: Signature,
}

impl<T: Signable> Unverified<T> {
    /// Checks the signature of `signer` on the payload in this context.
    pub fn verify(self, context: &T::Context, signer: &Public) -> Result<Signed<T>, BadSignature> {
        let bytes = self.payload.signing_bytes(context);
        if self.signature.verify(&bytes[..], signer) {
            Ok(Signed { payload: self.payload, signature: self.signature })
        } else {
            Err(BadSignature)
        }
    }
}

/// A payload whose signature was verified. Cannot be decoded, only obtained by
/// [`Unverified::verify`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed<T> {
    payload: T,
    signature: Signature,
}

impl<T> Signed<T> {
    /// What was signed.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// The signature, for a chain or a party that verifies it itself.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Back to the form that can be sent and stored.
    pub fn into_unverified(self) -> Unverified<T> {
        Unverified { payload: self.payload, signature: self.signature }
    }
}

/// The sr25519 key behind an account.
pub fn account_key(account: &AccountId) -> Public {
    Public::from_raw(*AsRef::<[u8; 32]>::as_ref(account))
}
