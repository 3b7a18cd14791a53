//! Why a lease ended. Both sides record the same reason.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use thiserror::Error;

/// Why a meeting or a lease ended.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Error,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "std", serde(rename_all = "snake_case"))]
pub enum CloseReason {
    /// The publisher has finished.
    #[codec(index = 0)]
    #[error("the publisher finished")]
    Finished,
    /// The agreed lease time is over.
    #[codec(index = 1)]
    #[error("the lease time is over")]
    LeaseTimeOver,
    /// The provider goes out of service.
    #[codec(index = 2)]
    #[error("the provider goes out of service")]
    ProviderLeaves,
    /// The publisher has hired as many machines as it asked for.
    #[codec(index = 3)]
    #[error("the publisher has enough machines")]
    EnoughMachines,
    /// The two did not agree on terms within the bounded rounds.
    #[codec(index = 4)]
    #[error("no terms were agreed on")]
    NoAgreement,
    /// What the announcement asks for cannot be given.
    #[codec(index = 5)]
    #[error("the provider cannot meet the requirements")]
    RequirementsNotMet,
    /// The other side did not prove its account, its identity or its work.
    #[codec(index = 6)]
    #[error("the other side did not prove who it is")]
    NotAuthentic,
    /// The other side broke the protocol: malformed, oversized, replayed or out of order.
    #[codec(index = 7)]
    #[error("the other side broke the protocol")]
    ProtocolViolation,
    /// The other side speaks another version or follows another chain.
    #[codec(index = 8)]
    #[error("the other side speaks another version or follows another chain")]
    Incompatible,
    /// The other side did not answer in time.
    #[codec(index = 9)]
    #[error("the other side did not answer in time")]
    TimedOut,
    /// The channel was not opened as agreed on.
    #[codec(index = 10)]
    #[error("the channel was not opened as agreed on")]
    ChannelNotOpened,
    /// The publisher stopped paying.
    #[codec(index = 11)]
    #[error("the publisher stopped paying")]
    NotPaid,
    /// The deposit is spent.
    #[codec(index = 12)]
    #[error("the deposit is spent")]
    DepositSpent,
    /// The two sides' readings of the usage do not agree.
    #[codec(index = 13)]
    #[error("the readings of the usage do not agree")]
    UsageDisagreement,
    /// The machine could not be started, or died.
    #[codec(index = 14)]
    #[error("the machine failed")]
    MachineFailed,
    /// The connection was lost and not rebuilt in time.
    #[codec(index = 15)]
    #[error("the connection was lost")]
    ConnectionLost,
    /// The publisher asked the chain to close the channel.
    #[codec(index = 16)]
    #[error("the channel is being closed on chain")]
    ChannelClosing,
    /// The provider went out of service without the notice that the contract asks for.
    #[codec(index = 17)]
    #[error("the provider left without the agreed notice")]
    NoticeBroken,
    /// The provider's rates are not those of the benchmarks that it shows.
    #[codec(index = 18)]
    #[error("the rates are not those of the benchmark report")]
    ReportFalse,
    /// The volume of the contract cannot be had: another lease has it, or there is no room for it.
    #[codec(index = 19)]
    #[error("the volume is in use by another lease, larger than was asked for, or has no room")]
    VolumeUnavailable,
    /// The contract gives the provider less time to answer a closing channel than it asks for.
    #[codec(index = 20)]
    #[error("the challenge period is shorter than the provider asks for")]
    ChallengeTooShort,
}
