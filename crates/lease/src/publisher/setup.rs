//! What a publisher's machine is made with, what it is told and what it asks for.

use codec::{Decode, Encode};
use zennet_primitives::{
    amendment::{Amendment, Objection, Scope},
    amount::{Balance, Rates},
    announcement::{Announcement, AnnouncementId, ImageRef},
    auth::{AuthClaim, AuthContext, Challenge, PeerIdBytes},
    channel::{ChannelContext, Voucher},
    close::CloseReason,
    contract::{SshKey, Terms, Volume, Wall},
    frame::{Frame, Notice},
    usage::Usage,
    AccountId, Hash, SessionKey,
};

use crate::{HourLimit, Millis};

/// Everything that a publisher knows before a provider dials it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PublisherSetup {
    /// Hash of the chain's first block.
    pub genesis: Hash,
    /// Own announcement.
    pub announcement: AnnouncementId,
    /// Its body.
    pub body: Announcement,
    /// Own account.
    pub account: AccountId,
    /// Key that signs this lease's vouchers.
    pub session_key: SessionKey,
    /// Key that logs in to the machine.
    pub client_key: SshKey,
    /// What is acceptable.
    pub policy: PublisherPolicy,
    /// Bounds on time and rounds.
    pub limits: PublisherLimits,
}

/// What a publisher accepts. The least resources are in the announcement.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PublisherPolicy {
    /// Highest rates; those of the announcement hold too.
    pub max_rates: Option<Rates>,
    /// Most that an hour of the expected workload may cost.
    pub max_per_hour: Option<HourLimit>,
    /// Most that one lease may lock in all, in the smallest coin unit.
    pub max_price: Option<Balance>,
    /// Lease time that is wanted, seconds.
    pub lease_secs: u32,
    /// Time of full use that the deposit covers, and that each addition to it does, seconds;
    /// without it that of the lease.
    pub deposit_secs: Option<u32>,
    /// Volume that the machine is to have; its size is in the announcement.
    pub volume: Option<Volume>,
    /// Whether the machine's own files are to be unchangeable.
    pub read_only: bool,
    /// Walls between machine and host that will do; with none, any.
    pub walls: Vec<Wall>,
    /// Shortest notice of a provider that goes out of service, seconds.
    pub min_notice_secs: u32,
    /// Whether rates must come from a benchmark report; one that is shown must be true in any case.
    pub report_required: bool,
    /// Images that will do; with none, those of the announcement, and else any.
    pub images: Vec<ImageRef>,
    /// Challenge period of the channel, in blocks.
    pub challenge_blocks: u32,
    /// Most that may be paid ahead, in the smallest coin unit.
    pub max_tick_exposure: Balance,
    /// Whether a deposit that runs low is topped up while the lease has time left.
    pub top_up: bool,
    /// Longest lease time in all that is asked for by itself, seconds.
    pub extend_to_secs: u32,
    /// Longest that the chain can keep a channel for a lease, from any moment on, seconds.
    pub max_left_secs: u32,
    /// How long before the deposit or the time runs out more is asked for, seconds; it is never
    /// more than a quarter of either.
    pub ahead_secs: u32,
}

impl Default for PublisherPolicy {
    fn default() -> Self {
        Self {
            max_rates: None,
            max_per_hour: None,
            max_price: None,
            lease_secs: 3600,
            deposit_secs: None,
            volume: None,
            read_only: false,
            walls: Vec::new(),
            min_notice_secs: 0,
            report_required: false,
            images: Vec::new(),
            challenge_blocks: 20,
            max_tick_exposure: Balance::MAX,
            top_up: true,
            extend_to_secs: 0,
            max_left_secs: u32::MAX,
            ahead_secs: 600,
        }
    }
}

/// How long a publisher waits, and how often it bears a disagreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PublisherLimits {
    /// For the provider's first message and then for its proof, each.
    pub hello_ms: u32,
    /// For each quote and for the countersignature.
    pub negotiate_ms: u32,
    /// For the channel to get into a block.
    pub open_ms: u32,
    /// From there to the running machine.
    pub ready_ms: u32,
    /// Silence after a tick has passed without usage, until the connection is given up.
    pub usage_ms: u32,
    /// From the loss of the connection to the end of the lease.
    pub reconnect_ms: u32,
    /// For the provider to stop the machine, and then to settle, each.
    pub settle_ms: u32,
    /// Quotes in all, the opening one included.
    pub max_rounds: u8,
    /// Ticks in a row out of agreement that end the lease.
    pub disagreements: u8,
}

impl Default for PublisherLimits {
    fn default() -> Self {
        Self {
            hello_ms: 10_000,
            negotiate_ms: 20_000,
            open_ms: 60_000,
            ready_ms: 120_000,
            usage_ms: 10_000,
            reconnect_ms: 600_000,
            settle_ms: 30_000,
            max_rounds: 4,
            disagreements: 5,
        }
    }
}

