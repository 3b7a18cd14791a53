//! Who acts on a measured chain, the same for the program that makes its genesis and for those that
//! load it.
//!
//! *Active* accounts send transactions. *Owners* hold what stands on the chain from its first block
//! and send none, so that the bounds on one account are left to the active ones.

use codec::Encode;
use frame_support::traits::Get;
use sp_core::{crypto::Pair as _, sr25519::Pair};
use sp_crypto_hashing::blake2_256;
use sp_runtime::BoundedVec;
use zennet_primitives::{
    amount::{Balance, XEN},
    announcement::{Announcement, ImageRef, LeaseRange, Needs},
    channel::{channel_id, ChannelId},
    hash_of, AccountId, Hash, SessionKey,
};
use zennet_runtime::Runtime;

/// Announcements, and channels, of an owner.
pub(crate) const PER_OWNER: u64 = 32;

/// What an active account starts with, in the smallest coin unit.
pub(crate) const ACTIVE_COIN: Balance = 100 * XEN;

/// Deposit of a channel, in the smallest coin unit.
pub(crate) const DEPOSIT: Balance = XEN / 100;

/// Key of an account that sends transactions.
pub(crate) fn active_key(index: u64) -> Pair {
    key("active", index)
}

/// Account that sends transactions.
pub(crate) fn active(index: u64) -> AccountId {
    account(&active_key(index))
}

/// Account that owns what stands from the first block on.
pub(crate) fn owner(index: u64) -> AccountId {
    account(&key("owner", index))
}

/// Key that signs the vouchers of every channel.
pub(crate) fn session() -> Pair {
    key("session", 0)
}

/// The account of a key.
pub(crate) fn account(key: &Pair) -> AccountId {
    AccountId::new(key.public().0)
}

fn key(group: &str, index: u64) -> Pair {
    let seed = blake2_256(format!("zennet bench {group} {index}").as_bytes());
    Pair::from_seed(&seed)
}

/// A channel that stands from the first block on.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Its identifier. The hash of the first block, which is not yet known, is taken for zero.
    pub(crate) channel: ChannelId,
    /// Who pays: the number of an owner.
    pub(crate) owner: u64,
    /// Who is paid: the number of an active account.
    pub(crate) provider: u64,
    /// Hash of the contract.
    pub(crate) contract: Hash,
}

/// The channels that stand from the first block on, paid to active accounts in turn.
pub(crate) fn standing_channels<'a>(
    count: u64,
    owners: &'a [AccountId],
    providers: &'a [AccountId],
) -> impl Iterator<Item = Standing> + 'a {
    let (owned, paid) = (owners.len().max(1) as u64, providers.len().max(1) as u64);
    (0..count).map(move |number| {
        let (owner, provider) = (number % owned, number % paid);
        let contract = hash_of(&("standing", number));
        let parties = (&owners[owner as usize], &providers[provider as usize]);
        let channel = channel_id(Hash::zero(), parties.0, parties.1, contract, number / owned);
        Standing { channel, owner, provider, contract }
    })
}

/// Owners of so many announcements or channels.
pub(crate) fn owners_of(standing: u64, per_owner: u64) -> u64 {
    standing.div_ceil(per_owner.max(1))
}

/// Public half of [`session`].
pub(crate) fn session_key() -> SessionKey {
    session().public()
}

/// An announcement as large as one with an image and an endpoint usually is. It asks for more memory
/// than any host has, so that filters refuse it.
pub(crate) fn announcement(task: u64) -> Announcement {
    let peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    let endpoint = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}").into_bytes();
    Announcement {
        task,
        machines: 1,
        images: BoundedVec::truncate_from(vec![ImageRef::truncate_from(
            b"zennet-os:latest".to_vec(),
        )]),
        needs: Needs { memory_mib: Some(u32::MAX), ..Default::default() },
        lease: LeaseRange { min_secs: 60, max_secs: 3600 },
        interval_ms: 2000,
        max_rates: None,
        proposal_secs: 30,
        asks: 1,
        info_url: Default::default(),
        endpoint: BoundedVec::truncate_from(endpoint),
    }
}

/// Deposit of such an announcement, in the smallest coin unit.
pub(crate) fn announcement_deposit() -> Balance {
    let base = <Runtime as pallet_announcements::Config>::DepositBase::get();
    let per_byte = <Runtime as pallet_announcements::Config>::DepositPerByte::get();
    pallet_announcements::deposit_for(base, per_byte, announcement(0).encoded_size())
        .expect("the pallet's integrity test has it that the largest deposit fits; qed")
}

/// What the record of a channel costs besides, in the smallest coin unit.
pub(crate) fn channel_record_deposit() -> Balance {
    <Runtime as pallet_channels::Config>::RecordDeposit::get()
}

/// Such announcements that one account may have at a time.
pub(crate) fn most_announcements() -> u64 {
    let most: Balance = <Runtime as pallet_announcements::Config>::MaxDeposit::get();
    u64::try_from(most / announcement_deposit()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn accounts_are_told_apart_by_group_and_number() {
        let all = [active(0), active(1), owner(0), owner(1), account(&session())];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn no_two_standing_channels_have_one_identifier_and_no_owner_has_too_many() {
        let owners: Vec<_> = (0..owners_of(1000, PER_OWNER)).map(owner).collect();
        let providers: Vec<_> = (0..7).map(active).collect();
        let all: Vec<_> = standing_channels(1000, &owners, &providers).collect();
        assert_eq!(all.iter().map(|s| s.channel).collect::<BTreeSet<_>>().len(), 1000);
        for owner in 0..owners.len() as u64 {
            assert!(all.iter().filter(|s| s.owner == owner).count() as u64 <= PER_OWNER);
        }
    }

    #[test]
    fn the_announcement_is_one_that_the_chain_takes() {
        assert_eq!(announcement(7).check(), Ok(()));
    }

    #[test]
    fn every_announcement_has_the_same_deposit_and_an_owner_may_have_its_share() {
        assert_eq!(announcement(u64::MAX).encoded_size(), announcement(0).encoded_size());
        assert!(PER_OWNER <= most_announcements(), "{}", most_announcements());
    }
}
