//! What a running lease may be given more of: deposit and time.
//!
//! The publisher proposes an amendment, the provider signs it too, and only then the publisher has
//! the chain lock more or keep the channel for longer. It holds when the provider has seen that on
//! chain.

use alloc::vec::Vec;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;
use thiserror::Error;

use crate::{
    amount::{Balance, TOTAL_SUPPLY},
    contract::Terms,
    signed::Signable,
};

/// A change of a contract, signed by both sides. Both figures are what holds afterwards in all, and
/// neither ever falls.
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
pub struct Amendment {
    /// Hash of the terms that are changed.
    pub contract: H256,
    /// Number among the amendments of this contract, from one; it rises with each that is proposed.
    pub number: u16,
    /// All that the channel will have locked, in the smallest coin unit.
    pub deposit: Balance,
    /// Lease time in all, seconds.
    pub lease_secs: u32,
}

impl Signable for Amendment {
    /// The terms' hash in the payload stands for the chain and the parties.
    type Context = ();

    fn signing_bytes(&self, (): &()) -> Vec<u8> {
        (*b"zennet/amendment/v1", self).encode()
    }
}

/// Why a provider does not grant an amendment.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Error, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
#[cfg_attr(feature = "std", serde(rename_all = "snake_case"))]
pub enum Objection {
    /// It asks for less than what holds, or for nothing more.
    #[codec(index = 0)]
    #[error("it gives nothing more than what holds already")]
    NothingMore,
    /// The lease would be longer than the provider lets leases be.
    #[codec(index = 1)]
    #[error("the provider does not let leases be so long")]
    TooLong,
    /// The provider goes out of service.
    #[codec(index = 2)]
    #[error("the provider goes out of service")]
    Leaving,
    /// No channel lasts for as long as the lease would still have.
    #[codec(index = 3)]
    #[error("the chain keeps no channel for so long: it can be extended again later")]
    ChannelTooLong,
}

/// Most amendments of one lease: each costs both sides a durable write.
pub const MAX_AMENDMENTS: u16 = 1024;

/// What holds of a lease at present: the terms' figures, as the latest amendment left them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Scope {
    /// What the channel locks in all, in the smallest coin unit.
    pub deposit: Balance,
    /// Lease time in all, seconds.
    pub lease_secs: u32,
    /// Number of the amendment that this comes from; zero for the terms themselves.
    pub number: u16,
}

impl Scope {
    /// What the terms say.
    pub fn of(terms: &Terms) -> Self {
        Self { deposit: terms.deposit, lease_secs: terms.quote.lease_secs, number: 0 }
    }

    /// Whether an amendment leaves no figure below what holds, raises one, and can be paid.
    pub fn grows_by(&self, amendment: &Amendment) -> bool {
        let more = amendment.deposit > self.deposit || amendment.lease_secs > self.lease_secs;
        amendment.number > self.number
            && amendment.deposit >= self.deposit
            && amendment.lease_secs >= self.lease_secs
            && amendment.deposit <= TOTAL_SUPPLY
            && more
    }

    /// Whether this comes from the amendment.
    pub fn comes_from(&self, amendment: &Amendment) -> bool {
        *self == Scope::from(amendment)
    }
}

impl From<&Amendment> for Scope {
    fn from(amendment: &Amendment) -> Self {
        let Amendment { contract: _, number, deposit, lease_secs } = *amendment;
        Scope { deposit, lease_secs, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::tests::terms,
        signed::{BadSignature, Unverified},
    };
    use sp_core::{sr25519, Pair};

    fn amendment() -> Amendment {
        Amendment { contract: terms().hash(), number: 1, deposit: 150, lease_secs: 90 }
    }

    fn signed() -> (sr25519::Public, Unverified<Amendment>) {
        let pair = sr25519::Pair::from_seed(&[9; 32]);
        let signature = pair.sign(&amendment().signing_bytes(&()));
        (pair.public(), Unverified { payload: amendment(), signature })
    }

    #[test]
    fn the_signed_bytes_are_golden() {
        let amendment = Amendment {
            contract: H256::repeat_byte(1),
            number: 0x0203,
            deposit: 0x0405,
            lease_secs: 0x0607,
        };
        let golden = [
            &hex::encode("zennet/amendment/v1"),
            &"01".repeat(32)[..],
            "0302",
            "05040000000000000000000000000000",
            "07060000",
        ]
        .concat();
        assert_eq!(hex::encode(amendment.signing_bytes(&())), golden);
    }

    #[test]
    fn a_truncated_amendment_is_refused() {
        let (_, unverified) = signed();
        let bytes = unverified.encode();
        for length in 0..bytes.len() {
            assert!(Unverified::<Amendment>::decode(&mut &bytes[..length]).is_err());
        }
    }

    #[test]
    fn an_amendment_verifies_only_with_its_key_its_contract_and_its_figures() {
        let (key, unverified) = signed();
        assert!(unverified.clone().verify(&(), &key).is_ok());
        let stranger = sr25519::Pair::from_seed(&[8; 32]).public();
        assert_eq!(unverified.clone().verify(&(), &stranger), Err(BadSignature));
        let with = |change: fn(&mut Amendment)| {
            let mut changed = unverified.clone();
            change(&mut changed.payload);
            changed.verify(&(), &key)
        };
        assert_eq!(with(|a| a.contract = H256::zero()), Err(BadSignature));
        assert_eq!(with(|a| a.number += 1), Err(BadSignature));
        assert_eq!(with(|a| a.deposit += 1), Err(BadSignature));
        assert_eq!(with(|a| a.lease_secs += 1), Err(BadSignature));
    }

    #[test]
    fn signed_terms_are_no_amendment() {
        let pair = sr25519::Pair::from_seed(&[9; 32]);
        let signature = pair.sign(&terms().signing_bytes(&()));
        let forged = Unverified { payload: amendment(), signature };
        assert_eq!(forged.verify(&(), &pair.public()), Err(BadSignature));
    }

    #[test]
    fn only_what_gives_more_and_takes_nothing_away_grows() {
        let scope = Scope::of(&terms());
        let with = |change: fn(&mut Amendment)| {
            let mut changed = amendment();
            change(&mut changed);
            scope.grows_by(&changed)
        };
        assert!(with(|_| {}));
        assert!(with(|a| a.deposit = 100));
        assert!(with(|a| a.lease_secs = 60));
        assert!(!with(|a| (a.deposit, a.lease_secs) = (100, 60)));
        assert!(!with(|a| a.deposit = 99));
        assert!(!with(|a| a.lease_secs = 59));
        assert!(!with(|a| a.deposit = TOTAL_SUPPLY + 1));
        assert!(!with(|a| a.number = 0));
        assert!(Scope::from(&amendment()).comes_from(&amendment()));
        assert!(!scope.comes_from(&amendment()));
    }
}
