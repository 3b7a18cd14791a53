//! Who there is, and how their amounts and times are chosen.

use std::collections::HashMap;

use codec::Encode;
use frame_support::traits::{
    fungible::Inspect,
    tokens::{Fortitude, Preservation},
};
use sp_core::{ed25519, proof_of_possession::statement_of_ownership, sr25519, Pair};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

use super::chance::Chance;
use crate::{
    AccountId, Balance, Balances, BlockNumber, RuntimeCall, SessionKeys, EXISTENTIAL_DEPOSIT, XEN,
};

/// Accounts beside those that own the whole coin at genesis.
const NEWCOMERS: u8 = 28;

/// Accounts that nobody has the key of, which may be sent coin.
const MOST_OTHERS: usize = 100;

/// What somebody sends.
pub(super) struct Transaction {
    /// Who signs it; nobody signs what the call itself proves.
    pub(super) by: Option<AccountId>,
    pub(super) call: RuntimeCall,
}

impl Transaction {
    pub(super) fn new(by: AccountId, call: impl Into<RuntimeCall>) -> Self {
        Self { by: Some(by), call: call.into() }
    }
}

pub(super) struct World {
    pub(super) chance: Chance,
    people: Vec<AccountId>,
    pairs: HashMap<AccountId, sr25519::Pair>,
    others: Vec<AccountId>,
    /// All keys that anyone authors or finalizes with, by what is public of them.
    author_pairs: HashMap<sr25519::Public, sr25519::Pair>,
    voter_pairs: HashMap<ed25519::Public, ed25519::Pair>,
}

/// Sets of session keys that an account changes between.
const KEY_SETS: u8 = 3;

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let rich = Sr25519Keyring::well_known().map(|key| key.pair());
        let newcomers = (0..NEWCOMERS).map(|n| sr25519::Pair::from_seed(&[n; 32]));
        let pairs: Vec<_> = rich.chain(newcomers).collect();
        let account = |pair: &sr25519::Pair| AccountId::from(pair.public());
        let people: Vec<_> = pairs.iter().map(account).collect();
        let others = (1..=20).map(|n| AccountId::new([n; 32])).collect();
        // The first bookkeepers author with the keys of their accounts.
        let mut author_pairs: HashMap<_, _> =
            pairs.iter().map(|pair| (pair.public(), pair.clone())).collect();
        let mut voter_pairs: HashMap<_, _> =
            Ed25519Keyring::iter().map(|key| (key.public(), key.pair())).collect();
        for set in (0..KEY_SETS).flat_map(|set| people.iter().map(move |who| key_seed(who, set))) {
            let (author, voter) = (sr25519::Pair::from_seed(&set), ed25519::Pair::from_seed(&set));
            author_pairs.insert(author.public(), author);
            voter_pairs.insert(voter.public(), voter);
        }
        let pairs = people.iter().cloned().zip(pairs).collect();
        Self { chance: Chance::new(seed), people, pairs, others, author_pairs, voter_pairs }
    }

    pub(super) fn author_pair(&self, key: &sr25519::Public) -> Option<&sr25519::Pair> {
        self.author_pairs.get(key)
    }

    pub(super) fn voter_pair(&self, key: &ed25519::Public) -> Option<&ed25519::Pair> {
        self.voter_pairs.get(key)
    }

    /// Everyone who can sign.
    pub(super) fn people(&self) -> &[AccountId] {
        &self.people
    }

    pub(super) fn pair(&self, account: &AccountId) -> Option<&sr25519::Pair> {
        self.pairs.get(account)
    }

    /// Somebody who can sign.
    pub(super) fn person(&mut self) -> AccountId {
        self.people[self.chance.below(self.people.len())].clone()
    }

    /// Somebody who can be paid.
    pub(super) fn receiver(&mut self) -> AccountId {
        if self.chance.once_in(6) {
            self.others[self.chance.below(self.others.len())].clone()
        } else {
            self.person()
        }
    }

    /// Most often `wanted`, sometimes just anyone.
    pub(super) fn mostly(&mut self, wanted: &AccountId) -> AccountId {
        if self.chance.once_in(16) {
            self.person()
        } else {
            wanted.clone()
        }
    }

    /// An account that came to be, such as that of several signatories.
    pub(super) fn learn(&mut self, account: AccountId) {
        if self.others.len() < MOST_OTHERS && !self.others.contains(&account) {
            self.others.push(account);
        }
    }

    /// What an account may spend and go on.
    pub(super) fn spendable(&self, account: &AccountId) -> Balance {
        Balances::reducible_balance(account, Preservation::Preserve, Fortitude::Polite)
    }

    /// An amount for somebody who has `most`: usual ones, the edges, and absurd ones.
    pub(super) fn amount(&mut self, most: Balance) -> Balance {
        match self.chance.below(40) {
            0 => 0,
            1 => EXISTENTIAL_DEPOSIT - 1,
            2..=4 => EXISTENTIAL_DEPOSIT,
            5 => most,
            6 => most.saturating_add(1),
            7 => Balance::MAX,
            8 => Balance::MAX - self.chance.between(0, most),
            9..=19 => self.chance.between(EXISTENTIAL_DEPOSIT, XEN.min(most)),
            _ => most / self.chance.between(10, 10_000),
        }
    }

    /// How long something is to last that may last for `most` blocks: mostly not long.
    pub(super) fn lifetime(&mut self, most: BlockNumber) -> BlockNumber {
        match self.chance.below(30) {
            0 => 0,
            1 => most,
            2 => most.saturating_add(1),
            3 => BlockNumber::MAX,
            4..=9 => self.chance.blocks(1, most.min(2000)),
            _ => self.chance.blocks(1, most.min(300)),
        }
    }

    /// Keys with which `account` could author, and the proof that it has them. Each account has a
    /// few sets.
    pub(super) fn session_keys(&mut self, account: &AccountId) -> (SessionKeys, Vec<u8>) {
        let seed = key_seed(account, self.chance.below(KEY_SETS.into()) as u8);
        let (authors, finalizes) =
            (sr25519::Pair::from_seed(&seed), ed25519::Pair::from_seed(&seed));
        let keys =
            SessionKeys { aura: authors.public().into(), grandpa: finalizes.public().into() };
        let statement = statement_of_ownership(&account.encode());
        let proof = (authors.sign(&statement), finalizes.sign(&statement)).encode();
        (keys, proof)
    }
}

fn key_seed(account: &AccountId, set: u8) -> [u8; 32] {
    sp_io::hashing::blake2_256(&(account, set).encode())
}
