//! Which transactions are sent, by whom, in which order.

use std::collections::HashMap;

use anyhow::{Context, Result};
use clap::ValueEnum;
use codec::Decode;
use frame_support::traits::Get;
use futures::{stream, StreamExt, TryStreamExt};
use sp_core::sr25519::Pair;
use zennet_chain_client::Chain;
use zennet_primitives::{amount::Balance, channel::ChannelId, AccountId};
use zennet_runtime::Runtime;

use crate::{
    blocks::Deeds,
    population::{account, active_key, most_announcements, owner, standing_channels},
    transactions::{Ground, Job, Order},
};

/// Channels that one transaction opens.
pub(crate) const BATCH: usize = 50;

/// The shortest lifetime of announcements, blocks: none expires while kinds are measured.
const SHORTEST: u64 = 3600;

/// Requests for nonces at once.
const AT_ONCE: usize = 64;

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `Balances.transfer_keep_alive`
    Transfer,
    /// `Announcements.announce`
    Announce,
    /// `Channels.open`
    Open,
    /// `Utility.force_batch` of `Channels.open`
    OpenBatch,
    /// `Channels.claim`
    Claim,
    /// `Channels.close` with a voucher
    Close,
    /// One after the other: transfer, announce, open, claim, close
    Mixed,
}

impl Kind {
    /// Every kind, in an order in which channels are opened before they are closed.
    pub(crate) const ALL: [Kind; 7] = [
        Kind::Transfer,
        Kind::Announce,
        Kind::Open,
        Kind::OpenBatch,
        Kind::Claim,
        Kind::Close,
        Kind::Mixed,
    ];

    /// Calls in one transaction.
    pub(crate) fn calls(self) -> usize {
        if self == Kind::OpenBatch {
            BATCH
        } else {
            1
        }
    }

    /// How many of what this kind is for a block did.
    pub(crate) fn done(self, deeds: &Deeds) -> u64 {
        match self {
            Kind::Transfer => deeds.transfers,
            Kind::Announce => deeds.announced,
            Kind::Open | Kind::OpenBatch => deeds.opened.len() as u64,
            Kind::Claim => deeds.claimed,
            Kind::Close => deeds.settled,
            Kind::Mixed => deeds.succeeded,
        }
    }
}

/// Lifetimes that so many announcements are given in turn. Publishers take round ones, so that many
/// announcements share a block of expiry; these have as few as fill an eighth of each, which is what
/// stands on a busy chain: were all of them full, nobody else could announce.
fn spread_of(announcements: u64) -> u64 {
    let most: u32 = <Runtime as pallet_announcements::Config>::MaxExpiringPerBlock::get();
    announcements.div_ceil(u64::from(most / 8)).max(1)
}

/// A channel that is open.
struct Channel {
    id: ChannelId,
    provider: usize,
    claimed: Balance,
}

/// The accounts, and the channels that they have.
pub(crate) struct Plan {
    keys: Vec<Pair>,
    accounts: Vec<AccountId>,
    numbers: HashMap<AccountId, usize>,
    channels: Vec<Channel>,
    ground: Ground,
    /// Announcements planned so far, of all accounts in turn.
    tasks: u64,
    /// Announcements that stand, of those.
    announced: u64,
    /// Those that may still be planned.
    room: u64,
    /// Lifetimes that they have.
    spread: u64,
    /// Contracts made so far.
    contracts: u64,
}

impl Plan {
    pub(crate) fn new(
        chain: &Chain,
        accounts: u64,
        standing: u64,
        owners: u64,
        tip: Balance,
    ) -> Self {
        let keys: Vec<Pair> = (0..accounts).map(active_key).collect();
        let accounts: Vec<AccountId> = keys.iter().map(account).collect();
        let owners: Vec<AccountId> = (0..owners).map(owner).collect();
        let channels = standing_channels(standing, &owners, &accounts)
            .map(|s| Channel { id: s.channel, provider: s.provider as usize, claimed: 0 })
            .collect();
        let numbers = accounts.iter().cloned().enumerate().map(|(n, who)| (who, n)).collect();
        let ground = Ground { genesis: chain.genesis(), now: 0, tip };
        Self {
            keys,
            accounts,
            numbers,
            channels,
            ground,
            tasks: 0,
            announced: 0,
            room: 0,
            spread: 1,
            contracts: 0,
        }
    }

