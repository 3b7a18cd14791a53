//! Messages on the control stream of a lease.
//!
//! ```text
//! provider                                publisher
//!    │ Hello ──────────────────────────────► │   accounts, challenges
//!    │ ◄────────────────────────────── Hello │
//!    │ Auth ───────────────────────────────► │   each proves its account
//!    │ ◄─────────────────────────────── Auth │
//!    │ Offer ──────────────────────────────► │   capabilities, stamp, report
//!    │ Quote ──────────────────────────────► │
//!    │ ◄───────────── Counter │ Contract │ Close    bounded rounds
//!    │ Countersign ────────────────────────► │
//!    │ ◄───────────────────────────── Opened │   the channel is in a block
//!    │ Ready ──────────────────────────────► │   final on chain, machine runs
//!    │ Usage ──────────────────────────────► │   every tick
//!    │ ◄──────────────────────────── Voucher │
//!    │ Notice ─────────────────────────────► │   frozen, running again, about to leave
//!    │ ◄────────────────────────────── Amend │   more deposit, more time
//!    │ Granted │ NotAmended ───────────────► │   then the chain locks it
//!    │ Amended ────────────────────────────► │   it is final: vouchers may be higher
//!    │ ◄────────────────────────────► Close  │   then a last Usage and Voucher
//!    │ Settled ────────────────────────────► │
//! ```
//!
//! A connection that breaks is replaced. On the new one both say Hello with the contract that goes
//! on, and prove their accounts once more. Nothing else is negotiated: the provider repeats Ready,
//! the publisher Opened, and the next Usage and Voucher cover all that happened in between, since
//! both are cumulative. An amendment that is not through is proposed once more, under its number.

use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode, MaxEncodedLen};
use sp_core::{sr25519::Signature, H256};
use thiserror::Error;

use crate::{
    amendment::{Amendment, Objection},
    amount::Balance,
    announcement::AnnouncementId,
    auth::Challenge,
    channel::Voucher,
    close::CloseReason,
    contract::{CounterOffer, Offer, Quote, Terms},
    signed::Unverified,
    usage::Usage,
    AccountId,
};

/// Version of the protocol, in the first message of each side.
pub const PROTOCOL_VERSION: u16 = 4;

/// Largest frame, bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// First message of each side.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct Hello {
    /// Version of the protocol that the sender speaks.
    pub version: u16,
    /// Chain that the sender follows, by the hash of its first block.
    pub genesis: H256,
    /// What the two meet about.
    pub announcement: AnnouncementId,
    /// Who the sender claims to be.
    pub account: AccountId,
    /// Random bytes that the other side must sign.
    pub challenge: Challenge,
    /// Hash of the contract that goes on on this connection; absent at a first meeting.
    pub lease: Option<H256>,
}

/// The machine's state when it changes outside the publisher's will.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen,
)]
pub enum Notice {
    /// The machine is frozen until what is due is paid.
    #[codec(index = 0)]
    Frozen {
        /// Price of all usage so far plus the prepayment, in the smallest coin unit.
        due: Balance,
    },
    /// The machine runs again.
    #[codec(index = 1)]
    Thawed,
    /// The provider goes out of service and ends the lease then.
    #[codec(index = 2)]
    Leaving {
        /// Time that is left, seconds.
        in_secs: u32,
    },
}

/// A message on the control stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
#[allow(
    clippy::large_enum_variant,
    reason = "frames are decoded one at a time and never kept in numbers"
)]
pub enum Frame {
    /// Opens the conversation.
    #[codec(index = 0)]
    Hello(Hello),
    /// Proof of the sender's account: its signature over [`crate::auth::AuthClaim`].
    #[codec(index = 1)]
    Auth(Signature),
    /// What the provider has, and its acceptance stamp.
    #[codec(index = 2)]
    Offer(Offer),
    /// The provider's price.
    #[codec(index = 3)]
    Quote(Quote),
    /// What the publisher asks for instead.
    #[codec(index = 4)]
    Counter(CounterOffer),
    /// The terms, signed by the publisher.
    #[codec(index = 5)]
    Contract(Unverified<Terms>),
    /// The provider's signature on the same terms.
    #[codec(index = 6)]
    Countersign(Signature),
    /// The channel is in a block.
    #[codec(index = 7)]
    Opened {
        /// The publisher's nonce of the channel.
        nonce: u64,
    },
    /// The machine can be logged in to; usage counts from here.
    #[codec(index = 8)]
    Ready {
        /// Counters at the start.
        baseline: Usage,
    },
    /// Cumulative counters at the end of a tick.
    #[codec(index = 9)]
    Usage {
        /// Number of the tick, from one.
        tick: u32,
        /// The counters.
        usage: Usage,
        /// No more usage follows: the machine has been stopped.
        last: bool,
    },
    /// Payment for a tick.
    #[codec(index = 10)]
    Voucher {
        /// Number of the tick that it answers.
        tick: u32,
        /// The signed amount.
        voucher: Unverified<Voucher>,
    },
    /// The machine was frozen or runs again.
    #[codec(index = 11)]
    Notice(Notice),
    /// The sender wants to end, or has to.
    #[codec(index = 12)]
    Close(CloseReason),
    /// The channel has been settled on chain.
    #[codec(index = 13)]
    Settled {
        /// What the channel paid in all, in the smallest coin unit.
        paid: Balance,
    },
    /// What the publisher wants the lease to have from now on, signed by its account.
    #[codec(index = 14)]
    Amend(Unverified<Amendment>),
    /// The provider's signature on an amendment: the chain may lock what it needs.
    #[codec(index = 15)]
    Granted {
        /// Number of the amendment.
        number: u16,
        /// The provider's signature on it.
        signature: Signature,
    },
    /// The provider does not grant an amendment; the lease goes on as it was.
    #[codec(index = 16)]
    NotAmended {
        /// Number of the amendment.
        number: u16,
        /// Why.
        objection: Objection,
    },
    /// The provider has seen on chain what an amendment needs: it holds.
    #[codec(index = 17)]
    Amended {
        /// Number of the amendment.
        number: u16,
    },
}

/// Why bytes are no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum FrameError {
    /// More bytes than a frame may have.
    #[error("the frame has {0} bytes, {MAX_FRAME_BYTES} are allowed")]
    TooLarge(usize),
    /// Not SCALE, or not of this version, or followed by something.
    #[error("the frame cannot be decoded")]
    Malformed,
}

impl Frame {
    /// Decodes one whole frame.
    pub fn from_bytes(bytes: &[u8]) -> Result<Frame, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        Frame::decode_all(&mut &bytes[..]).map_err(|_| FrameError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::terms;
    use proptest::prelude::*;

    #[test]
    fn no_frame_is_larger_than_the_bound() {
        assert!(Frame::max_encoded_len() <= MAX_FRAME_BYTES);
    }

    #[test]
    fn truncated_and_extended_frames_are_refused() {
        let signature = Signature::from_raw([1; 64]);
        let bytes = Frame::Contract(Unverified { payload: terms(), signature }).encode();
        assert!(Frame::from_bytes(&bytes).is_ok());
        for length in 0..bytes.len() {
            assert_eq!(Frame::from_bytes(&bytes[..length]), Err(FrameError::Malformed));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Frame::from_bytes(&longer), Err(FrameError::Malformed));
    }

    #[test]
    fn an_oversized_frame_is_refused_unread() {
        let bytes = alloc::vec![0; MAX_FRAME_BYTES + 1];
        assert_eq!(Frame::from_bytes(&bytes), Err(FrameError::TooLarge(bytes.len())));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(frame) = Frame::from_bytes(&bytes) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }
}
