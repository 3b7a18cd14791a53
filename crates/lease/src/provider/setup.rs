//! What a provider's machine is made with, what it is told and what it asks for.

use codec::{Decode, Encode};
use zennet_primitives::{
    amendment::Amendment,
    amount::{Balance, Rates},
    announcement::AnnouncementId,
    auth::{AuthClaim, AuthContext, Challenge, PeerIdBytes},
    channel::{ChannelContext, Voucher},
    close::CloseReason,
    contract::{Offer, Quote, Terms},
    frame::Frame,
    record::ChannelRecord,
    signed::Unverified,
    usage::Usage,
    AccountId, Hash,
};

use crate::Millis;

/// Everything that a provider knows before it dials a publisher.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ProviderSetup {
    /// Hash of the chain's first block.
    pub genesis: Hash,
    /// The announcement that is answered.
    pub announcement: AnnouncementId,
    /// Account that made the announcement, as the chain says.
    pub publisher: AccountId,
    /// Own account.
    pub account: AccountId,
    /// What it says of itself, with the work on the acceptance of this announcement.
    pub offer: Offer,
    /// Opening quote; [`crate::quote_for`] makes one.
    pub quote: Quote,
    /// Lowest acceptable rates.
    pub floor: Rates,
    /// Bounds on time, rounds and money.
    pub limits: ProviderLimits,
}

/// How long a provider waits, and what it accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ProviderLimits {
    /// For the publisher's first message and then for its proof, each.
    pub hello_ms: u32,
    /// For each answer to a quote.
    pub negotiate_ms: u32,
    /// From the contract to the finality of the channel.
    pub open_ms: u32,
    /// For the machine to start, and for any reading of its counters.
    pub start_ms: u32,
    /// From the freeze of a machine that is not paid to the end of the lease.
    pub stop_after_ms: u32,
    /// From the freeze of a machine whose connection is lost to the end of the lease.
    pub reconnect_ms: u32,
    /// For the voucher that answers the last usage.
    pub final_voucher_ms: u32,
    /// Quotes in all, the opening one included.
    pub max_rounds: u8,
    /// Shortest acceptable challenge period.
    pub min_challenge_blocks: u32,
    /// Claimed while the lease runs as soon as this much is unclaimed; zero claims only at the end.
    pub claim_threshold: Balance,
    /// Longest lease time that an amendment may lead to, seconds.
    pub max_lease_secs: u32,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            hello_ms: 10_000,
            negotiate_ms: 20_000,
            open_ms: 90_000,
            start_ms: 60_000,
            stop_after_ms: 10_000,
            reconnect_ms: 600_000,
            final_voucher_ms: 5_000,
            max_rounds: 4,
            min_challenge_blocks: 10,
            claim_threshold: 0,
            max_lease_secs: 7 * 24 * 3600,
        }
    }
}