    /// Takes note of what a block put on the chain.
    pub(crate) fn note(&mut self, deeds: &Deeds) {
        self.announced += deeds.announced;
        for (id, provider) in &deeds.opened {
            if let Some(provider) = self.numbers.get(provider) {
                self.channels.push(Channel { id: *id, provider: *provider, claimed: 0 });
            }
        }
    }

    /// Signed transactions of a kind, in lanes that have all of an account in its order.
    pub(crate) async fn lanes(
        &mut self,
        chain: &Chain,
        kind: Kind,
        count: usize,
        lanes: usize,
    ) -> Result<Vec<Vec<Vec<u8>>>> {
        let head = chain.best().await?;
        self.ground.now = head.number;
        // What stands may be one uneven round of the accounts.
        let stand = self.announced.div_ceil(self.accounts.len() as u64);
        let rounds = most_announcements().saturating_sub(stand);
        self.room = rounds.saturating_sub(1) * self.accounts.len() as u64;
        let announcements = if kind == Kind::Mixed { count.div_ceil(5) } else { count };
        self.spread = spread_of(self.tasks + announcements as u64);
        let mut nonces = self.nonces(chain, head.hash).await?;
        let orders: Vec<Order> = self
            .jobs(kind, count)
            .into_iter()
            .map(|(who, job)| {
                let nonce = nonces[who];
                nonces[who] += 1;
                (who, nonce, job)
            })
            .collect();
        let whose: Vec<usize> = orders.iter().map(|(who, ..)| *who).collect();
        let (ground, keys) = (self.ground, self.keys.clone());
        let signed = tokio::task::spawn_blocking(move || ground.sign_all(&keys, &orders)).await?;
        let mut sorted = vec![Vec::new(); lanes];
        for (who, transaction) in whose.into_iter().zip(signed) {
            sorted[who % lanes].push(transaction);
        }
        Ok(sorted)
    }

    async fn nonces(&self, chain: &Chain, at: zennet_primitives::Hash) -> Result<Vec<u32>> {
        type Info = frame_system::AccountInfo<u32, pallet_balances::AccountData<Balance>>;
        let read = |who: &AccountId| {
            let key = frame_system::Account::<Runtime>::hashed_key_for(who);
            async move {
                let bytes = chain.bytes(&key, at).await?.context(
                    "an account does not exist: was the chain made by `genesis` with as many?",
                )?;
                anyhow::Ok(Info::decode(&mut &bytes[..])?.nonce)
            }
        };
        stream::iter(self.accounts.iter().map(read)).buffered(AT_ONCE).try_collect().await
    }

    fn jobs(&mut self, kind: Kind, count: usize) -> Vec<(usize, Job)> {
        match kind {
            Kind::Transfer => self.each(count, |plan, who| Some(plan.transfer(who))),
            Kind::Announce => (0..count).map_while(|_| self.announce()).collect(),
            Kind::Open => self.each(count, |plan, who| Some(plan.open(who))),
            Kind::OpenBatch => self.each(count, |plan, who| Some(plan.open_batch(who))),
            Kind::Claim => self.claims(count),
            Kind::Close => {
                // Some are left for what is mixed.
                let most = self.channels.len() * 3 / 4;
                (0..count.min(most)).map_while(|_| self.close()).collect()
            }
            Kind::Mixed => self.mixed(count),
        }
    }

