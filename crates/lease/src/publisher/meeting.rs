//! From the provider's first message to its countersignature.

use zennet_pricing::verify_basis;
use zennet_primitives::{
    amount::Rates,
    announcement::acceptance_message,
    auth::AuthClaim,
    close::CloseReason,
    contract::{Offer, Quote, Terms},
    frame::{Frame, Hello, PROTOCOL_VERSION},
    pow::{meets, stamp_work, Role},
    report::Report,
    signed::{account_key, Unverified},
    AccountId,
};

use super::{
    ledger::Ledger,
    state::{Link, Stage, State},
    Outcome, PublisherAction as Action, PublisherEvent as Event, PublisherSetup,
};
use crate::{
    meeting::{check_hello, is_proven, Meeting},
    terms::{judge, Verdict},
    Millis,
};

/// A provider is there; it speaks first.
pub(super) fn connect(setup: &PublisherSetup, meeting: Meeting, now: Millis) -> Outcome {
    let until = now.saturating_add(setup.limits.hello_ms.into());
    Outcome::Next(State::Meeting { stage: Stage::Greeting { meeting }, until }, Vec::new())
}

/// An event before the countersignature: nothing is at stake, so every end is immediate.
pub(super) fn meet(
    setup: &PublisherSetup,
    stage: &Stage,
    until: Millis,
    event: Event,
    now: Millis,
) -> Outcome {
    match event {
        Event::Received(Frame::Close(reason)) => end(reason, &[Action::Disconnect]),
        Event::Received(frame) => or_refuse(receive(setup, stage, until, frame, now)),
        Event::IdentityChecked { mined } => match stage {
            Stage::Checking { provider, offer, quote } => {
                or_refuse(checked(setup, provider, offer, quote, mined, now))
            }
            Stage::Greeting { .. }
            | Stage::Proving { .. }
            | Stage::Quoting { .. }
            | Stage::Contracted { .. } => Outcome::Denied,
        },
        Event::Malformed => refuse(CloseReason::ProtocolViolation),
        Event::Disconnected | Event::Restarted => end(CloseReason::ConnectionLost, &[]),
        Event::Timer if now >= until => refuse(CloseReason::TimedOut),
        Event::Timer => Outcome::Same,
        Event::Stop(reason) => refuse(reason),
        Event::Connected { .. }
        | Event::Reconnected
        | Event::GiveUp
        | Event::ChannelOpened { .. }
        | Event::OpenFailed
        | Event::OwnUsage { .. }
        | Event::Extend { .. }
        | Event::DropVolume
        | Event::Funded
        | Event::FundFailed
        | Event::Settled { .. }
        | Event::ChannelClosing => Outcome::Denied,
    }
}

/// Ends a meeting with a word to the provider.
fn refuse(reason: CloseReason) -> Outcome {
    end(reason, &[Action::Send(Frame::Close(reason)), Action::Disconnect])
}

fn or_refuse(outcome: Result<Outcome, CloseReason>) -> Outcome {
    outcome.unwrap_or_else(refuse)
}

fn end(reason: CloseReason, actions: &[Action]) -> Outcome {
    let actions = [actions, &[Action::Finished(reason)]].concat();
    Outcome::Next(State::Ended { ledger: None, reason }, actions)
}

