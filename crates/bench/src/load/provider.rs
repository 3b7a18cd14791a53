//! One provider: an account, an endpoint, and the leases of the announcements that it answers.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rand::random;
use tokio::time::sleep;
use zennet_chain_client::{AccountKey, Chain};
use zennet_lease::{quote_for, Listing, ProviderLimits, ProviderSetup};
use zennet_primitives::{
    announcement::{acceptance_message, AnnouncementId, ImageRef},
    contract::{Capabilities, Offer, Resources, Wall},
    pow::{mine, stamp_work},
    record::AnnouncementRecord,
};
use zennet_time::Clock;
use zennet_transport::{parse_endpoint, Endpoint, Limits};

use super::{
    channels::Channels,
    lease,
    lie::{prices, Lie, Reports},
    ssh::HostKey,
};

/// How long the first lease of an announcement goes ahead of the others, as with real providers.
const AHEAD: Duration = Duration::from_secs(1);

/// Time to dial.
const DIAL: Duration = Duration::from_secs(30);

/// Longest lease, seconds.
const MAX_LEASE_SECS: u32 = 24 * 3600;

/// Time that a voucher may take, milliseconds: what a new provider's configuration says.
const GRACE_MS: u32 = 2000;

/// What an announcement gets that does not say, and the most that it gets.
const USUAL: Resources = Resources { cpu_millis: 200, memory_mib: 64, disk_mib: 16, volume_mib: 0 };
const LARGEST: Resources =
    Resources { cpu_millis: 64_000, memory_mib: 1 << 20, disk_mib: 1 << 20, volume_mib: 0 };

/// What all providers share.
pub(crate) struct Grounds {
    pub(crate) chain: Chain,
    pub(crate) channels: Channels,
    pub(crate) clock: Clock,
    /// Machines of each provider.
    pub(crate) machines: u32,
}

pub(crate) struct Provider {
    pub(crate) grounds: Arc<Grounds>,
    pub(crate) key: AccountKey,
    endpoint: Endpoint,
    lie: Option<Lie>,
}

/// Answers every announcement with all machines, for good.
pub(crate) async fn answer_all(chain: &Chain, providers: &[Arc<Provider>]) -> Result<()> {
    let mut answered = HashSet::new();
    let mut heads = chain.follow_best().await?;
    loop {
        let head = heads.next().await.context("no more heads")??;
        // Of the few that stand here, all are on the first page.
        for (id, record) in chain.announcements_page(None, head.hash).await?.found {
            if !answered.insert(id) {
                continue;
            }
            tracing::info!(machines = record.body.machines, "an announcement is answered");
            for provider in providers {
                tokio::spawn(provider.clone().answer(id, record.clone()));
            }
        }
    }
}

impl Provider {
    pub(crate) fn new(grounds: Arc<Grounds>, key: AccountKey, lie: Option<Lie>) -> Result<Self> {
        let endpoint = Endpoint::dialer(Limits { allow_private: true, ..Limits::default() })?;
        Ok(Provider { grounds, key, endpoint, lie })
    }

    async fn answer(self: Arc<Self>, id: AnnouncementId, record: AnnouncementRecord<u32>) {
        for slot in 0..self.grounds.machines {
            if slot == 1 {
                sleep(AHEAD).await;
            }
            let (provider, record) = (self.clone(), record.clone());
            tokio::spawn(async move {
                match Box::pin(provider.serve(id, record)).await {
                    Ok(reason) => tracing::debug!(%reason, "a lease ended"),
                    Err(error) => tracing::warn!(error = format!("{error:#}"), "a lease failed"),
                }
            });
        }
    }

    async fn serve(
        self: Arc<Self>,
        id: AnnouncementId,
        record: AnnouncementRecord<u32>,
    ) -> Result<zennet_primitives::close::CloseReason> {
        let AnnouncementRecord { publisher, body, .. } = record;
        let chain = &self.grounds.chain;
        let (genesis, account) = (chain.genesis(), self.key.account());
        let message = acceptance_message(genesis, id, &account);
        let found = mine(|nonce| stamp_work(message, nonce), body.asks, random(), u64::MAX);
        let stamp = found.context("no stamp was found")?;
        let host_key = HostKey::generate();
        let (rates, behind) = prices(self.lie)?;
        let (basis, report) = behind.unzip();
        let listing = Listing {
            rates,
            basis,
            grace_ms: GRACE_MS,
            available: LARGEST,
            default: USUAL,
            max_lease_secs: MAX_LEASE_SECS,
            notice_secs: 0,
            max_keep_secs: 0,
            keep_unpaid_secs: 0,
            image: ImageRef::truncate_from(b"zennet-os".to_vec()),
            image_digest: [1; 32],
            host_key: host_key.public,
        };
        let setup = ProviderSetup {
            genesis,
            announcement: id,
            publisher,
            account,
            offer: Offer { capabilities: capabilities(), stamp, report },
            quote: quote_for(&body, &listing)?,
            floor: rates,
            limits: ProviderLimits::default(),
        };
        let address = parse_endpoint(&body.endpoint, true)?;
        let link = self.endpoint.dial(&address, DIAL).await.context("cannot dial")?;
        let reports = Reports::new(self.lie);
        Box::pin(lease::run(&self, link, setup, host_key, reports)).await
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        cores: 64,
        clock_mhz: None,
        memory_mib: LARGEST.memory_mib,
        disk_mib: LARGEST.disk_mib,
        bandwidth_kbit_per_sec: None,
        benchmarks: Default::default(),
        wall: Wall::Namespaces,
    }
}
