//! A lease that is given more deposit or more time while it runs.

use zennet_primitives::{
    amendment::{Amendment, Objection},
    amount::Balance,
    close::CloseReason,
    frame::Frame,
    signed::Unverified,
};

use super::{pair::*, setups::*};
use crate::*;

/// A publisher that locks the price of `deposit_secs` of full use at a time.
fn setups(deposit_secs: u32, extend_to_secs: u32) -> (ProviderSetup, PublisherSetup) {
    let mut own = publisher_setup(false);
    own.policy.deposit_secs = Some(deposit_secs);
    own.policy.extend_to_secs = extend_to_secs;
    (provider_setup(false), own)
}

fn busy() -> Faults {
    Faults { load_percent: 100, ..Faults::default() }
}

fn run(faults: Faults, (theirs, own): (ProviderSetup, PublisherSetup)) -> Pair {
    let mut pair = Pair::with(faults, theirs, own);
    assert!(pair.run(), "publisher {}, provider {}", pair.publisher.phase(), pair.provider.phase());
    pair
}

fn agreed(pair: &Pair) -> Balance {
    pair.publisher.terms().unwrap().deposit
}

fn amended(pair: &Pair) -> Vec<(Millis, Balance, u32)> {
    let scope = |(at, action): &(Millis, PublisherAction)| match action {
        PublisherAction::LeaseAmended(scope) => Some((*at, scope.deposit, scope.lease_secs)),
        _ => None,
    };
    pair.publisher_did.iter().filter_map(scope).collect()
}

fn asked_chain(pair: &Pair) -> usize {
    let funds = |action: &PublisherAction| matches!(action, PublisherAction::FundChannel { .. });
    pair.publisher_did.iter().filter(|(_, action)| funds(action)).count()
}

/// It lasted its time, and the chain paid all that was signed, which is more than was locked first.
fn outlived_its_deposit(pair: &Pair) {
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::LeaseTimeOver));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::LeaseTimeOver));
    assert!(pair.publisher.paid() > agreed(pair));
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
    assert_eq!(pair.provider.scope(), pair.publisher.scope());
    assert_eq!(pair.when_provider(&ProviderAction::Freeze), None);
}

#[test]
fn a_deposit_that_runs_low_is_topped_up_and_the_lease_lasts_its_time() {
    let pair = run(busy(), setups(40, 0));
    outlived_its_deposit(&pair);
    assert_eq!(asked_chain(&pair), 1);
    let scope = pair.provider.scope().unwrap();
    assert_eq!((scope.number, scope.lease_secs), (1, 60));
}

#[test]
fn a_lease_that_is_used_as_deposited_is_left_alone() {
    let pair = run(busy(), (provider_setup(false), publisher_setup(false)));
    assert_eq!(asked_chain(&pair), 0);
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::LeaseTimeOver));
}

#[test]
fn a_lease_is_extended_up_to_the_time_asked_for_and_topped_up_on_the_way() {
    let pair = run(busy(), setups(40, 100));
    outlived_its_deposit(&pair);
    assert_eq!(pair.provider.scope().unwrap().lease_secs, 100);
    let ready = pair.publisher.started().unwrap();
    let ended = |action: &ProviderAction| matches!(action, ProviderAction::StopMachine);
    let end = pair.provider_did.iter().find(|(_, action)| ended(action)).unwrap().0;
    assert!((99_000..101_000).contains(&(end - ready)), "{}", end - ready);
}

#[test]
fn a_user_extends_a_lease_by_hand() {
    let faults = Faults { extend_at: Some(21_000), ..Faults::default() };
    let pair = run(faults, (provider_setup(false), publisher_setup(false)));
    let times = amended(&pair);
    assert_eq!(times[0].2, 90);
    assert!((21_000..35_000).contains(&times[0].0), "{times:?}");
    assert_eq!(pair.provider.scope().unwrap().lease_secs, 90);
    assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
}

/// When it runs low this late, the deposit is spent before the new one counts.
#[test]
fn nothing_above_the_old_deposit_is_signed_before_the_provider_counts_the_new_one() {
    let faults = Faults { finality_ms: 600_000, ..busy() };
    let pair = run(faults, setups(40, 0));
    assert!(amended(&pair).is_empty());
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::DepositSpent));
    assert_eq!(pair.publisher.close_reason(), Some(CloseReason::DepositSpent));
    assert_eq!(pair.publisher.paid(), agreed(&pair));
    assert_eq!(pair.provider.settled(), Some(agreed(&pair)));
}

