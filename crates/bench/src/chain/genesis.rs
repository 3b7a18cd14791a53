//! Puts accounts, announcements and channels into the genesis of a chain, for measurements.
//!
//! Reads a raw chain specification of the development chain from stdin and writes it to stdout with
//! what the arguments ask for. Coin is moved by the pallets' own code from the account that tests draw
//! from, so the supply stays whole; the records, their keys and their encoding are those of the
//! pallets' storage types, and the coin of deposits is held as the pallets hold it. What the pallets
//! check when something is put on the chain is not checked: stamps are zero, and identifiers are
//! computed with a zero hash of the first block.

use std::io::{self, BufReader, BufWriter, Write};

use anyhow::{anyhow, Context, Result};
use codec::Encode;
use frame_support::traits::{
    fungible::{Mutate, MutateHold},
    tokens::Preservation,
    Get,
};
use serde_json::Value;
use sp_core::{
    bytes::{from_hex, to_hex},
    storage::Storage,
};
use sp_keyring::Sr25519Keyring;
use sp_runtime::BoundedVec;
use sp_state_machine::BasicExternalities;
use zennet_primitives::{
    amount::{Balance, XEN},
    pow::{Epoch, Role},
    record::{AnnouncementRecord, ChannelRecord, IdentityRecord},
    AccountId, Hash,
};
use zennet_runtime::{Balances, BlockNumber, Runtime, RuntimeHoldReason};

use crate::population::{
    active, announcement, announcement_deposit, channel_record_deposit, owner, owners_of,
    session_key, standing_channels, ACTIVE_COIN, DEPOSIT, PER_OWNER,
};

/// Stands for the storage in the text of the specification until it is written.
const PLACE: &str = "storage goes here";

#[derive(clap::Args, Debug)]
pub(crate) struct Opts {
    /// Accounts with coin and publishers' identities that will send transactions
    #[arg(long, default_value_t = 0)]
    accounts: u64,
    /// Announcements that stand
    #[arg(long, default_value_t = 0)]
    announcements: u64,
    /// Channels that stand
    #[arg(long, default_value_t = 0)]
    channels: u64,
    /// Announcements, and channels, of one owner at most
    #[arg(long, default_value_t = PER_OWNER)]
    per_owner: u64,
}

pub(crate) fn run(opts: &Opts) -> Result<()> {
    let mut spec: Value = serde_json::from_reader(BufReader::new(io::stdin().lock()))?;
    let top = spec.pointer_mut("/genesis/raw/top").context("this is no raw chain specification")?;
    let mut storage = Storage { top: decode(top)?, ..Default::default() };
    *top = PLACE.into();
    let owners: Vec<AccountId> =
        (0..owners_of(opts.announcements.max(opts.channels), opts.per_owner)).map(owner).collect();
    let providers: Vec<AccountId> = (0..opts.accounts).map(active).collect();
    BasicExternalities::execute_with_storage(&mut storage, || {
        endow(&owners, &providers, opts).map_err(|error| anyhow!("{error:?}"))
    })?;
    let text = serde_json::to_string(&spec)?;
    let (head, tail) = text.split_once(&format!("{PLACE:?}")).context("the storage's place")?;
    let mut out = Entries { out: BufWriter::new(io::stdout().lock()), first: true };
    write!(out.out, "{head}{{")?;
    for (key, value) in &storage.top {
        out.write(key, value)?;
    }
    write_announcements(&mut out, &owners, opts.announcements)?;
    write_channels(&mut out, &owners, &providers, opts.channels)?;
    write!(out.out, "}}{tail}")?;
    out.out.flush()?;
    Ok(())
}

fn decode(top: &Value) -> Result<std::collections::BTreeMap<Vec<u8>, Vec<u8>>> {
    let entries = top.as_object().context("the storage is no object")?.iter();
    let bytes = |text: &str| from_hex(text).map_err(|error| anyhow!("{error:?}"));
    entries
        .map(|(key, value)| {
            Ok((bytes(key)?, bytes(value.as_str().context("a value is no text")?)?))
        })
        .collect()
}

