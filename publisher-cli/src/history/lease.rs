//! A lease as `history` prints it. Every name says its unit; amounts are in the smallest unit of the
//! coin, times in seconds since 1970 where nothing else is said. Fields are only ever added.

use std::collections::BTreeMap;

use codec::DecodeAll;
use serde::{Deserialize, Serialize};
use zennet_lease::Publisher;
use zennet_primitives::{
    amendment::Scope, amount::Balance, close::CloseReason, contract::Terms, pow::Role, AccountId,
};

use super::{deed, journal::Entry};
use crate::{
    output::{counters, rates, Counters},
    store::StoredLease,
};

/// All that is kept of a lease.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(crate) struct PastLease {
    /// Its number in this folder.
    pub(crate) lease: u64,
    /// Name of its machine.
    pub(crate) machine: String,
    /// Address of the provider.
    pub(crate) provider: String,
    /// The announcement that it answered.
    pub(crate) announcement: String,
    /// The channel that paid, where one was opened.
    pub(crate) channel: Option<String>,
    /// When it was first stored.
    pub(crate) began_at: u64,
    /// When the machine could first be used.
    pub(crate) ready_at: Option<u64>,
    /// When it ended.
    pub(crate) ended_at: Option<u64>,
    /// Why it ended; nothing while it has not.
    pub(crate) close_reason: Option<CloseReason>,
    /// Whose word ended it.
    pub(crate) closed_by: Option<Role>,
    /// Whether that was by the provider's fault.
    pub(crate) fault: bool,
    /// Whether its machine gave another result than most; that is a fault too.
    #[serde(default)]
    pub(crate) odd_result: bool,
    /// Sum of the vouchers.
    pub(crate) signed: Balance,
    /// How many there are.
    pub(crate) vouchers: u32,
    /// What the channel paid on chain.
    pub(crate) settled: Option<Balance>,
    /// What the channel locked in all, amendments included.
    #[serde(default)]
    pub(crate) locked: Balance,
    /// Lease time in all, amendments included.
    #[serde(default)]
    pub(crate) lease_secs: u32,
    /// Transactions that the channel is known to have had.
    pub(crate) transactions: u32,
    /// Usage as the provider read it.
    pub(crate) usage: Counters,
    /// Usage as read inside the machine.
    pub(crate) own_usage: Counters,
    /// Whether the latest comparison was within the tolerance.
    pub(crate) agreed: bool,
    /// The signed terms.
    pub(crate) terms: TermsRecord,
    /// In the order of their times.
    pub(crate) events: Vec<Entry>,
    /// Events in the middle that were not kept.
    pub(crate) events_left_out: u32,
}

/// The terms that both have signed.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub(crate) struct TermsRecord {
    /// Hash that the channel was opened for.
    pub(crate) contract: String,
    /// Price of one unit of each counter, in 1e-18 of the smallest coin unit.
    pub(crate) rates_atto: BTreeMap<String, u128>,
    /// Payment interval.
    pub(crate) tick_ms: u32,
    /// After a tick, until the machine is frozen.
    pub(crate) grace_ms: u32,
    /// Most that may be unpaid.
    pub(crate) max_exposure: Balance,
    /// Paid ahead.
    pub(crate) prepay: Balance,
    /// What the channel locked.
    pub(crate) deposit: Balance,
    /// Lease time.
    pub(crate) lease_secs: u32,
    /// Time to answer a request to close.
    pub(crate) challenge_blocks: u32,
    /// CPU time a second, in thousandths of a core.
    pub(crate) cpu_millis: u32,
    /// Memory.
    pub(crate) memory_mib: u32,
    /// Disk.
    pub(crate) disk_mib: u32,
    /// Image of the machine.
    pub(crate) image: String,
    /// Its digest.
    pub(crate) image_sha256: String,
    /// Host key of the machine, Ed25519.
    pub(crate) host_key: String,
}

impl From<&Terms> for TermsRecord {
    fn from(terms: &Terms) -> Self {
        let quote = &terms.quote;
        TermsRecord {
            contract: format!("{:?}", terms.hash()),
            rates_atto: rates(&quote.rates),
            tick_ms: quote.tick_ms,
            grace_ms: quote.grace_ms,
            max_exposure: quote.max_exposure,
            prepay: quote.prepay,
            deposit: terms.deposit,
            lease_secs: quote.lease_secs,
            challenge_blocks: terms.challenge_blocks,
            cpu_millis: quote.resources.cpu_millis,
            memory_mib: quote.resources.memory_mib,
            disk_mib: quote.resources.disk_mib,
            image: String::from_utf8_lossy(&quote.image).into_owned(),
            image_sha256: hex::encode(quote.image_digest),
            host_key: hex::encode(quote.host_key),
        }
    }
}

impl PastLease {
    /// A row of the store; `address` writes accounts as the chain does.
    pub(crate) fn new(lease: &StoredLease, address: impl Fn(&AccountId) -> String) -> Self {
        let machine = Publisher::decode_all(&mut lease.machine.as_slice()).ok();
        let channel = machine.as_ref().and_then(Publisher::channel);
        let agreed = || Scope::of(&lease.terms);
        let scope = machine.as_ref().and_then(Publisher::scope).unwrap_or_else(agreed);
        let (figures, journal) = (&lease.figures, &lease.journal);
        let shown = |usage: &Option<_>| usage.as_ref().map(counters).unwrap_or_default();
        PastLease {
            lease: lease.id,
            machine: lease.name.clone(),
            provider: address(&lease.terms.provider),
            announcement: format!("{:?}", lease.terms.announcement),
            channel: channel.map(|channel| format!("{:?}", channel.channel)),
            began_at: lease.since,
            ready_at: journal.ready_at(),
            ended_at: journal.ended_at(),
            close_reason: lease.ended.map(|ended| ended.reason),
            closed_by: journal.closed_by,
            fault: deed(lease).is_some_and(|deed| deed.fault),
            odd_result: lease.odd_result,
            signed: figures.paid,
            vouchers: figures.vouchers,
            settled: lease.ended.and_then(|ended| ended.settled),
            locked: scope.deposit,
            lease_secs: scope.lease_secs,
            transactions: lease.transactions,
            usage: shown(&figures.usage),
            own_usage: shown(&figures.own_usage),
            agreed: figures.agreed,
            terms: TermsRecord::from(&lease.terms),
            events: journal.entries.clone(),
            events_left_out: journal.left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_a_past_lease_names_its_units_and_reads_back() {
        let row = super::super::tests::ended(7, 4, CloseReason::MachineFailed, 1000);
        let lease = PastLease::new(&row, |_| "5F".into());
        assert!(lease.fault);
        assert_eq!(
            (lease.ready_at, lease.ended_at, lease.settled),
            (Some(940), Some(1000), Some(5))
        );
        let json = serde_json::to_string(&lease).unwrap();
        for part in [
            "\"close_reason\":\"machine_failed\"",
            "\"events\":[{\"at_ms\":940000,\"event\":\"ready\"},{\"at_ms\":1000000,",
            "\"rates_atto\":{}",
            "\"tick_ms\":2000",
            "\"memory_mib\":256",
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert_eq!(serde_json::from_str::<PastLease>(&json).unwrap(), lease);
    }
}
