//! The publisher's side of one lease.
//!
//! ```text
//!  New ─Connected─► Meeting: Greeting ─Hello─► Proving ─Auth─► Checking ─mined─► Quoting ◄─┐
//!                      │                                                            │ └────┘
//!                      │ refusal, silence                        a quote will do    │ Counter
//!                      ▼                                                            ▼
//!                    Ended                         Opening ◄──Countersign─── Contracted
//!                      ▲                              │ ChannelOpened
//!                      │                              ▼
//!                      │ Settled                  Preparing
//!                      │                              │ Ready
//!  Settling ───────────┤                              ▼
//!     ▲                │            ┌─► Usage,     Active
//!     │ last Usage,    │            └── Voucher ──────┤
//!     │ last Voucher   │                              │ Close, Stop
//!  Closing ◄───────────┼──────────────────────────────┤
//!     │                │                              │ silence, broken protocol
//!     └─ silence ─► Reclaiming ◄──────────────────────┘ RequestClose
//! ```
//!
//! A lease that ends while its channel is being opened waits in Abandoned for the driver to say
//! whether it was.
//!
//! A connection that breaks changes no state: the provider dials again. Whoever waits for it longer
//! than is agreed on gives it up. A value that is loaded from the store waits in the same way.
//!
//! While the machine can be used, `amending` sees to it that neither deposit nor time runs out as
//! long as the policy allows more.

mod active;
mod amending;
mod closing;
mod ledger;
mod meeting;
mod setup;
mod state;

pub use setup::*;

use codec::{Decode, Encode};
use zennet_primitives::{
    amendment::Scope, amount::Balance, channel::ChannelContext, close::CloseReason,
    contract::Terms, usage::Usage, AccountId,
};

use self::{
    ledger::{Ledger, Meter},
    state::{Link, State},
};
pub use crate::agreement::Deviation;
use crate::{meeting::Meeting, stored::PublisherForm, Denied, Millis, Phase, Step};

/// The publisher's side of one meeting and lease.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Publisher {
    form: PublisherForm,
    setup: PublisherSetup,
    state: State,
}

/// What a state makes of an event.
#[allow(clippy::large_enum_variant, reason = "it lives for one step")]
enum Outcome {
    Next(State, Vec<PublisherAction>),
    Same,
    Denied,
}

impl Outcome {
    /// The same outcome with other actions before its own.
    fn after(self, mut first: Vec<PublisherAction>) -> Self {
        match self {
            Outcome::Next(state, actions) => {
                first.extend(actions);
                Outcome::Next(state, first)
            }
            Outcome::Same | Outcome::Denied => self,
        }
    }
}

impl Publisher {
    /// A machine that no provider has dialled yet.
    pub fn new(setup: PublisherSetup) -> Self {
        Self { form: PublisherForm::ONLY, setup, state: State::New }
    }

    /// What follows from an event.
    pub fn step(
        &self,
        event: PublisherEvent,
        now: Millis,
    ) -> Result<Step<Self, PublisherAction>, Denied> {
        let denied = Denied { event: event.name(), phase: self.phase() };
        match self.outcome(event, now) {
            Outcome::Next(state, actions) => Ok(Step {
                next: Self { form: PublisherForm::ONLY, setup: self.setup.clone(), state },
                actions,
            }),
            Outcome::Same => Ok(Step { next: self.clone(), actions: Vec::new() }),
            Outcome::Denied => Err(denied),
        }
    }

    fn outcome(&self, event: PublisherEvent, now: Millis) -> Outcome {
        let setup = &self.setup;
        match &self.state {
            State::New => begin(setup, event, now),
            State::Meeting { stage, until } => meeting::meet(setup, stage, *until, event, now),
            State::Opening { ledger, link, until } => {
                active::open(setup, ledger.clone(), *link, *until, event, now)
            }
            State::Preparing { ledger, link, until, deaf } => {
                active::prepare(setup, ledger.clone(), *link, *until, *deaf, event, now)
            }
            State::Active { ledger, watch } => {
                active::attend(setup, ledger.clone(), *watch, event, now)
            }
            State::Closing { ledger, reason, link, until } => {
                closing::closing(setup, ledger.clone(), *reason, *link, *until, event, now)
            }
            State::Settling { ledger, reason, link, until } => {
                closing::settling(setup, ledger.clone(), *reason, *link, *until, event, now)
            }
            State::Abandoned { ledger, reason } => {
                closing::abandoned(setup, ledger.clone(), *reason, event, now)
            }
            State::Reclaiming { ledger, reason, attempts, retry_at } => {
                let (attempts, due) = (*attempts, *retry_at);
                closing::reclaiming(setup, ledger.clone(), *reason, attempts, due, event, now)
            }
            State::Ended { .. } => Outcome::Denied,
        }
    }

    /// When to send [`PublisherEvent::Timer`].
    pub fn deadline(&self) -> Option<Millis> {
        self.state.deadline(&self.setup.limits)
    }

