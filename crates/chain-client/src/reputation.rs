//! What is known of an account's past, from whatever source.
//!
//! [`Reputation`] is what filters ask before they deal with a counterparty. There are three kinds
//! of sources:
//!
//! - the own history: both programs compute a [`Record`] from the leases in their stores;
//! - the chain: [`PublicReputation`] computes one from the channels that were settled;
//! - anything else, such as a rating service: implement the trait for a type of your own, ask the
//!   service in `record`, and hand it to the filter where the other two are handed to it. Fill in
//!   what the source knows; what it cannot know stays absent, never zero. An answer should come
//!   within a second or two, since a meeting waits for it.
//!
//! A public record is worth what it costs to forge: an account can settle channels with another
//! one of the same owner, and pays no more than fees and the work of two identities for it. The
//! number of different counterparties is told for this reason.

use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
};

use thiserror::Error;
use tokio::sync::Mutex;
use zennet_primitives::{amount::Balance, close::CloseReason, pow::Role, AccountId};

use crate::{Chain, ChainError, SettledEvent, Settlements};

/// What is known of a counterparty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// Leases that ended.
    pub leases: u64,
    /// Time that their machines could be used, seconds.
    pub secs: Option<u64>,
    /// All that they paid, in the smallest coin unit.
    pub paid: Balance,
    /// Leases that ended by the counterparty's fault within the source's time.
    pub faults: Option<u64>,
}

/// Why a source could not be asked.
#[derive(Debug, Error)]
pub enum ReputationError {
    /// The chain could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Another source failed.
    #[error("{name} gave no record: {reason}")]
    Source {
        /// Name of the source.
        name: String,
        /// What it said.
        reason: String,
    },
}

/// An answer that may take a while.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Record, ReputationError>> + Send + 'a>>;

/// A source of records.
pub trait Reputation: Send + Sync {
    /// The record of an account. One that the source has never heard of has an empty one.
    fn record<'a>(&'a self, counterparty: &'a AccountId) -> Answer<'a>;
}

/// An ended lease, as far as a record is made of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deed {
    /// Unix time, seconds.
    pub ended_at: u64,
    /// Time that the machine could be used, seconds.
    pub secs: u64,
    /// What it paid, in the smallest coin unit.
    pub paid: Balance,
    /// Whether it ended by the counterparty's fault.
    pub fault: bool,
}

impl Record {
    /// Sums leases up; faults count from a Unix time on.
    pub fn of(deeds: impl IntoIterator<Item = Deed>, faults_since: u64) -> Record {
        let mut record = Record { secs: Some(0), faults: Some(0), ..Record::default() };
        for deed in deeds {
            record.leases += 1;
            record.secs = record.secs.map(|secs| secs.saturating_add(deed.secs));
            record.paid = record.paid.saturating_add(deed.paid);
            let counts = deed.fault && deed.ended_at >= faults_since;
            record.faults = record.faults.map(|faults| faults + u64::from(counts));
        }
        record
    }
}

/// How a lease ended, as far as it matters whose fault that was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Why.
    pub reason: CloseReason,
    /// Whether the reason came from the counterparty.
    pub said_by_it: bool,
    /// Whether this side went away itself, for a crash or an update, and the counterparty never
    /// came back to it.
    pub own_absence: bool,
}

/// Whether a lease that ended like this counts against the counterparty, whose role is `whose`.
///
/// Each side counts what it has seen for itself. So a broken protocol, a failed proof and silence
/// count when this side found them, not when the other side claims them. Payment and the deposit
/// are the publisher's part, the machine is the provider's. Of a lost connection and of readings
/// that do not agree nobody can say whose doing it was: each side counts it against the other, and
/// honest pairs stay below any sensible limit. But whoever was away itself does not blame the other
/// for having left. Who ends a lease in order, at any time and for whatever reason, has done nothing
/// wrong.
pub fn is_fault(whose: Role, ending: Ending) -> bool {
    let Ending { reason, said_by_it, own_absence } = ending;
    match reason {
        CloseReason::NotPaid => whose == Role::Publisher && !own_absence,
        CloseReason::ChannelNotOpened => whose == Role::Publisher,
        CloseReason::MachineFailed | CloseReason::NoticeBroken => whose == Role::Provider,
        CloseReason::UsageDisagreement => true,
        CloseReason::ConnectionLost => !own_absence,
        CloseReason::ProtocolViolation | CloseReason::NotAuthentic => !said_by_it,
        CloseReason::ReportFalse => whose == Role::Provider && !said_by_it,
        CloseReason::TimedOut => !said_by_it && !own_absence,
        CloseReason::Finished
        | CloseReason::LeaseTimeOver
        | CloseReason::ProviderLeaves
        | CloseReason::EnoughMachines
        | CloseReason::NoAgreement
        | CloseReason::RequirementsNotMet
        | CloseReason::Incompatible
        | CloseReason::DepositSpent
        | CloseReason::VolumeUnavailable
        | CloseReason::ChallengeTooShort
        | CloseReason::ChannelClosing => false,
    }
}