/// Gives everyone coin and identities, and holds the deposits of what will stand.
fn endow(
    owners: &[AccountId],
    providers: &[AccountId],
    opts: &Opts,
) -> Result<(), sp_runtime::DispatchError> {
    let bank = Sr25519Keyring::Ferdie.to_account_id();
    let difficulty = <Runtime as pallet_mined_identity::Config>::MinDifficulty::get();
    for (number, who) in (0..).zip(providers) {
        // As on a chain in use, no two records are alike: of those that are, and change in the same
        // block, a node's database keeps some for ever (`docs/measurements/prune.md`).
        let coin = ACTIVE_COIN + number;
        Balances::transfer(&bank, who, coin, Preservation::Preserve)?;
        let record = IdentityRecord { registered_at: 0, difficulty };
        pallet_mined_identity::Identities::<Runtime>::insert(Role::Publisher, who, record);
    }
    let epoch = Epoch { began: 0, registered: opts.accounts as u32 };
    pallet_mined_identity::Epochs::<Runtime>::insert(Role::Publisher, epoch);
    for (number, who) in owners.iter().enumerate() {
        let share = |of: u64| share(of, owners.len() as u64, number as u64);
        let (announcements, channels) = (share(opts.announcements), share(opts.channels));
        let deposits = Balance::from(announcements) * announcement_deposit();
        let locked = Balance::from(channels) * (DEPOSIT + channel_record_deposit());
        Balances::transfer(&bank, who, deposits + locked + XEN, Preservation::Preserve)?;
        if announcements > 0 {
            let reason = pallet_announcements::HoldReason::Announcement;
            Balances::hold(&RuntimeHoldReason::Announcements(reason), who, deposits)?;
        }
        if channels > 0 {
            let reason = pallet_deposits::HoldReason::Channel;
            Balances::hold(&RuntimeHoldReason::Deposits(reason), who, locked)?;
            pallet_channels::NextNonce::<Runtime>::insert(who, channels);
        }
    }
    Ok(())
}

/// How many of `of` things, given out in turn, number `number` of `all` gets.
fn share(of: u64, all: u64, number: u64) -> u64 {
    of / all + u64::from(number < of % all)
}

/// Announcements expire over the second half of the longest lifetime, in turn.
fn write_announcements(out: &mut Entries, owners: &[AccountId], count: u64) -> Result<()> {
    type MaxPerBlock = <Runtime as pallet_announcements::Config>::MaxExpiringPerBlock;
    let longest: BlockNumber = <Runtime as pallet_announcements::Config>::MaxLifetime::get();
    let span = u64::from(longest / 2);
    let mut expiring = vec![Vec::new(); span.min(count) as usize];
    for task in 0..count {
        let publisher = owners[(task % owners.len() as u64) as usize].clone();
        let body = announcement(task);
        let id = body.id(Hash::zero(), &publisher);
        let turn = (task % span) as u32;
        let expires_at = longest - turn;
        let deposit = announcement_deposit();
        let record = AnnouncementRecord { publisher, body, stamp: 0, expires_at, deposit };
        let key = pallet_announcements::Announcements::<Runtime>::hashed_key_for(id);
        out.write(&key, &record.encode())?;
        expiring[turn as usize].push(id);
    }
    for (turn, ids) in expiring.into_iter().enumerate() {
        let ids: BoundedVec<Hash, MaxPerBlock> = ids.try_into().map_err(|_| {
            anyhow!("{count} announcements are more than can expire in {span} blocks")
        })?;
        let at = longest - turn as u32;
        let key = pallet_announcements::ExpiringAt::<Runtime>::hashed_key_for(at);
        out.write(&key, &ids.encode())?;
    }
    Ok(())
}

fn write_channels(
    out: &mut Entries,
    owners: &[AccountId],
    providers: &[AccountId],
    count: u64,
) -> Result<()> {
    anyhow::ensure!(count == 0 || !providers.is_empty(), "channels need accounts that are paid");
    for standing in standing_channels(count, owners, providers) {
        let record: ChannelRecord<BlockNumber> = ChannelRecord {
            publisher: owners[standing.owner as usize].clone(),
            provider: providers[standing.provider as usize].clone(),
            contract: standing.contract,
            session_key: session_key(),
            deposit: DEPOSIT,
            paid: 0,
            record_deposit: channel_record_deposit(),
            expires_at: <Runtime as pallet_channels::Config>::MaxLifetime::get(),
            challenge: <Runtime as pallet_channels::Config>::MinChallenge::get(),
            closing_at: None,
            app: None,
        };
        let key = pallet_channels::Channels::<Runtime>::hashed_key_for(standing.channel);
        out.write(&key, &record.encode())?;
    }
    Ok(())
}

/// Writes the entries of a JSON object one by one: a million of them need not fit in memory.
struct Entries<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    first: bool,
}

impl Entries<'_> {
    fn write(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        write!(self.out, "{comma}\"{}\":\"{}\"", to_hex(key, false), to_hex(value, false))
    }
}