    /// One after the other of the accounts has its turn.
    fn each(
        &mut self,
        count: usize,
        job: impl Fn(&mut Self, usize) -> Option<Job>,
    ) -> Vec<(usize, Job)> {
        let all = self.accounts.len();
        (0..count).map_while(|turn| Some((turn % all, job(self, turn % all)?))).collect()
    }

    /// The account after this one.
    fn next(&self, who: usize) -> AccountId {
        self.accounts[(who + 1) % self.accounts.len()].clone()
    }

    fn transfer(&self, who: usize) -> Job {
        Job::Transfer(self.next(who))
    }

    fn announce(&mut self) -> Option<(usize, Job)> {
        self.room = self.room.checked_sub(1)?;
        let task = self.tasks;
        self.tasks += 1;
        let who = (task % self.accounts.len() as u64) as usize;
        Some((who, Job::Announce { task, lifetime: (SHORTEST + task % self.spread) as u32 }))
    }

    fn open(&mut self, who: usize) -> Job {
        self.contracts += 1;
        Job::Open { provider: self.next(who), contract: self.contracts }
    }

    fn open_batch(&mut self, who: usize) -> Job {
        let first = self.contracts + 1;
        self.contracts += BATCH as u64;
        let contracts = (first..=self.contracts).collect();
        Job::OpenBatch { provider: self.next(who), contracts }
    }

    /// Vouchers of all channels in turn. Those of one channel are shown by one account, since they
    /// must come in their order: by its provider, as they are where people rent.
    fn claims(&mut self, count: usize) -> Vec<(usize, Job)> {
        let all = self.channels.len();
        let count = if all == 0 { 0 } else { count };
        (0..count).map(|turn| self.claim(turn % all)).collect()
    }

    fn claim(&mut self, number: usize) -> (usize, Job) {
        let channel = &mut self.channels[number];
        channel.claimed += 1;
        (channel.provider, Job::Claim(channel.id, channel.claimed))
    }

    fn close(&mut self) -> Option<(usize, Job)> {
        let channel = self.channels.pop()?;
        Some((channel.provider, Job::Close(channel.id, channel.claimed + 1)))
    }

    /// Ends with the first kind that nothing is left for. What is closed is not claimed before, since
    /// transactions of different accounts come in any order.
    fn mixed(&mut self, count: usize) -> Vec<(usize, Job)> {
        let mut jobs = Vec::new();
        let claimable = self.channels.len() / 2;
        for turn in 0..count {
            let who = (turn / 5) % self.accounts.len();
            let job = match turn % 5 {
                0 => Some((who, self.transfer(who))),
                1 => self.announce(),
                2 => Some((who, self.open(who))),
                _ if self.channels.len() <= claimable.max(1) => None,
                3 => Some(self.claim((turn / 5) % claimable)),
                _ => self.close(),
            };
            let Some(job) = job else { break };
            jobs.push(job);
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most announcements that expire in one block, if blocks take in so many, in turn.
    fn fullest(announcements: u64, per_block: u64) -> u64 {
        let spread = spread_of(announcements);
        let mut expiring = HashMap::<u64, u64>::new();
        for task in 0..announcements {
            *expiring.entry(task / per_block + task % spread).or_default() += 1;
        }
        expiring.into_values().max().unwrap_or_default()
    }

    #[test]
    fn no_block_of_expiry_fills_and_many_announcements_share_one() {
        let most: u32 = <Runtime as pallet_announcements::Config>::MaxExpiringPerBlock::get();
        for announcements in [1, 1000, 1500, 50_000, 290_000] {
            for per_block in [1, 100, 1000, 1400, 2500] {
                let fullest = fullest(announcements, per_block);
                let case = format!("{announcements} by {per_block}: {fullest}");
                assert!(fullest <= u64::from(most) * 3 / 4, "{case}");
                let shared = announcements.min(u64::from(most / 16));
                assert!(fullest >= shared || per_block < 1000, "{case}");
            }
        }
    }
}