/// Channels that an account had in one role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Channels that were settled.
    pub channels: u64,
    /// Different accounts at their other ends.
    pub counterparties: u64,
    /// All that they paid, in the smallest coin unit.
    pub paid: Balance,
    /// What returned to the publishers, in the smallest coin unit.
    pub refunded: Balance,
}

/// What the chain tells of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PublicRecord {
    /// The oldest block that was read.
    pub first: u32,
    /// The newest block that was read.
    pub last: u32,
    /// Channels that the account paid by.
    pub as_publisher: Sums,
    /// Channels that the account was paid by.
    pub as_provider: Sums,
}

impl PublicRecord {
    /// Sums up what settlements tell of an account.
    pub fn of<'a>(
        account: &AccountId,
        events: impl Iterator<Item = &'a SettledEvent> + Clone,
    ) -> PublicRecord {
        let sums = |role: Role| {
            let mut sums = Sums::default();
            let mut others = BTreeSet::new();
            for event in events.clone() {
                let (own, other) = match role {
                    Role::Publisher => (&event.publisher, &event.provider),
                    Role::Provider => (&event.provider, &event.publisher),
                };
                if own == account {
                    sums.channels += 1;
                    sums.paid = sums.paid.saturating_add(event.paid);
                    sums.refunded = sums.refunded.saturating_add(event.refunded);
                    others.insert(other.clone());
                }
            }
            Sums { counterparties: others.len() as u64, ..sums }
        };
        PublicRecord {
            as_publisher: sums(Role::Publisher),
            as_provider: sums(Role::Provider),
            ..PublicRecord::default()
        }
    }

    /// Its part that a [`Record`] has.
    fn record(&self, role: Role) -> Record {
        let sums = match role {
            Role::Publisher => self.as_publisher,
            Role::Provider => self.as_provider,
        };
        Record { leases: sums.channels, secs: None, paid: sums.paid, faults: None }
    }
}

/// The settlements of the newest finalized blocks: read once, then kept up to date.
pub struct PublicHistory {
    chain: Chain,
    blocks: u32,
    known: Mutex<Option<Known>>,
}

/// What was read so far.
struct Known {
    first: u32,
    last: u32,
    /// The newest first.
    events: VecDeque<(u32, SettledEvent)>,
}

impl Known {
    /// Adds newer blocks, and forgets those that are more than `blocks` old.
    fn extend(&mut self, newer: Settlements, blocks: u32) {
        if newer.first > self.last.saturating_add(1) {
            // A gap: the node has dropped what lies between.
            self.events.clear();
            self.first = newer.first;
        }
        self.last = newer.last;
        for event in newer.events.into_iter().rev() {
            self.events.push_front(event);
        }
        self.first = self.first.max(oldest(self.last, blocks));
        while self.events.back().is_some_and(|(block, _)| *block < self.first) {
            self.events.pop_back();
        }
    }
}

/// The first of the `blocks` blocks that end with `last`.
fn oldest(last: u32, blocks: u32) -> u32 {
    last.saturating_sub(blocks.saturating_sub(1))
}

impl PublicHistory {
    /// Reads nothing yet.
    pub fn new(chain: Chain, blocks: u32) -> Self {
        PublicHistory { chain, blocks, known: Mutex::default() }
    }

    /// What the chain tells of an account by now.
    pub async fn of(&self, account: &AccountId) -> Result<PublicRecord, ChainError> {
        let mut known = self.known.lock().await;
        let last = self.chain.finalized().await?.number;
        let first = oldest(last, self.blocks);
        let known = match &mut *known {
            Some(known) => {
                let first = first.max(known.last.saturating_add(1));
                if first <= last {
                    known.extend(self.chain.settlements(first, last).await?, self.blocks);
                }
                known
            }
            empty => {
                let Settlements { first, last, events } =
                    self.chain.settlements(first, last).await?;
                empty.insert(Known { first, last, events: events.into() })
            }
        };
        let record = PublicRecord::of(account, known.events.iter().map(|(_, event)| event));
        Ok(PublicRecord { first: known.first, last: known.last, ..record })
    }
}

/// The chain as a source of records of accounts in one role.
#[derive(Clone)]
pub struct PublicReputation {
    /// What was settled.
    pub history: Arc<PublicHistory>,
    /// Role of the accounts that are asked about.
    pub role: Role,
}