fn receive(
    setup: &PublisherSetup,
    stage: &Stage,
    until: Millis,
    frame: Frame,
    now: Millis,
) -> Result<Outcome, CloseReason> {
    match (stage, frame) {
        (Stage::Greeting { meeting }, Frame::Hello(hello)) => greet(setup, meeting, hello, now),
        (Stage::Proving { meeting, theirs, provider }, Frame::Auth(signature)) => {
            let context =
                meeting.context(setup.genesis, setup.announcement, *theirs, provider.clone());
            if !is_proven(&context, &setup.account, Role::Provider, signature) {
                return Err(CloseReason::NotAuthentic);
            }
            let provider = provider.clone();
            let ask = Action::CheckIdentity(provider.clone());
            let stage = Stage::Checking { provider, offer: None, quote: None };
            Ok(Outcome::Next(negotiating(setup, stage, now), vec![ask]))
        }
        (Stage::Checking { provider, offer: None, quote: None }, Frame::Offer(offer)) => {
            let offer = Some(check_stamp(setup, provider, offer)?);
            let stage = Stage::Checking { provider: provider.clone(), offer, quote: None };
            Ok(Outcome::Next(State::Meeting { stage, until }, Vec::new()))
        }
        (Stage::Checking { provider, offer: Some(offer), quote: None }, Frame::Quote(quote)) => {
            let (provider, offer, quote) = (provider.clone(), Some(offer.clone()), Some(quote));
            let stage = Stage::Checking { provider, offer, quote };
            Ok(Outcome::Next(State::Meeting { stage, until }, Vec::new()))
        }
        (Stage::Quoting { provider, offer: None, rounds, last }, Frame::Offer(offer)) => {
            let offer = Some(check_stamp(setup, provider, offer)?);
            let (provider, rounds, last) = (provider.clone(), *rounds, *last);
            let stage = Stage::Quoting { provider, offer, rounds, last };
            Ok(Outcome::Next(State::Meeting { stage, until }, Vec::new()))
        }
        (Stage::Quoting { provider, offer: Some(offer), rounds, last }, Frame::Quote(quote)) => {
            answer(setup, provider, offer, quote, (*rounds, *last), now)
        }
        (Stage::Contracted { terms }, Frame::Countersign(signature)) => {
            let provider = account_key(&terms.provider);
            let contract = Unverified { payload: terms.clone(), signature };
            if contract.verify(&(), &provider).is_err() {
                return Err(CloseReason::NotAuthentic);
            }
            let until = now.saturating_add(setup.limits.open_ms.into());
            let next = State::Opening { ledger: Ledger::new(terms.clone()), link: Link::Up, until };
            Ok(Outcome::Next(next, vec![Action::OpenChannel(terms.clone())]))
        }
        (
            Stage::Greeting { .. }
            | Stage::Proving { .. }
            | Stage::Checking { .. }
            | Stage::Quoting { .. }
            | Stage::Contracted { .. },
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
    setup: &PublisherSetup,
    meeting: &Meeting,
    hello: Hello,
    now: Millis,
) -> Result<Outcome, CloseReason> {
    check_hello(&hello, setup.genesis, setup.announcement, None)?;
    if hello.account == setup.account {
        return Err(CloseReason::NotAuthentic);
    }
    let own = Frame::Hello(Hello {
        version: PROTOCOL_VERSION,
        genesis: setup.genesis,
        announcement: setup.announcement,
        account: setup.account.clone(),
        challenge: meeting.own_challenge,
        lease: None,
    });
    let (theirs, provider) = (hello.challenge, hello.account);
    let claim = AuthClaim { role: Role::Publisher, account: setup.account.clone() };
    let context = meeting.context(setup.genesis, setup.announcement, theirs, provider.clone());
    let until = now.saturating_add(setup.limits.hello_ms.into());
    let stage = Stage::Proving { meeting: meeting.clone(), theirs, provider };
    let actions = vec![Action::Send(own), Action::SendAuth { claim, context }];
    Ok(Outcome::Next(State::Meeting { stage, until }, actions))
}

fn check_stamp(
    setup: &PublisherSetup,
    provider: &AccountId,
    offer: Offer,
) -> Result<Offer, CloseReason> {
    let message = acceptance_message(setup.genesis, setup.announcement, provider);
    if meets(stamp_work(message, offer.stamp), setup.body.asks) {
        Ok(offer)
    } else {
        Err(CloseReason::NotAuthentic)
    }
}

/// The chain has answered; what the provider has sent meanwhile is looked at now.
fn checked(
    setup: &PublisherSetup,
    provider: &AccountId,
    offer: &Option<Offer>,
    quote: &Option<Quote>,
    mined: bool,
    now: Millis,
) -> Result<Outcome, CloseReason> {
    if !mined {
        return Err(CloseReason::NotAuthentic);
    }
    match (offer, quote) {
        (Some(offer), Some(quote)) => answer(setup, provider, offer, quote.clone(), (0, None), now),
        (offer, _) => {
            let (provider, offer) = (provider.clone(), offer.clone());
            let stage = Stage::Quoting { provider, offer, rounds: 0, last: None };
            Ok(Outcome::Next(negotiating(setup, stage, now), Vec::new()))
        }
    }
}

fn answer(
    setup: &PublisherSetup,
    provider: &AccountId,
    offer: &Offer,
    quote: Quote,
    (rounds, last): (u8, Option<Rates>),
    now: Millis,
) -> Result<Outcome, CloseReason> {
    // A later one is bounded in each rate by the one before, so by those of the report, too.
    if last.is_some_and(|last| !quote.rates.within(&last)) {
        return Err(CloseReason::RequirementsNotMet);
    }
    let is_required = setup.policy.report_required && last.is_none();
    check_basis(&quote, offer.report.as_ref(), is_required)?;
    let rounds = rounds.saturating_add(1);
    match judge(&quote, &offer.capabilities, &setup.body, &setup.policy) {
        Verdict::Accept { deposit } => {
            let terms = terms(setup, provider, quote, deposit);
            terms.check().map_err(|_| CloseReason::RequirementsNotMet)?;
            let stage = Stage::Contracted { terms: terms.clone() };
            Ok(Outcome::Next(negotiating(setup, stage, now), vec![Action::SendContract(terms)]))
        }
        Verdict::Counter(asked) if rounds < setup.limits.max_rounds => {
            let (provider, offer) = (provider.clone(), Some(offer.clone()));
            let stage = Stage::Quoting { provider, offer, rounds, last: Some(quote.rates) };
            let counter = Action::Send(Frame::Counter(asked));
            Ok(Outcome::Next(negotiating(setup, stage, now), vec![counter]))
        }
        Verdict::Counter(_) | Verdict::Unaffordable => Err(CloseReason::NoAgreement),
        Verdict::Unfit => Err(CloseReason::RequirementsNotMet),
    }
}

/// Whether the rates are those of the report that they are said to come from.
fn check_basis(
    quote: &Quote,
    report: Option<&Report>,
    is_required: bool,
) -> Result<(), CloseReason> {
    match (&quote.basis, report) {
        (Some(basis), Some(report)) => {
            verify_basis(basis, &quote.rates, report).map_err(|_| CloseReason::ReportFalse)
        }
        (Some(_), None) => Err(CloseReason::ReportFalse),
        (None, _) if is_required => Err(CloseReason::RequirementsNotMet),
        (None, _) => Ok(()),
    }
}

fn terms(setup: &PublisherSetup, provider: &AccountId, quote: Quote, deposit: u128) -> Terms {
    Terms {
        genesis: setup.genesis,
        announcement: setup.announcement,
        publisher: setup.account.clone(),
        provider: provider.clone(),
        session_key: setup.session_key,
        client_key: setup.client_key,
        quote,
        deposit,
        challenge_blocks: setup.policy.challenge_blocks,
        app: None,
        volume: setup.policy.volume.clone(),
        read_only: setup.policy.read_only,
    }
}

fn negotiating(setup: &PublisherSetup, stage: Stage, now: Millis) -> State {
    State::Meeting { stage, until: now.saturating_add(setup.limits.negotiate_ms.into()) }
}