    /// Whether money depends on this machine, so that it must be stored before it acts.
    ///
    /// It holds from the moment that the channel is to be opened until the end.
    pub fn must_persist(&self) -> bool {
        match self.state {
            State::New | State::Meeting { .. } | State::Ended { .. } => false,
            State::Opening { .. }
            | State::Preparing { .. }
            | State::Active { .. }
            | State::Closing { .. }
            | State::Settling { .. }
            | State::Abandoned { .. }
            | State::Reclaiming { .. } => true,
        }
    }

    /// Whether a machine that can be used, or is about to be, waits for its provider to dial again.
    pub fn is_lost(&self) -> bool {
        match &self.state {
            State::Preparing { link, .. } => *link == Link::Down,
            State::Active { watch, .. } => watch.lost.is_some(),
            State::New
            | State::Meeting { .. }
            | State::Opening { .. }
            | State::Closing { .. }
            | State::Settling { .. }
            | State::Abandoned { .. }
            | State::Reclaiming { .. }
            | State::Ended { .. } => false,
        }
    }

    /// Why the lease ends or ended.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state.reason()
    }

    /// How far the lease has come.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The provider, from its proof of who it is to the end of the meeting, and of a contract.
    pub fn provider(&self) -> Option<&AccountId> {
        self.state.provider()
    }

    /// The terms that both have signed.
    pub fn terms(&self) -> Option<&Terms> {
        self.state.ledger().map(|ledger| &ledger.terms)
    }

    /// The deposit and the lease time that hold at present.
    pub fn scope(&self) -> Option<Scope> {
        self.state.ledger().map(|ledger| ledger.amending.scope)
    }

    /// When the lease time ends, once the machine is ready.
    pub fn ends_at(&self) -> Option<Millis> {
        let (started, scope) = self.started().zip(self.scope())?;
        Some(started.saturating_add(u64::from(scope.lease_secs) * 1000))
    }

    /// The channel that pays, once it is in a block.
    pub fn channel(&self) -> Option<ChannelContext> {
        self.state.ledger()?.channel
    }

    /// Amount of the highest voucher that was signed, in the smallest coin unit.
    pub fn paid(&self) -> Balance {
        self.state.ledger().map_or(0, |ledger| ledger.signed)
    }

    /// How many vouchers were signed.
    pub fn vouchers(&self) -> u32 {
        self.state.ledger().map_or(0, |ledger| ledger.vouchers)
    }

    /// Usage since the machine was ready, as the provider reads it.
    pub fn usage(&self) -> Option<Usage> {
        self.state.ledger()?.usage()
    }

    /// Usage since the first own reading, as read inside the machine; what a volume counts is not read
    /// but computed.
    pub fn own_usage(&self) -> Option<Usage> {
        self.state.ledger()?.own_usage()
    }

    /// Whether the two readings were compared and the latest comparison was within the tolerance.
    pub fn agreed(&self) -> bool {
        self.meter().is_some_and(|meter| meter.agreement.agreed())
    }

    /// Ticks in a row at which the readings were out of the tolerance.
    pub fn disagreements(&self) -> u8 {
        self.meter().map_or(0, |meter| meter.agreement.disagreements())
    }

    /// Where the two readings were furthest off when they last did not agree.
    pub fn deviation(&self) -> Option<Deviation> {
        self.meter()?.agreement.deviation()
    }

    /// When the machine became ready.
    pub fn started(&self) -> Option<Millis> {
        self.meter().map(|meter| meter.started)
    }

    /// How long the provider keeps the volume beyond the lease, seconds: as paid for, once the last
    /// voucher is signed, and else as it promised in any case.
    pub fn kept_secs(&self) -> u32 {
        self.state.ledger().map_or(0, Ledger::kept_secs)
    }

    /// What the channel paid on chain, in the smallest coin unit, once it is settled.
    pub fn settled(&self) -> Option<Balance> {
        self.state.ledger()?.settled
    }

    fn meter(&self) -> Option<&Meter> {
        self.state.ledger()?.meter.as_ref()
    }
}

fn begin(setup: &PublisherSetup, event: PublisherEvent, now: Millis) -> Outcome {
    match event {
        PublisherEvent::Connected { own_peer, other_peer, challenge } => {
            let meeting = Meeting { own_peer, other_peer, own_challenge: challenge };
            meeting::connect(setup, meeting, now)
        }
        PublisherEvent::Stop(reason) => finished(reason),
        PublisherEvent::Disconnected | PublisherEvent::Restarted => {
            finished(CloseReason::ConnectionLost)
        }
        PublisherEvent::Reconnected
        | PublisherEvent::GiveUp
        | PublisherEvent::Received(_)
        | PublisherEvent::Malformed
        | PublisherEvent::Timer
        | PublisherEvent::IdentityChecked { .. }
        | PublisherEvent::ChannelOpened { .. }
        | PublisherEvent::OpenFailed
        | PublisherEvent::OwnUsage { .. }
        | PublisherEvent::Extend { .. }
        | PublisherEvent::DropVolume
        | PublisherEvent::Funded
        | PublisherEvent::FundFailed
        | PublisherEvent::Settled { .. }
        | PublisherEvent::ChannelClosing => Outcome::Denied,
    }
}

fn finished(reason: CloseReason) -> Outcome {
    Outcome::Next(State::Ended { ledger: None, reason }, vec![PublisherAction::Finished(reason)])
}
