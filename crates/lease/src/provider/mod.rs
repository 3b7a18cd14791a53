//! The provider's side of one lease.
//!
//! ```text
//!  New ─Connected─► Meeting: Greeting ─Hello─► Proving ─Auth─► Quoting ◄─┐ Counter, at most
//!                      │                                        │  └─────┘ `max_rounds` quotes
//!                      │ refusal, silence,                      │ Contract, its volume
//!                      ▼ no volume                              ▼ reserved
//!                    Ended                                   Opening   image and machine prepared
//!                                                               │ ChannelFinal
//!                                                               ▼
//!                                                            Starting
//!                                                               │ MachineReady
//!                                                               ▼
//!                     a tick: ReadUsage, Metered, Usage, ┌─► Serving   frozen when a tick is not
//!                     Voucher                            └──────┤      covered within the grace
//!                                                               │ Close, Stop, time, money, silence
//!                                                               ▼
//!  Ended ◄──Settled── Settling ◄──voucher, time── Collecting ◄─ Stopping
//! ```
//!
//! A broken protocol and a channel that closes on chain lead from anywhere straight to Settling;
//! a machine that never served skips Collecting.
//!
//! A connection that breaks from Opening to Serving is built again and changes no state: the
//! machine is frozen meanwhile. One that breaks in Stopping or Collecting is built again once, and
//! the last voucher is waited for no longer than it is anyway. A value that is loaded from the store
//! while it served passes through Resuming, where its machine is found again.
//!
//! While the machine serves, the publisher may propose more deposit or more time. This side signs
//! what its limits allow, and counts it when the channel is seen to have it for good.

mod amending;
mod closing;
mod ledger;
mod meeting;
mod opening;
mod resuming;
mod serving;
mod setup;
mod state;

pub use setup::*;

use codec::{Decode, Encode};
use zennet_primitives::{
    amendment::Scope, amount::Balance, channel::ChannelContext, close::CloseReason,
    contract::Terms, usage::Usage,
};

use self::{
    ledger::Ledger,
    state::{Farewell, Link, State},
};
use crate::{meeting::Meeting, stored::ProviderForm, Denied, Millis, Phase, Step};

/// The provider's side of one meeting and lease.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Provider {
    form: ProviderForm,
    setup: ProviderSetup,
    state: State,
}

/// What a state makes of an event.
#[allow(clippy::large_enum_variant, reason = "it lives for one step")]
enum Outcome {
    Next(State, Vec<ProviderAction>),
    Same,
    Denied,
}

impl Outcome {
    /// The same outcome with other actions before its own.
    fn after(self, mut first: Vec<ProviderAction>) -> Self {
        match self {
            Outcome::Next(state, actions) => {
                first.extend(actions);
                Outcome::Next(state, first)
            }
            Outcome::Same | Outcome::Denied => self,
        }
    }
}

impl Provider {
    /// A machine that has not met anybody yet.
    pub fn new(setup: ProviderSetup) -> Self {
        Self { form: ProviderForm::ONLY, setup, state: State::New }
    }

    /// What follows from an event.
    pub fn step(
        &self,
        event: ProviderEvent,
        now: Millis,
    ) -> Result<Step<Self, ProviderAction>, Denied> {
        let denied = Denied { event: event.name(), phase: self.phase() };
        match self.outcome(event, now) {
            Outcome::Next(state, actions) => Ok(Step {
                next: Self { form: ProviderForm::ONLY, setup: self.setup.clone(), state },
                actions,
            }),
            Outcome::Same => Ok(Step { next: self.clone(), actions: Vec::new() }),
            Outcome::Denied => Err(denied),
        }
    }

    fn outcome(&self, event: ProviderEvent, now: Millis) -> Outcome {
        let setup = &self.setup;
        match &self.state {
            State::New => begin(setup, event, now),
            State::Meeting { stage, until } => meeting::meet(setup, stage, *until, event, now),
            State::Opening { ledger, link, until } => {
                opening::open(setup, ledger.clone(), *link, *until, event, now)
            }
            State::Starting { ledger, link, until } => {
                opening::start(ledger.clone(), *link, *until, event, now)
            }
            State::Resuming { ledger, serving, until } => {
                resuming::resume(setup, ledger.clone(), serving.clone(), *until, event, now)
            }
            State::Serving { ledger, serving } => {
                serving::serve(setup, ledger.clone(), serving.clone(), event, now)
            }
            State::Stopping { ledger, farewell, reason, link, until } => closing::stopping(
                setup,
                ledger.clone(),
                *farewell,
                *reason,
                *link,
                *until,
                event,
                now,
            ),
            State::Collecting { ledger, rejoined, reason, link, until } => {
                closing::collecting(ledger.clone(), *rejoined, *reason, *link, *until, event, now)
            }
            State::Settling { ledger, reason, link, fate, stop_until } => {
                closing::settling(ledger.clone(), *reason, *link, *fate, *stop_until, event, now)
            }
            State::Ended { .. } => Outcome::Denied,
        }
    }

    /// When to send [`ProviderEvent::Timer`].
    pub fn deadline(&self) -> Option<Millis> {
        self.state.deadline(&self.setup.limits)
    }

