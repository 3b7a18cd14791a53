//! Keys, offers and policies of the two sides.

use sp_core::{sr25519, Pair as _};
use zennet_primitives::{
    amount::Rates,
    announcement::{acceptance_message, Announcement, LeaseRange, Needs},
    auth::PeerIdBytes,
    contract::{Capabilities, Offer, Resources, Terms},
    pow::{mine, stamp_work},
    record::ChannelRecord,
    signed::{Signable, Unverified},
    usage::Counter,
    AccountId, Hash,
};

use crate::*;

pub(crate) const TICK_MS: u32 = 2_000;
pub(crate) const GRACE_MS: u32 = 2_000;

pub(crate) fn key(seed: u8) -> sr25519::Pair {
    sr25519::Pair::from_seed(&[seed; 32])
}

pub(crate) fn account(seed: u8) -> AccountId {
    AccountId::from(key(seed).public())
}

pub(crate) const PUBLISHER: u8 = 1;
pub(crate) const PROVIDER: u8 = 2;
pub(crate) const SESSION: u8 = 3;

pub(crate) fn genesis() -> Hash {
    Hash::repeat_byte(9)
}

pub(crate) fn peer(number: u8) -> PeerIdBytes {
    PeerIdBytes::truncate_from(vec![number; 38])
}

pub(crate) fn sign<T: Signable>(seed: u8, payload: T, context: &T::Context) -> Unverified<T> {
    let signature = key(seed).sign(&payload.signing_bytes(context));
    Unverified { payload, signature }
}

pub(crate) fn body(prepaid: bool) -> Announcement {
    let tick = TICK_MS as i32;
    Announcement {
        task: 1,
        machines: 1,
        images: Default::default(),
        needs: Needs { memory_mib: Some(256), ..Default::default() },
        lease: LeaseRange { min_secs: 10, max_secs: 60 },
        interval_ms: if prepaid { -tick } else { tick },
        max_rates: None,
        proposal_secs: 30,
        asks: 16,
        info_url: Default::default(),
        endpoint: b"/ip4/127.0.0.1/tcp/1/p2p/x".to_vec().try_into().unwrap(),
    }
}

pub(crate) fn rates() -> Rates {
    Rates::default()
        .with(Counter::CpuMicros, 10u128.pow(19))
        .with(Counter::MemoryByteSecs, 10u128.pow(10))
}

pub(crate) fn provider_setup(prepaid: bool) -> ProviderSetup {
    let body = body(prepaid);
    let announcement = body.id(genesis(), &account(PUBLISHER));
    let message = acceptance_message(genesis(), announcement, &account(PROVIDER));
    ProviderSetup {
        genesis: genesis(),
        announcement,
        publisher: account(PUBLISHER),
        account: account(PROVIDER),
        offer: Offer {
            capabilities: Capabilities {
                cores: 2,
                clock_mhz: None,
                memory_mib: 4096,
                disk_mib: 4096,
                bandwidth_kbit_per_sec: None,
                benchmarks: Default::default(),
                wall: zennet_primitives::contract::Wall::Namespaces,
            },
            stamp: mine(|nonce| stamp_work(message, nonce), body.asks, 0, 1 << 16).unwrap(),
            report: None,
        },
        quote: quote_for(&body, &listing()).unwrap(),
        floor: rates(),
        limits: ProviderLimits { reconnect_ms: 10_000, ..Default::default() },
    }
}

pub(crate) fn listing() -> Listing {
    Listing {
        rates: rates(),
        basis: None,
        grace_ms: GRACE_MS,
        available: Resources { cpu_millis: 2000, memory_mib: 4096, disk_mib: 4096, volume_mib: 0 },
        default: Resources { cpu_millis: 1000, memory_mib: 512, disk_mib: 1024, volume_mib: 0 },
        max_lease_secs: 3600,
        notice_secs: 0,
        max_keep_secs: 0,
        keep_unpaid_secs: 0,
        image: b"os".to_vec().try_into().unwrap(),
        image_digest: [7; 32],
        host_key: [8; 32],
    }
}

pub(crate) fn publisher_setup(prepaid: bool) -> PublisherSetup {
    let body = body(prepaid);
    PublisherSetup {
        genesis: genesis(),
        announcement: body.id(genesis(), &account(PUBLISHER)),
        body,
        account: account(PUBLISHER),
        session_key: key(SESSION).public(),
        client_key: [6; 32],
        policy: PublisherPolicy::default(),
        limits: PublisherLimits { reconnect_ms: 10_000, ..Default::default() },
    }
}

/// The channel that these terms ask for.
pub(crate) fn record(terms: &Terms) -> ChannelRecord<u32> {
    ChannelRecord {
        publisher: terms.publisher.clone(),
        provider: terms.provider.clone(),
        contract: terms.hash(),
        session_key: terms.session_key,
        deposit: terms.deposit,
        paid: 0,
        record_deposit: 1,
        expires_at: 10_000,
        challenge: terms.challenge_blocks,
        closing_at: None,
        app: None,
    }
}