#[test]
fn the_limit_on_the_price_is_one_on_all_deposits_together() {
    let (theirs, mut own) = setups(40, 0);
    let price = |ms| price_of_full_use(&rates(), &theirs.quote.resources, ms).unwrap();
    own.policy.max_price = Some(price(50_000));
    let pair = run(busy(), (theirs.clone(), own.clone()));
    assert_eq!(pair.provider.scope().unwrap().deposit, price(50_000));
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::DepositSpent));
    own.policy.top_up = false;
    let pair = run(busy(), (theirs, own));
    assert_eq!((asked_chain(&pair), pair.provider.settled()), (0, Some(agreed(&pair))));
}

#[test]
fn a_provider_that_does_not_let_leases_be_so_long_says_so_and_the_lease_goes_on() {
    let (mut theirs, own) = (provider_setup(false), publisher_setup(false));
    theirs.limits.max_lease_secs = 80;
    let faults = Faults { extend_at: Some(21_000), ..Faults::default() };
    let pair = run(faults, (theirs, own));
    let refused = PublisherAction::NotAmended(Objection::TooLong);
    let told: Vec<_> = pair.publisher_did.iter().filter(|(_, did)| *did == refused).collect();
    // It is not asked again, unless the user does.
    assert_eq!(told.len(), 1);
    assert_eq!(asked_chain(&pair), 0);
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::LeaseTimeOver));
    assert_eq!(pair.provider.scope().unwrap().lease_secs, 60);
}

#[test]
fn a_lease_that_may_be_no_longer_is_topped_up_all_the_same() {
    let (mut theirs, own) = setups(40, 100);
    theirs.limits.max_lease_secs = 60;
    let pair = run(busy(), (theirs, own));
    outlived_its_deposit(&pair);
    assert_eq!(pair.provider.scope().unwrap().lease_secs, 60);
}

#[test]
fn a_transaction_that_fails_is_sent_again_after_a_pause() {
    let pair = run(Faults { fund_failures: 1, ..busy() }, setups(50, 0));
    assert_eq!(asked_chain(&pair), 1);
    assert_eq!(pair.provider.close_reason(), Some(CloseReason::DepositSpent));
    let faults = Faults { fund_failures: 1, extend_at: Some(8_000), ..Faults::default() };
    let pair = run(faults, (provider_setup(false), publisher_setup(false)));
    let asked: Vec<_> = pair
        .publisher_did
        .iter()
        .filter(|(_, did)| matches!(did, PublisherAction::FundChannel { .. }))
        .map(|(at, _)| *at)
        .collect();
    // A third time for the deposit, which the longer lease needs.
    assert_eq!(asked.len(), 3);
    assert!(asked[1] - asked[0] >= 15_000, "{asked:?}");
    assert_eq!(pair.provider.scope().unwrap().lease_secs, 90);
}

#[test]
fn an_amendment_survives_every_break_and_every_restart() {
    let own = || (provider_setup(false), publisher_setup(false));
    for at in (20_900..26_500).step_by(100) {
        for faults in [
            Faults { cut_at: Some(at), ..Faults::default() },
            Faults { provider_restarts_at: Some(at), ..Faults::default() },
            Faults { publisher_restarts_at: Some(at), ..Faults::default() },
        ] {
            let extend_at = Some(21_000);
            let faults = Faults { mended_after: Some(700), extend_at, ..faults };
            let pair = run(faults.clone(), own());
            // The wish itself may have been lost with the program.
            let heard = faults.publisher_restarts_at.is_none_or(|at| at > 21_000);
            if heard {
                assert_eq!(pair.provider.scope().unwrap().lease_secs, 90, "{faults:?}");
                assert_eq!(pair.publisher.scope(), pair.provider.scope(), "{faults:?}");
            }
            assert_eq!(pair.provider.close_reason(), Some(CloseReason::LeaseTimeOver));
            assert_eq!(pair.provider.settled(), Some(pair.publisher.paid()));
        }
    }
}

fn serving() -> Pair {
    let mut pair = Pair::new(Faults::default());
    pair.run_to(Phase::Serving { frozen: false });
    pair
}

fn amendment(pair: &Pair, number: u16) -> Amendment {
    let terms = pair.provider.terms().unwrap();
    Amendment { contract: terms.hash(), number, deposit: terms.deposit + 1, lease_secs: 90 }
}

fn propose(pair: &Pair, proposal: Unverified<Amendment>) -> Step<Provider, ProviderAction> {
    pair.provider.step(ProviderEvent::Received(Frame::Amend(proposal)), pair.now).unwrap()
}

