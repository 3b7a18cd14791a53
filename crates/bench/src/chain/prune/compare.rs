//! Two states of a chain, key by key.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{ensure, Context, Result};
use codec::Decode;
use pallet_balances::AccountData;
use zennet_primitives::amount::Balance;

use crate::blocks::prefix;

type State = BTreeMap<Vec<u8>, Vec<u8>>;
type Account = frame_system::AccountInfo<u32, AccountData<Balance>>;

/// What each block changes, whatever its transactions do. An item without a name stands for all items
/// of its pallet.
const OF_EVERY_BLOCK: [(&str, &str); 19] = [
    ("System", "BlockHash"),
    ("System", "BlockWeight"),
    ("System", "BlockSize"),
    ("System", "Digest"),
    ("System", "EventCount"),
    ("System", "Events"),
    ("System", "ExtrinsicWeightReclaimed"),
    ("System", "Number"),
    ("System", "ParentHash"),
    ("Timestamp", "Now"),
    ("Aura", "CurrentSlot"),
    ("Authorship", "Author"),
    // Sessions, the turns of bookkeepers and the fees that they have earned.
    ("Session", ""),
    ("Equivocation", ""),
    ("Grandpa", ""),
    ("Dpos", ""),
    ("Offences", ""),
    ("Scheduler", "IncompleteSince"),
    ("MinedIdentity", "Epochs"),
];

/// What two states have in common.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Compared {
    /// Values that are the same.
    pub(crate) equal: usize,
    /// Items of every block whose values differ, and how many.
    pub(crate) changed: BTreeMap<String, usize>,
    /// Accounts that differ by their nonce and by fees alone.
    pub(crate) accounts_that_paid: usize,
    /// Fees that they paid, in the smallest coin unit.
    pub(crate) fees: Balance,
}

/// Compares all keys and values. An error names the first one that differs and is neither an item of
/// every block nor an account that paid or earned fees: its nonce and its free coin may differ, what is
/// held of it and the other fields may not. Coin is neither made nor lost.
pub(crate) fn compare(before: &State, after: &State) -> Result<Compared> {
    let accounts = prefix("System", "Account");
    let mut compared = Compared::default();
    let (mut coin_before, mut coin_after) = (0, 0);
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (before.get(key), after.get(key));
        if key.starts_with(&accounts) {
            let (old, new) = (account(old)?, account(new)?);
            coin_before += old.data.free + old.data.reserved;
            coin_after += new.data.free + new.data.reserved;
            ensure!(only_paid(&old, &new), "an account differs: {old:?} was, {new:?} is");
            if old.nonce != new.nonce {
                compared.accounts_that_paid += 1;
                compared.fees += old.data.free.saturating_sub(new.data.free);
            }
        } else if old != new {
            let name = name_of_every_block(key);
            let name = name.with_context(|| {
                format!("{} differs: {old:?} was, {new:?} is", sp_core::bytes::to_hex(key, false))
            })?;
            *compared.changed.entry(name).or_default() += 1;
        } else {
            compared.equal += 1;
        }
    }
    ensure!(coin_before == coin_after, "{coin_before} units of coin were, {coin_after} are");
    Ok(compared)
}

fn account(value: Option<&Vec<u8>>) -> Result<Account> {
    let value = value.context("an account came or went")?;
    Account::decode(&mut &value[..]).context("an account is another runtime's")
}

fn only_paid(old: &Account, new: &Account) -> bool {
    let rest = |account: &Account| Account {
        nonce: 0,
        data: AccountData { free: 0, ..account.data.clone() },
        ..account.clone()
    };
    rest(old) == rest(new)
}

fn name_of_every_block(key: &[u8]) -> Option<String> {
    OF_EVERY_BLOCK.iter().find_map(|(pallet, item)| {
        let whole = prefix(pallet, item);
        let begin = if item.is_empty() { &whole[..whole.len() / 2] } else { &whole[..] };
        let name = if item.is_empty() { (*pallet).into() } else { format!("{pallet}.{item}") };
        key.starts_with(begin).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use codec::Encode;

    use super::*;

    fn key(pallet: &str, item: &str, end: u8) -> Vec<u8> {
        [prefix(pallet, item), vec![end]].concat()
    }

    fn account_of(nonce: u32, free: Balance, reserved: Balance) -> Vec<u8> {
        let data = AccountData { free, reserved, ..Default::default() };
        Account { nonce, providers: 1, data, ..Default::default() }.encode()
    }

    fn state() -> State {
        [
            (key("System", "Account", 1), account_of(0, 100, 5)),
            (key("System", "Account", 2), account_of(0, 10, 0)),
            (key("System", "Number", 0), vec![1]),
            (key("Dpos", "Seats", 0), vec![1]),
            (key("Balances", "Holds", 1), vec![9]),
        ]
        .into()
    }

    #[test]
    fn fees_and_what_every_block_changes_are_told_and_nothing_else_is_let_by() {
        let mut after = state();
        after.insert(key("System", "Account", 1), account_of(2, 93, 5));
        after.insert(key("System", "Account", 2), account_of(0, 17, 0));
        after.insert(key("System", "Number", 0), vec![2]);
        after.insert(key("Dpos", "Pot", 0), vec![2]);
        let compared = compare(&state(), &after).unwrap();
        assert_eq!(compared.equal, 2);
        assert_eq!((compared.accounts_that_paid, compared.fees), (1, 7));
        let changed = [("Dpos".to_string(), 1), ("System.Number".to_string(), 1)];
        assert_eq!(compared.changed, changed.into());
    }

    #[test]
    fn anything_left_behind_is_an_error() {
        let with = |key: Vec<u8>, value: Option<Vec<u8>>| {
            let mut after = state();
            match value {
                Some(value) => after.insert(key, value),
                None => after.remove(&key),
            };
            compare(&state(), &after)
        };
        assert!(with(key("Announcements", "ExpiringAt", 1), Some(vec![0])).is_err());
        assert!(with(key("Balances", "Holds", 1), None).is_err());
        assert!(with(key("Balances", "Holds", 1), Some(vec![8])).is_err());
        assert!(with(key("System", "Account", 1), Some(account_of(0, 100, 4))).is_err());
        assert!(with(key("System", "Account", 1), Some(account_of(1, 99, 5))).is_err());
        assert!(with(key("System", "Account", 2), None).is_err());
    }
}
