//! Answers that came to nothing, by publisher: whoever lets itself be dialled in vain does not stay
//! ahead of others.

use std::collections::{HashMap, HashSet};

use zennet_primitives::{close::CloseReason, AccountId};

use crate::{driver::Ended, meet::MeetError};

/// Refusals of a publisher in a row that are nobody's fault: one provider of many is too late for
/// an order, or too dear.
const REFUSALS: u32 = 8;

/// What became of answers to one publisher since the last that came to a contract.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// It was not reached, or fell silent.
    failures: u32,
    /// It did not want this provider.
    refusals: u32,
}

/// The counts of all publishers.
#[derive(Debug, Default)]
pub(crate) struct Vain(HashMap<AccountId, Count>);

impl Vain {
    /// How many answers to a publisher count as made in vain.
    pub(crate) fn times(&self, publisher: &AccountId) -> u32 {
        let count = self.0.get(publisher).copied().unwrap_or_default();
        count.failures.saturating_add(count.refusals.saturating_sub(REFUSALS))
    }

    /// Counts what became of an answer; none where its task failed.
    pub(crate) fn count(&mut self, publisher: AccountId, outcome: Option<&Outcome>) {
        let ended = match outcome {
            Some(Ok(Ended { contracted: true, .. })) => {
                self.0.remove(&publisher);
                return;
            }
            Some(Ok(ended)) => Some(ended.reason),
            Some(Err(error)) if error.is_publishers() => None,
            // It has done nothing that this side failed.
            Some(Err(_)) | None => return,
        };
        match ended {
            None | Some(CloseReason::TimedOut | CloseReason::ConnectionLost) => {
                let failures = &mut self.0.entry(publisher).or_default().failures;
                *failures = failures.saturating_add(1);
            }
            Some(CloseReason::ProviderLeaves) => (),
            Some(_) => {
                let refusals = &mut self.0.entry(publisher).or_default().refusals;
                *refusals = refusals.saturating_add(1);
            }
        }
    }

    /// Forgets all but some publishers.
    pub(crate) fn keep(&mut self, publishers: &HashSet<&AccountId>) {
        self.0.retain(|publisher, _| publishers.contains(publisher));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What came of an answer.
pub(crate) type Outcome = Result<Ended, MeetError>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::EngineError;

    const PUBLISHER: AccountId = AccountId::new([1; 32]);

    fn parted(reason: CloseReason) -> Outcome {
        Ok(Ended { reason, contracted: false })
    }

    fn times(outcomes: impl IntoIterator<Item = Outcome>) -> u32 {
        let mut vain = Vain::default();
        for outcome in outcomes {
            vain.count(PUBLISHER, Some(&outcome));
        }
        vain.times(&PUBLISHER)
    }

    #[test]
    fn each_silence_counts_until_an_answer_comes_to_a_contract() {
        let silent = || [parted(CloseReason::TimedOut), parted(CloseReason::ConnectionLost)];
        assert_eq!(times(silent()), 2);
        let rented = Ok(Ended { reason: CloseReason::NotPaid, contracted: true });
        assert_eq!(times(silent().into_iter().chain([rented])), 0);
    }

    #[test]
    fn refusals_count_once_they_have_no_end() {
        let refusals = |times: u32| (0..times).map(|_| parted(CloseReason::EnoughMachines));
        assert_eq!(times(refusals(REFUSALS)), 0);
        assert_eq!(times(refusals(REFUSALS + 3)), 3);
    }

    #[test]
    fn what_this_side_failed_counts_against_nobody() {
        let engine = EngineError::NotRunning;
        assert_eq!(times([Err(engine.into()), Err(MeetError::Ending)]), 0);
        assert_eq!(times((0..20).map(|_| parted(CloseReason::ProviderLeaves))), 0);
        let mut vain = Vain::default();
        vain.count(PUBLISHER, None);
        assert!(vain.is_empty());
    }

    #[test]
    fn an_image_that_the_publisher_named_and_nobody_has_counts_against_it() {
        let missing = || EngineError::ImageMissing("nowhere".into());
        assert_eq!(times([Err(MeetError::Image(missing()))]), 1);
        assert_eq!(times([Err(missing().into())]), 0, "this side's usual one");
    }

    #[test]
    fn whose_offers_are_gone_is_forgotten() {
        let mut vain = Vain::default();
        vain.count(PUBLISHER, Some(&parted(CloseReason::TimedOut)));
        vain.keep(&HashSet::from([&PUBLISHER]));
        assert_eq!(vain.times(&PUBLISHER), 1);
        vain.keep(&HashSet::new());
        assert!(vain.is_empty());
    }
}