#[test]
fn an_amendment_counts_only_when_the_channel_has_all_that_it_says() {
    let pair = serving();
    let wanted = amendment(&pair, 1);
    let granted = propose(&pair, sign(PUBLISHER, wanted, &())).next;
    let terms = pair.provider.terms().unwrap();
    let see = |deposit: Balance, lasts_ms: Millis, closing_at| {
        let record =
            zennet_primitives::record::ChannelRecord { deposit, closing_at, ..record(terms) };
        let event = ProviderEvent::ChannelChanged { record, lasts_ms };
        granted.step(event, pair.now).unwrap().next.scope().unwrap().number
    };
    assert_eq!(see(wanted.deposit, 90_000, None), 1);
    assert_eq!(see(terms.deposit, 90_000, None), 0);
    assert_eq!(see(wanted.deposit, 80_000, None), 0);
    assert_eq!(see(wanted.deposit, 90_000, Some(9)), 0);
}

#[test]
fn a_false_or_repeated_proposal_ends_the_lease() {
    let pair = serving();
    let ends = |step: Step<Provider, ProviderAction>| {
        assert_eq!(step.next.close_reason(), Some(CloseReason::ProtocolViolation));
    };
    let good = amendment(&pair, 1);
    ends(propose(&pair, sign(SESSION, good, &())));
    let other = Amendment { contract: genesis(), ..good };
    ends(propose(&pair, sign(PUBLISHER, other, &())));
    let mut pair = pair;
    pair.provider = propose(&pair, sign(PUBLISHER, good, &())).next;
    assert_eq!(pair.provider.close_reason(), None);
    ends(propose(&pair, sign(PUBLISHER, good, &())));
}

#[test]
fn what_gives_less_is_not_granted() {
    let pair = serving();
    let mut less = amendment(&pair, 1);
    less.lease_secs = 59;
    let step = propose(&pair, sign(PUBLISHER, less, &()));
    let refused = Frame::NotAmended { number: 1, objection: Objection::NothingMore };
    assert_eq!(step.actions, [ProviderAction::Send(refused)]);
    assert_eq!(step.next.close_reason(), None);
}

#[test]
fn a_provider_that_counts_what_was_not_proposed_or_signs_falsely_is_left() {
    let mut pair = serving();
    let tell = |pair: &Pair, frame| {
        pair.publisher.step(PublisherEvent::Received(frame), pair.now).unwrap().next
    };
    let violation = Some(CloseReason::ProtocolViolation);
    assert_eq!(tell(&pair, Frame::Amended { number: 1 }).close_reason(), violation);
    pair.tell_publisher(PublisherEvent::Extend { secs: 30 });
    let next = tell(&pair, Frame::Amended { number: 1 });
    assert_eq!(next.close_reason(), violation, "it has not granted it");
    let proposed = pair.publisher_did.iter().find_map(|(_, did)| match did {
        PublisherAction::SendAmendment(amendment) => Some(*amendment),
        _ => None,
    });
    let amendment = proposed.unwrap();
    let grant =
        |seed| Frame::Granted { number: 1, signature: sign(seed, amendment, &()).signature };
    assert_eq!(tell(&pair, grant(PUBLISHER)).close_reason(), violation);
    pair.publisher = tell(&pair, grant(PROVIDER));
    assert_eq!(pair.publisher.close_reason(), None);
    // It is not locked yet, as far as this side knows.
    let counted = tell(&pair, Frame::Amended { number: 1 });
    assert_eq!((counted.close_reason(), counted.scope().unwrap().number), (None, 0));
    let funded = counted.step(PublisherEvent::Funded, pair.now).unwrap().next;
    assert_eq!(funded.scope().unwrap().number, 1);
}

#[test]
fn a_machine_of_another_form_is_not_read_from_the_store() {
    use codec::{Decode, Encode};
    let pair = serving();
    let (mut provider, mut publisher) = (pair.provider.encode(), pair.publisher.encode());
    assert!(Provider::decode(&mut &provider[..]).is_ok());
    provider[0] ^= 1;
    publisher[0] ^= 1;
    assert!(Provider::decode(&mut &provider[..]).is_err());
    assert!(Publisher::decode(&mut &publisher[..]).is_err());
}

#[test]
fn what_no_channel_lasts_for_is_not_asked_for_and_blocks_nothing_later() {
    let (theirs, mut own) = setups(40, 0);
    own.policy.max_left_secs = 85;
    let faults = Faults { extend_at: Some(20_000), ..busy() };
    let mut pair = Pair::with(faults, theirs, own);
    pair.run_to(Phase::Serving { frozen: false });
    // Thirty more seconds may be asked for now; sixty more than those may not.
    pair.run_until(20_500, |_| false);
    pair.tell_publisher(PublisherEvent::Extend { secs: 60 });
    let told = |pair: &Pair| {
        let news = |(_, action): &(Millis, PublisherAction)| match action {
            PublisherAction::NotAmended(objection) => Some(*objection),
            _ => None,
        };
        pair.publisher_did.iter().filter_map(news).collect::<Vec<_>>()
    };
    assert!(told(&pair).contains(&Objection::ChannelTooLong));
    assert!(pair.run());
    outlived_its_deposit(&pair);
}
