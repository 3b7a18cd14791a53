//! From the first message to the countersigned contract.

use zennet_primitives::{
    auth::AuthClaim,
    close::CloseReason,
    contract::Terms,
    frame::{Frame, Hello, PROTOCOL_VERSION},
    pow::Role,
    signed::{account_key, Unverified},
};

use super::{
    ledger::Ledger,
    state::{Link, Stage, State},
    Outcome, ProviderAction as Action, ProviderEvent as Event, ProviderSetup,
};
use crate::{
    meeting::{check_hello, is_proven, Meeting},
    terms::{deposit_is_plausible, requote},
    Millis,
};

/// The connection stands: the provider speaks first.
pub(super) fn connect(setup: &ProviderSetup, meeting: Meeting, now: Millis) -> Outcome {
    let hello = Frame::Hello(Hello {
        version: PROTOCOL_VERSION,
        genesis: setup.genesis,
        announcement: setup.announcement,
        account: setup.account.clone(),
        challenge: meeting.own_challenge,
        lease: None,
    });
    let until = now.saturating_add(setup.limits.hello_ms.into());
    let next = State::Meeting { stage: Stage::Greeting { meeting }, until };
    Outcome::Next(next, vec![Action::Send(hello)])
}

/// An event before the contract is signed: nothing is at stake, so every end is immediate.
pub(super) fn meet(
    setup: &ProviderSetup,
    stage: &Stage,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::Received(Frame::Close(reason)) => end(reason, &[Action::Disconnect]),
        Event::Received(frame) => match receive(setup, stage, frame, now) {
            Ok(outcome) => outcome,
            Err(reason) => refuse(reason),
        },
        Event::Malformed => refuse(CloseReason::ProtocolViolation),
        Event::Disconnected | Event::Restarted => end(CloseReason::ConnectionLost, &[]),
        Event::Timer if now >= until => refuse(CloseReason::TimedOut),
        Event::Timer => Outcome::Same,
        Event::Stop(reason) => refuse(reason),
        Event::Leave => refuse(CloseReason::ProviderLeaves),
        Event::VolumeReserved => match stage {
            Stage::Reserving { terms } => sign(setup, terms, now),
            Stage::Greeting { .. } | Stage::Proving { .. } | Stage::Quoting { .. } => {
                Outcome::Denied
            }
        },
        Event::VolumeRefused => refuse(CloseReason::VolumeUnavailable),
        Event::Connected { .. }
        | Event::Reconnected
        | Event::ChannelFinal(_)
        | Event::ChannelChanged { .. }
        | Event::ChannelMissing
        | Event::ChannelClosing
        | Event::MachineReady { .. }
        | Event::MachineResumed
        | Event::MachineFailed
        | Event::Metered { .. }
        | Event::MachineStopped { .. }
        | Event::Claimed { .. }
        | Event::ClaimFailed
        | Event::Settled { .. }
        | Event::SettleFailed => Outcome::Denied,
    }
}

/// Ends a meeting with a word to the publisher.
fn refuse(reason: CloseReason) -> Outcome {
    end(reason, &[Action::Send(Frame::Close(reason)), Action::Disconnect])
}

fn end(reason: CloseReason, actions: &[Action]) -> Outcome {
    let actions = [actions, &[Action::Finished(reason)]].concat();
    Outcome::Next(State::Ended { ledger: None, reason }, actions)
}