/// What happens to a provider's machine.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "events are handled one at a time and never queued")]
pub enum ProviderEvent {
    /// The control stream stands.
    Connected {
        /// Peer id of this side.
        own_peer: PeerIdBytes,
        /// Peer id of the publisher, as the transport proved it.
        other_peer: PeerIdBytes,
        /// Fresh random bytes.
        challenge: Challenge,
    },
    /// The publisher sent a frame.
    Received(Frame),
    /// The publisher sent something that is no frame.
    Malformed,
    /// The control stream is gone.
    Disconnected,
    /// There is a new control stream, and the publisher has proved itself on it.
    Reconnected,
    /// The time of [`super::Provider::deadline`] has come.
    Timer,
    /// The watched channel as it stands in a finalized block.
    ChannelFinal(ChannelRecord<u32>),
    /// The watched channel as it stands now in a block like that of
    /// [`ProviderEvent::ChannelFinal`].
    ChannelChanged {
        /// The channel.
        record: ChannelRecord<u32>,
        /// How long it lasts still, by the time that a block takes.
        lasts_ms: Millis,
    },
    /// The watched channel is not on the chain, or no longer.
    ChannelMissing,
    /// The publisher asked the chain to close the channel, or it is about to expire.
    ChannelClosing,
    /// The machine runs and can be logged in to.
    MachineReady {
        /// Its counters at this moment.
        baseline: Usage,
    },
    /// Answer to [`ProviderAction::ResumeMachine`]: it can be read, frozen and stopped again.
    MachineResumed,
    /// Answer to [`ProviderAction::ReserveVolume`]: the volume is this lease's.
    VolumeReserved,
    /// Answer to [`ProviderAction::ReserveVolume`]: it cannot be had.
    VolumeRefused,
    /// The machine could not be prepared, started or found again, or died.
    MachineFailed,
    /// Answer to [`ProviderAction::ReadUsage`].
    Metered {
        /// Number of the tick that was asked for.
        tick: u32,
        /// Cumulative counters as read.
        usage: Usage,
    },
    /// Answer to [`ProviderAction::StopMachine`].
    MachineStopped {
        /// The last cumulative counters, where they could be read.
        usage: Option<Usage>,
    },
    /// The operator ends the lease at once.
    Stop(CloseReason),
    /// The provider goes out of service: a lease that runs ends after the agreed notice.
    Leave,
    /// This value was loaded from the store: only a machine that served may still be there.
    Restarted,
    /// Answer to [`ProviderAction::Claim`]: the channel has paid this much in all.
    Claimed {
        /// Amount, in the smallest coin unit.
        paid: Balance,
    },
    /// A claim did not get into a block, or costs more than it brings.
    ClaimFailed,
    /// The channel was settled and deleted on chain.
    Settled {
        /// What it paid in all.
        paid: Balance,
    },
    /// The settlement did not get into a block.
    SettleFailed,
}

impl ProviderEvent {
    /// Name for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Received(_) => "received",
            Self::Malformed => "malformed",
            Self::Disconnected => "disconnected",
            Self::Reconnected => "reconnected",
            Self::Timer => "timer",
            Self::ChannelFinal(_) => "channel final",
            Self::ChannelChanged { .. } => "channel changed",
            Self::ChannelMissing => "channel missing",
            Self::ChannelClosing => "channel closing",
            Self::MachineReady { .. } => "machine ready",
            Self::MachineResumed => "machine resumed",
            Self::VolumeReserved => "volume reserved",
            Self::VolumeRefused => "volume refused",
            Self::MachineFailed => "machine failed",
            Self::Metered { .. } => "metered",
            Self::MachineStopped { .. } => "machine stopped",
            Self::Stop(_) => "stop",
            Self::Leave => "leave",
            Self::Restarted => "restarted",
            Self::Claimed { .. } => "claimed",
            Self::ClaimFailed => "claim failed",
            Self::Settled { .. } => "settled",
            Self::SettleFailed => "settle failed",
        }
    }
}

/// What a provider's machine asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "actions are performed one at a time")]
pub enum ProviderAction {
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
    /// Keep the volume of the terms for this lease, or report that it cannot be had. Where no
    /// contract comes of the meeting, it is given back.
    ReserveVolume(Terms),
    /// Sign the terms with the account key and send the signature as [`Frame::Countersign`].
    Countersign(Terms),
    /// Sign the amendment with the account key and send the signature as [`Frame::Granted`].
    CountersignAmendment(Amendment),
    /// Fetch the image and create the machine, but do not start it.
    PrepareMachine(Terms),
    /// Report the channel once it is final, and every later change and sign of its end.
    WatchChannel(ChannelContext),
    /// Report a channel that was final before as it stands, and every later change and sign of its
    /// end.
    WatchOpenChannel(ChannelContext),
    /// Start the machine.
    StartMachine,
    /// Find the machine that was left running, start it again where it has stopped, and go on
    /// reading it.
    ResumeMachine(Terms),
    /// Read the counters and report them as [`ProviderEvent::Metered`].
    ReadUsage {
        /// Number of the tick.
        tick: u32,
    },
    /// Freeze every process of the machine.
    Freeze,
    /// Let them run again.
    Thaw,
    /// Stop and remove whatever there is of the machine, then report
    /// [`ProviderEvent::MachineStopped`].
    StopMachine,
    /// Claim a voucher on chain and report the outcome; the lease goes on.
    Claim(Unverified<Voucher>),
    /// Close the channel on chain with the best voucher and report the outcome.
    Settle(Option<Unverified<Voucher>>),
    /// Flush what was sent and close the connection.
    Disconnect,
    /// Nothing is left to do.
    Finished(CloseReason),
}