impl Reputation for PublicReputation {
    fn record<'a>(&'a self, counterparty: &'a AccountId) -> Answer<'a> {
        Box::pin(async move { Ok(self.history.of(counterparty).await?.record(self.role)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zennet_primitives::Hash;

    fn event(publisher: u8, provider: u8, paid: Balance) -> SettledEvent {
        SettledEvent {
            channel: Hash::repeat_byte(9),
            publisher: AccountId::new([publisher; 32]),
            provider: AccountId::new([provider; 32]),
            paid,
            refunded: 1,
            contract: Hash::zero(),
        }
    }

    fn deed(ended_at: u64, fault: bool) -> Deed {
        Deed { ended_at, secs: 60, paid: 5, fault }
    }

    #[test]
    fn a_record_sums_all_leases_but_counts_only_recent_faults() {
        let deeds = [deed(10, true), deed(99, false), deed(100, true), deed(101, true)];
        let record = Record::of(deeds, 100);
        assert_eq!((record.leases, record.secs, record.paid), (4, Some(240), 20));
        assert_eq!(record.faults, Some(2));
        assert_eq!(
            Record::of([], 0),
            Record { secs: Some(0), faults: Some(0), ..Record::default() }
        );
    }

    #[test]
    fn each_reason_counts_against_the_side_whose_part_it_is() {
        use Role::{Provider, Publisher};
        for (reason, publishers, providers) in [
            (CloseReason::NotPaid, true, false),
            (CloseReason::ChannelNotOpened, true, false),
            (CloseReason::MachineFailed, false, true),
            (CloseReason::NoticeBroken, false, true),
            (CloseReason::ReportFalse, false, true),
            (CloseReason::ConnectionLost, true, true),
            (CloseReason::UsageDisagreement, true, true),
            (CloseReason::ProtocolViolation, true, true),
            (CloseReason::Finished, false, false),
            (CloseReason::ProviderLeaves, false, false),
            (CloseReason::DepositSpent, false, false),
        ] {
            let ending = Ending { reason, said_by_it: false, own_absence: false };
            assert_eq!(is_fault(Publisher, ending), publishers, "{reason:?}");
            assert_eq!(is_fault(Provider, ending), providers, "{reason:?}");
        }
    }

    #[test]
    fn what_the_counterparty_accuses_this_side_of_is_not_its_own_fault() {
        for reason in
            [CloseReason::ProtocolViolation, CloseReason::NotAuthentic, CloseReason::TimedOut]
        {
            let ending = Ending { reason, said_by_it: true, own_absence: false };
            assert!(!is_fault(Role::Publisher, ending), "{reason:?}");
        }
        // Saying it first does not wash it off.
        let said = |reason| Ending { reason, said_by_it: true, own_absence: false };
        assert!(is_fault(Role::Publisher, said(CloseReason::NotPaid)));
        assert!(is_fault(Role::Provider, said(CloseReason::MachineFailed)));
    }

    #[test]
    fn whoever_was_away_itself_blames_nobody_for_having_left() {
        let away = |reason| Ending { reason, said_by_it: false, own_absence: true };
        for reason in [CloseReason::ConnectionLost, CloseReason::NotPaid, CloseReason::TimedOut] {
            assert!(!is_fault(Role::Publisher, away(reason)), "{reason:?}");
            assert!(!is_fault(Role::Provider, away(reason)), "{reason:?}");
        }
        assert!(is_fault(Role::Provider, away(CloseReason::MachineFailed)));
    }

    #[test]
    fn a_public_record_has_both_roles_and_counts_counterparties_once() {
        let events = [event(1, 2, 10), event(1, 2, 20), event(1, 3, 5), event(4, 1, 7)];
        let record = PublicRecord::of(&AccountId::new([1; 32]), events.iter());
        let as_publisher = Sums { channels: 3, counterparties: 2, paid: 35, refunded: 3 };
        assert_eq!(record.as_publisher, as_publisher);
        assert_eq!((record.as_provider.channels, record.as_provider.paid), (1, 7));
        assert_eq!(record.record(Role::Publisher).paid, 35);
        assert_eq!(record.record(Role::Provider).faults, None);
    }

    #[test]
    fn newer_blocks_push_out_those_beyond_the_bound() {
        let mut known = Known {
            first: 1,
            last: 10,
            events: VecDeque::from([(9, event(1, 2, 9)), (3, event(1, 2, 3))]),
        };
        let newer = Settlements { first: 11, last: 12, events: vec![(12, event(1, 2, 12))] };
        known.extend(newer, 5);
        let blocks: Vec<u32> = known.events.iter().map(|(block, _)| *block).collect();
        assert_eq!((known.first, known.last, blocks), (8, 12, vec![12, 9]));
        let gap = Settlements { first: 20, last: 21, events: vec![] };
        known.extend(gap, 5);
        assert_eq!((known.first, known.last, known.events.len()), (20, 21, 0));
    }
}