/// What happens to a publisher's machine.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "events are handled one at a time and never queued")]
pub enum PublisherEvent {
    /// A provider has opened a control stream.
    Connected {
        /// Peer id of this side.
        own_peer: PeerIdBytes,
        /// Peer id of the provider, as the transport proved it.
        other_peer: PeerIdBytes,
        /// Fresh random bytes.
        challenge: Challenge,
    },
    /// The provider sent a frame.
    Received(Frame),
    /// The provider sent something that is no frame.
    Malformed,
    /// The control stream is gone.
    Disconnected,
    /// There is a new control stream, and the provider has proved itself on it.
    Reconnected,
    /// The time of [`super::Publisher::deadline`] has come.
    Timer,
    /// Answer to [`PublisherAction::CheckIdentity`].
    IdentityChecked {
        /// Whether the provider's identity stands on chain.
        mined: bool,
    },
    /// The channel is in a block.
    ChannelOpened {
        /// Its nonce.
        nonce: u64,
    },
    /// The channel was not opened and will not be.
    OpenFailed,
    /// Counters that were read inside the machine.
    OwnUsage {
        /// Cumulative counters as read.
        usage: Usage,
        /// When, by the machine's clock, milliseconds.
        at_ms: Millis,
    },
    /// The user wants the lease to last longer.
    Extend {
        /// By how much, seconds.
        secs: u32,
    },
    /// The user does not want the volume kept after the lease.
    DropVolume,
    /// Answer to [`PublisherAction::FundChannel`]: the channel has what was asked for.
    Funded,
    /// It does not, or that is not known.
    FundFailed,
    /// The user ends the lease.
    Stop(CloseReason),
    /// The provider is not waited for any more, since it cannot reach this side.
    GiveUp,
    /// The channel was settled and deleted on chain.
    Settled {
        /// What it paid in all.
        paid: Balance,
    },
    /// The channel is being closed on chain, or is about to expire.
    ChannelClosing,
    /// This value was loaded from the store: the connection of before is gone.
    Restarted,
}

impl PublisherEvent {
    /// Name for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Received(_) => "received",
            Self::Malformed => "malformed",
            Self::Disconnected => "disconnected",
            Self::Reconnected => "reconnected",
            Self::Timer => "timer",
            Self::IdentityChecked { .. } => "identity checked",
            Self::ChannelOpened { .. } => "channel opened",
            Self::OpenFailed => "open failed",
            Self::OwnUsage { .. } => "own usage",
            Self::Extend { .. } => "extend",
            Self::DropVolume => "drop volume",
            Self::Funded => "funded",
            Self::FundFailed => "fund failed",
            Self::Stop(_) => "stop",
            Self::GiveUp => "give up",
            Self::Settled { .. } => "settled",
            Self::ChannelClosing => "channel closing",
            Self::Restarted => "restarted",
        }
    }
}

/// What a publisher's machine asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "actions are performed one at a time")]
pub enum PublisherAction {
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
    /// Find out whether the account is a provider whose identity stands on chain.
    CheckIdentity(AccountId),
    /// Sign the terms with the account key and send both as [`Frame::Contract`].
    SendContract(Terms),
    /// Open the channel for these terms and report its nonce.
    OpenChannel(Terms),
    /// Sign the voucher in its context with the session key and send it as [`Frame::Voucher`].
    SendVoucher {
        /// Number of the tick that it answers.
        tick: u32,
        /// What to sign.
        voucher: Voucher,
        /// The chain and the channel that it holds for.
        context: ChannelContext,
    },
    /// Sign the amendment with the account key and send both as [`Frame::Amend`].
    SendAmendment(Amendment),
    /// Have the chain lock what is missing of the deposit, and keep the channel for as long as the
    /// lease can last. It may be asked for again; what the channel has already is not added.
    FundChannel {
        /// The channel.
        channel: ChannelContext,
        /// What it is to have locked in all, in the smallest coin unit.
        deposit: Balance,
        /// How much longer the lease can last, seconds.
        left_secs: u32,
        /// Whether the chain was asked before, so that a transaction may still be on its way.
        again: bool,
    },
    /// Tell the user that the lease has more deposit or time from now on.
    LeaseAmended(Scope),
    /// Tell the user that the provider does not grant more.
    NotAmended(Objection),
    /// The machine can be logged in to, for the first time or again on a new connection: open the
    /// local port, unless it is open, and follow its counters.
    MachineReady,
    /// Tell the user that the machine was frozen, runs again, or that its provider is to leave.
    MachineStateChanged(Notice),
    /// Ask the chain to close the channel, finalize it after the challenge and report the
    /// settlement. It may be asked for again; what has been done already need not be repeated.
    RequestClose(ChannelContext),
    /// Flush what was sent and close the connection.
    Disconnect,
    /// Nothing is left to do.
    Finished(CloseReason),
}