    /// Whether money depends on this machine, so that it must be stored before it acts.
    ///
    /// It holds from the countersigned contract until the end.
    pub fn must_persist(&self) -> bool {
        match self.state {
            State::New | State::Meeting { .. } | State::Ended { .. } => false,
            State::Opening { .. }
            | State::Starting { .. }
            | State::Resuming { .. }
            | State::Serving { .. }
            | State::Stopping { .. }
            | State::Collecting { .. }
            | State::Settling { .. } => true,
        }
    }

    /// Whether the publisher is to be dialled again, until [`ProviderEvent::Reconnected`].
    pub fn wants_connection(&self) -> bool {
        match &self.state {
            State::Opening { link, .. }
            | State::Starting { link, .. }
            | State::Stopping { link, farewell: Farewell::Wanted, .. }
            | State::Collecting { link, rejoined: false, .. } => *link == Link::Down,
            State::Serving { serving, .. } => serving.lost.is_some(),
            State::New
            | State::Meeting { .. }
            | State::Resuming { .. }
            | State::Stopping { farewell: Farewell::None | Farewell::Rejoined, .. }
            | State::Collecting { rejoined: true, .. }
            | State::Settling { .. }
            | State::Ended { .. } => false,
        }
    }

    /// Whether a machine may be left running when this value is loaded from the store.
    pub fn leaves_machine(&self) -> bool {
        matches!(self.state, State::Resuming { .. } | State::Serving { .. })
    }

    /// Why the lease ends or ended.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state.reason()
    }

    /// How far the lease has come.
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The terms that both have signed.
    pub fn terms(&self) -> Option<&Terms> {
        self.state.ledger().map(|ledger| &ledger.terms)
    }

    /// The deposit and the lease time that hold at present.
    pub fn scope(&self) -> Option<Scope> {
        self.state.ledger().map(|ledger| ledger.scope)
    }

    /// When the lease time ends, once the machine runs.
    pub fn ends_at(&self) -> Option<Millis> {
        self.state.ends_at()
    }

    /// The channel that pays, once the publisher has named it.
    pub fn channel(&self) -> Option<ChannelContext> {
        self.state.ledger()?.channel
    }

    /// Amount of the highest voucher, in the smallest coin unit.
    pub fn paid(&self) -> Balance {
        self.state.ledger().map_or(0, |ledger| ledger.paid)
    }

    /// What should have been paid by now, in the smallest coin unit: the price of all usage, and
    /// the prepayment while the machine runs.
    pub fn due(&self) -> Balance {
        let running = self.leaves_machine();
        self.state.ledger().map_or(0, |ledger| ledger.due(running))
    }

    /// How many vouchers were accepted.
    pub fn vouchers(&self) -> u32 {
        self.state.ledger().map_or(0, |ledger| ledger.vouchers)
    }

    /// Usage since the machine was ready.
    pub fn usage(&self) -> Option<Usage> {
        self.state.ledger()?.usage()
    }

    /// How long the volume is kept beyond the lease, seconds: as paid for, once the last voucher is
    /// there, and else as promised in any case.
    pub fn kept_secs(&self) -> u32 {
        self.state.ledger().map_or(0, Ledger::kept_secs)
    }

    /// When the lease ends by the notice that was given.
    pub fn leaves_at(&self) -> Option<Millis> {
        self.state.leaves_at()
    }

    /// What the channel paid on chain, in the smallest coin unit, once it is settled.
    pub fn settled(&self) -> Option<Balance> {
        self.state.ledger()?.settled
    }
}

fn begin(setup: &ProviderSetup, event: ProviderEvent, now: Millis) -> Outcome {
    match event {
        ProviderEvent::Connected { own_peer, other_peer, challenge } => {
            let meeting = Meeting { own_peer, other_peer, own_challenge: challenge };
            meeting::connect(setup, meeting, now)
        }
        ProviderEvent::Stop(reason) => finished(reason),
        ProviderEvent::Leave => finished(CloseReason::ProviderLeaves),
        ProviderEvent::Disconnected | ProviderEvent::Restarted => {
            finished(CloseReason::ConnectionLost)
        }
        ProviderEvent::Reconnected
        | ProviderEvent::Received(_)
        | ProviderEvent::Malformed
        | ProviderEvent::Timer
        | ProviderEvent::ChannelFinal(_)
        | ProviderEvent::ChannelChanged { .. }
        | ProviderEvent::ChannelMissing
        | ProviderEvent::ChannelClosing
        | ProviderEvent::MachineReady { .. }
        | ProviderEvent::MachineResumed
        | ProviderEvent::MachineFailed
        | ProviderEvent::Metered { .. }
        | ProviderEvent::MachineStopped { .. }
        | ProviderEvent::VolumeReserved
        | ProviderEvent::VolumeRefused
        | ProviderEvent::Claimed { .. }
        | ProviderEvent::ClaimFailed
        | ProviderEvent::Settled { .. }
        | ProviderEvent::SettleFailed => Outcome::Denied,
    }
}

fn finished(reason: CloseReason) -> Outcome {
    Outcome::Next(State::Ended { ledger: None, reason }, vec![ProviderAction::Finished(reason)])
}