fn receive(
    setup: &ProviderSetup,
    stage: &Stage,
    frame: Frame,
    now: Millis,
) -> Result<Outcome, CloseReason> {
    match (stage, frame) {
        (Stage::Greeting { meeting }, Frame::Hello(hello)) => greet(setup, meeting, hello, now),
        (Stage::Proving { meeting, theirs }, Frame::Auth(signature)) => {
            let publisher = setup.publisher.clone();
            let context = meeting.context(setup.genesis, setup.announcement, *theirs, publisher);
            if !is_proven(&context, &setup.account, Role::Publisher, signature) {
                return Err(CloseReason::NotAuthentic);
            }
            let quote = setup.quote.clone();
            let offer = Action::Send(Frame::Offer(setup.offer.clone()));
            let priced = Action::Send(Frame::Quote(quote.clone()));
            let next = quoting(setup, Stage::Quoting { quote, rounds: 1 }, now);
            Ok(Outcome::Next(next, vec![offer, priced]))
        }
        (Stage::Quoting { quote, rounds }, Frame::Counter(asked)) => {
            if *rounds >= setup.limits.max_rounds {
                return Err(CloseReason::NoAgreement);
            }
            let quote = requote(quote, &asked, &setup.floor).ok_or(CloseReason::NoAgreement)?;
            let answer = Action::Send(Frame::Quote(quote.clone()));
            let next = quoting(setup, Stage::Quoting { quote, rounds: rounds + 1 }, now);
            Ok(Outcome::Next(next, vec![answer]))
        }
        (Stage::Quoting { quote, .. }, Frame::Contract(contract)) => {
            let publisher = account_key(&setup.publisher);
            let Unverified { payload: terms, .. } = contract
                .verify(&(), &publisher)
                .map_err(|_| CloseReason::NotAuthentic)?
                .into_unverified();
            if !is_own(setup, &terms) || terms.quote != *quote {
                return Err(CloseReason::ProtocolViolation);
            }
            let is_acceptable =
                terms.check().is_ok() && deposit_is_plausible(&terms) && terms.app.is_none();
            if !is_acceptable {
                return Err(CloseReason::NoAgreement);
            }
            if terms.challenge_blocks < setup.limits.min_challenge_blocks {
                return Err(CloseReason::ChallengeTooShort);
            }
            if terms.volume.is_none() {
                return Ok(sign(setup, &terms, now));
            }
            let next = quoting(setup, Stage::Reserving { terms: terms.clone() }, now);
            Ok(Outcome::Next(next, vec![Action::ReserveVolume(terms)]))
        }
        (
            Stage::Greeting { .. }
            | Stage::Proving { .. }
            | Stage::Quoting { .. }
            | Stage::Reserving { .. },
            Frame::Hello(_)
            | Frame::Auth(_)
            | Frame::Offer(_)
            | Frame::Quote(_)
            | Frame::Counter(_)
            | Frame::Contract(_)
            | Frame::Countersign(_)
            | Frame::Opened { .. }
            | Frame::Ready { .. }
            | Frame::Usage { .. }
            | Frame::Voucher { .. }
            | Frame::Notice(_)
            | Frame::Close(_)
            | Frame::Settled { .. }
            | Frame::Amend(_)
            | Frame::Granted { .. }
            | Frame::NotAmended { .. }
            | Frame::Amended { .. },
        ) => Err(CloseReason::ProtocolViolation),
    }
}

fn greet(
    setup: &ProviderSetup,
    meeting: &Meeting,
    hello: Hello,
    now: Millis,
) -> Result<Outcome, CloseReason> {
    check_hello(&hello, setup.genesis, setup.announcement, None)?;
    if hello.account != setup.publisher || hello.account == setup.account {
        return Err(CloseReason::NotAuthentic);
    }
    let claim = AuthClaim { role: Role::Provider, account: setup.account.clone() };
    let theirs = hello.challenge;
    let context = meeting.context(setup.genesis, setup.announcement, theirs, hello.account);
    let until = now.saturating_add(setup.limits.hello_ms.into());
    let stage = Stage::Proving { meeting: meeting.clone(), theirs };
    Ok(Outcome::Next(State::Meeting { stage, until }, vec![Action::SendAuth { claim, context }]))
}

/// Signs as well. From here on money depends on what follows.
fn sign(setup: &ProviderSetup, terms: &Terms, now: Millis) -> Outcome {
    let until = now.saturating_add(setup.limits.open_ms.into());
    let next = State::Opening { ledger: Ledger::new(terms.clone()), link: Link::Up, until };
    let (sign, prepare) =
        (Action::Countersign(terms.clone()), Action::PrepareMachine(terms.clone()));
    Outcome::Next(next, vec![sign, prepare])
}

fn quoting(setup: &ProviderSetup, stage: Stage, now: Millis) -> State {
    State::Meeting { stage, until: now.saturating_add(setup.limits.negotiate_ms.into()) }
}

/// Whether the terms are for this meeting and between these two.
fn is_own(setup: &ProviderSetup, terms: &Terms) -> bool {
    terms.genesis == setup.genesis
        && terms.announcement == setup.announcement
        && terms.publisher == setup.publisher
        && terms.provider == setup.account
}
