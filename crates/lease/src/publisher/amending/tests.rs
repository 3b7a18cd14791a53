use super::*;
use crate::tests::setups::{provider_setup, publisher_setup};

/// A lease whose proposal was not answered in time.
fn unanswered(deposit_more: Balance) -> Amending {
    let terms = terms();
    let mut amending = Amending::new(&terms);
    let amendment = Amendment {
        contract: terms.hash(),
        number: 1,
        deposit: terms.deposit + deposit_more,
        lease_secs: terms.quote.lease_secs + 30,
    };
    amending.number = 1;
    let stage = Stage::Proposed { since: 0 };
    amending.proposal = Some(Proposal { amendment, stage, counted: false });
    amending.drop_proposal(ANSWER_MS + 1);
    amending
}

fn terms() -> Terms {
    let (theirs, own) = (provider_setup(false), publisher_setup(false));
    Terms {
        genesis: own.genesis,
        announcement: own.announcement,
        publisher: own.account,
        provider: theirs.account,
        session_key: own.session_key,
        client_key: own.client_key,
        quote: theirs.quote,
        deposit: 1_000,
        challenge_blocks: 20,
        app: None,
        volume: None,
        read_only: false,
    }
}

#[test]
fn time_that_a_late_provider_counts_is_counted_on_this_side_too() {
    let mut amending = unanswered(0);
    let before = amending.scope.lease_secs;
    assert_eq!(amending.counted(1), Ok(true));
    assert_eq!((amending.scope.lease_secs, amending.scope.number), (before + 30, 1));
    assert_eq!(amending.counted(1), Ok(false), "said once more it changes nothing");
}

#[test]
fn a_deposit_that_this_side_never_locked_is_not_counted() {
    assert_eq!(unanswered(1).counted(1), Err(Refused));
}
