//! More deposit or more time for a running lease: both sign it, the chain locks it, and only then
//! it counts.

use zennet_primitives::{
    amendment::{Amendment, Objection, Scope, MAX_AMENDMENTS},
    frame::Frame,
    record::ChannelRecord,
    signed::{account_key, Unverified},
};

use super::{
    closing::break_off,
    ledger::Ledger,
    state::{Link, Serving, State},
    Outcome, ProviderAction as Action, ProviderSetup,
};
use crate::Millis;

/// The publisher proposes an amendment, or one that it proposed on an earlier connection.
pub(super) fn proposed(
    setup: &ProviderSetup,
    mut ledger: Ledger,
    mut serving: Serving,
    proposal: Unverified<Amendment>,
    now: Millis,
) -> Outcome {
    let publisher = account_key(&ledger.terms.publisher);
    let (Ok(signed), Some(channel)) = (proposal.verify(&(), &publisher), ledger.channel) else {
        return break_off(ledger, now);
    };
    let amendment = *signed.payload();
    let number = amendment.number;
    // Each is said once on a connection, so that no flood of them costs this side anything.
    let is_in_turn = number > serving.proposed && number <= MAX_AMENDMENTS;
    if amendment.contract != ledger.terms.hash() || !is_in_turn {
        return break_off(ledger, now);
    }
    serving.proposed = number;
    let sign = Action::CountersignAmendment(amendment);
    let actions = if ledger.scope.comes_from(&amendment) {
        vec![sign, Action::Send(Frame::Amended { number })]
    } else {
        let is_leaving = serving.leaves_at.is_some();
        match ledger.grant(&amendment, setup.limits.max_lease_secs, is_leaving) {
            // The chain may have locked it already.
            Ok(()) => vec![sign, Action::WatchOpenChannel(channel)],
            Err(objection) => vec![Action::Send(Frame::NotAmended { number, objection })],
        }
    };
    Outcome::Next(State::Serving { ledger, serving }, actions)
}

/// The channel as it stands for good, which lasts for some time: whether the amendment that is
/// waited for holds by it, and what is said of it.
pub(super) fn seen(
    ledger: &mut Ledger,
    serving: &Serving,
    record: &ChannelRecord<u32>,
    lasts_ms: Millis,
    now: Millis,
) -> Option<Vec<Action>> {
    let amendment = ledger.granted?;
    let needed_ms = if amendment.lease_secs > ledger.scope.lease_secs {
        serving.lease_ends(amendment.lease_secs).saturating_sub(now)
    } else {
        0
    };
    let is_locked = record.contract == amendment.contract
        && record.deposit >= amendment.deposit
        && record.closing_at.is_none()
        && lasts_ms >= needed_ms;
    if !is_locked {
        return None;
    }
    ledger.scope = Scope::from(&amendment);
    ledger.granted = None;
    Some(match serving.link() {
        Link::Up => vec![Action::Send(Frame::Amended { number: amendment.number })],
        // It is proposed once more on the next connection.
        Link::Down => Vec::new(),
    })
}

impl Ledger {
    /// Signs an amendment unless something speaks against it. It takes the place of one with a
    /// lower number.
    fn grant(
        &mut self,
        amendment: &Amendment,
        max_lease_secs: u32,
        is_leaving: bool,
    ) -> Result<(), Objection> {
        if self.granted.as_ref() == Some(amendment) {
            return Ok(());
        }
        let is_newer = self.granted.is_none_or(|granted| granted.number < amendment.number);
        if !is_newer || !self.scope.grows_by(amendment) {
            return Err(Objection::NothingMore);
        }
        if is_leaving && amendment.lease_secs > self.scope.lease_secs {
            return Err(Objection::Leaving);
        }
        if amendment.lease_secs > self.scope.lease_secs.max(max_lease_secs) {
            return Err(Objection::TooLong);
        }
        self.granted = Some(*amendment);
        Ok(())
    }
}
