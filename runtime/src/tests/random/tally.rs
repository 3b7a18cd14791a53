//! What became of the calls, by kind.

use std::{collections::BTreeMap, fmt};

use frame_support::traits::GetCallMetadata;
use sp_runtime::ApplyExtrinsicResult;

use crate::RuntimeCall;

/// Calls that no account may make by itself. They must never succeed; all others must.
const FORBIDDEN: &[(&str, &str)] = &[
    // The supply is fixed.
    ("Balances", "burn"),
    // The chain needs the keys of its bookkeepers.
    ("Session", "purge_keys"),
    // For root alone.
    ("Balances", "force_adjust_total_issuance"),
    ("Balances", "force_set_balance"),
    ("Balances", "force_transfer"),
    ("Balances", "force_unreserve"),
    ("Dpos", "set_seats"),
    ("Grandpa", "note_stalled"),
    ("System", "authorize_upgrade"),
    ("System", "authorize_upgrade_without_checks"),
    ("System", "kill_prefix"),
    ("System", "kill_storage"),
    ("System", "set_code"),
    ("System", "set_code_without_checks"),
    ("System", "set_heap_pages"),
    ("System", "set_storage"),
    ("Utility", "dispatch_as"),
    ("Utility", "dispatch_as_fallible"),
    ("Utility", "with_weight"),
    ("Preimage", "request_preimage"),
    ("Preimage", "unrequest_preimage"),
    ("Referenda", "cancel"),
    ("Referenda", "kill"),
    ("Referenda", "nudge_referendum"),
    ("Referenda", "one_fewer_deciding"),
    ("Scheduler", "cancel"),
    ("Scheduler", "cancel_named"),
    ("Scheduler", "cancel_retry"),
    ("Scheduler", "cancel_retry_named"),
    ("Scheduler", "schedule"),
    ("Scheduler", "schedule_after"),
    ("Scheduler", "schedule_named"),
    ("Scheduler", "schedule_named_after"),
    ("Scheduler", "set_retry"),
    ("Scheduler", "set_retry_named"),
    ("Vesting", "force_remove_vesting_schedule"),
    ("Vesting", "force_vested_transfer"),
    // Coin of others is not locked, and no coin of a test network waits for its release.
    ("Vesting", "merge_schedules"),
    ("Vesting", "vest"),
    ("Vesting", "vest_other"),
    ("Vesting", "vested_transfer"),
    // Needs an upgrade that root authorized.
    ("System", "apply_authorized_upgrade"),
    // There are no tasks.
    ("System", "do_task"),
    // For authors alone.
    ("Timestamp", "set"),
];

/// Calls that may succeed, but hardly by chance: a referendum is approved when enough coin agrees.
const RARE: &[(&str, &str)] = &[("Referenda", "refund_submission_deposit")];

/// How often a kind of call did what.
#[derive(Clone, Copy, Default)]
struct Outcomes {
    succeeded: u64,
    /// Charged, and refused by the call itself.
    refused: u64,
    /// Of no block.
    invalid: u64,
}

#[derive(Default)]
pub(super) struct Tally(BTreeMap<(&'static str, &'static str), Outcomes>);

impl Tally {
    pub(super) fn count(&mut self, call: &RuntimeCall, result: &ApplyExtrinsicResult) {
        let kind = call.get_call_metadata();
        let outcomes = self.0.entry((kind.pallet_name, kind.function_name)).or_default();
        match result {
            Ok(Ok(())) => outcomes.succeeded += 1,
            Ok(Err(_)) => outcomes.refused += 1,
            Err(_) => outcomes.invalid += 1,
        }
    }

    /// Notes that a call succeeded inside another.
    pub(super) fn succeeded_inside(&mut self, pallet: &'static str, call: &'static str) {
        self.0.entry((pallet, call)).or_default().succeeded += 1;
    }

    /// The sum of both.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (kind, more) in other.0 {
            let outcomes = self.0.entry(kind).or_default();
            outcomes.succeeded += more.succeeded;
            outcomes.refused += more.refused;
            outcomes.invalid += more.invalid;
        }
        self
    }

    fn succeeded(&self, kind: &(&str, &str)) -> u64 {
        self.0.iter().find(|(k, _)| *k == kind).map_or(0, |(_, outcomes)| outcomes.succeeded)
    }

    /// Panics if a call went through that no account may make.
    pub(super) fn assert_nothing_forbidden(&self) {
        for kind in FORBIDDEN {
            assert_eq!(self.succeeded(kind), 0, "{}.{} went through", kind.0, kind.1);
        }
    }

    /// Panics if a call that is allowed was never made with success.
    pub(super) fn assert_all_kinds(&self) {
        let pallets = RuntimeCall::get_module_names().iter();
        let kinds = pallets.flat_map(|pallet| {
            RuntimeCall::get_call_names(pallet).iter().map(move |call| (*pallet, *call))
        });
        let demanded = kinds.filter(|kind| !FORBIDDEN.contains(kind) && !RARE.contains(kind));
        let never = demanded.filter(|kind| self.succeeded(kind) == 0);
        let never: Vec<_> = never.map(|(pallet, call)| format!("{pallet}.{call}")).collect();
        assert!(
            never.is_empty(),
            "never once successful: {}; a pallet needs a generator in tests/random/calls",
            never.join(", ")
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{:44} {:>9} {:>9} {:>9}", "call", "succeeded", "refused", "invalid")?;
        for ((pallet, call), outcomes) in &self.0 {
            let name = format!("{pallet}.{call}");
            let Outcomes { succeeded, refused, invalid } = outcomes;
            writeln!(f, "{name:44} {succeeded:>9} {refused:>9} {invalid:>9}")?;
        }
        Ok(())
    }
}
