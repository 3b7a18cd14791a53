//! Keys, offers and terms that the targets start from.

use std::sync::OnceLock;

use sp_core::{sr25519, Pair as _};
use zennet_lease::{
    quote_for, Listing, ProviderLimits, ProviderSetup, PublisherLimits, PublisherPolicy,
    PublisherSetup,
};
use zennet_primitives::{
    amount::Rates,
    announcement::{acceptance_message, Announcement, LeaseRange, Needs},
    auth::PeerIdBytes,
    contract::{Capabilities, Offer, Resources, Terms},
    pow::{mine, stamp_work},
    record::ChannelRecord,
    signed::{Signable, Unverified},
    usage::Counter,
    AccountId, Hash, SessionKey,
};

/// Seeds of the keys.
pub const PUBLISHER: u8 = 1;
/// The provider's.
pub const PROVIDER: u8 = 2;
/// That of the vouchers.
pub const SESSION: u8 = 3;
/// Somebody else's.
pub const STRANGER: u8 = 0;

/// An endpoint of the right form.
pub const ENDPOINT: &str =
    "/ip4/8.8.8.8/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

/// The key of a seed: one of those above. Each is made once.
pub fn key(seed: u8) -> &'static sr25519::Pair {
    static KEYS: [OnceLock<sr25519::Pair>; 4] = [const { OnceLock::new() }; 4];
    KEYS[usize::from(seed % 4)].get_or_init(|| sr25519::Pair::from_seed(&[seed % 4; 32]))
}

/// Its public half.
pub fn public(seed: u8) -> SessionKey {
    key(seed).public()
}

/// The account of a seed.
pub fn account(seed: u8) -> AccountId {
    AccountId::from(public(seed))
}

/// The chain.
pub fn genesis() -> Hash {
    Hash::repeat_byte(9)
}

/// A peer id.
pub fn peer(number: u8) -> PeerIdBytes {
    PeerIdBytes::truncate_from(vec![number; 38])
}

/// Signs with the key of a seed.
pub fn sign<T: Signable>(seed: u8, payload: T, context: &T::Context) -> Unverified<T> {
    let signature = key(seed).sign(&payload.signing_bytes(context));
    Unverified { payload, signature }
}

/// An announcement that is sound.
pub fn body(prepaid: bool) -> Announcement {
    Announcement {
        task: 1,
        machines: 1,
        images: Default::default(),
        needs: Needs { memory_mib: Some(256), ..Default::default() },
        lease: LeaseRange { min_secs: 10, max_secs: 60 },
        interval_ms: if prepaid { -2000 } else { 2000 },
        max_rates: None,
        proposal_secs: 30,
        asks: 16,
        info_url: Default::default(),
        endpoint: ENDPOINT.as_bytes().to_vec().try_into().expect("it is short"),
    }
}

/// Rates of two counters.
pub fn rates() -> Rates {
    Rates::default()
        .with(Counter::CpuMicros, 10u128.pow(19))
        .with(Counter::MemoryByteSecs, 10u128.pow(10))
}

/// A host.
pub fn capabilities() -> Capabilities {
    Capabilities {
        cores: 2,
        clock_mhz: None,
        memory_mib: 4096,
        disk_mib: 4096,
        bandwidth_kbit_per_sec: None,
        benchmarks: Default::default(),
        wall: zennet_primitives::contract::Wall::Namespaces,
    }
}

/// What the host gives to one machine.
pub fn listing() -> Listing {
    Listing {
        rates: rates(),
        basis: None,
        grace_ms: 2000,
        available: Resources { cpu_millis: 2000, memory_mib: 4096, disk_mib: 4096, volume_mib: 0 },
        default: Resources { cpu_millis: 1000, memory_mib: 512, disk_mib: 1024, volume_mib: 0 },
        max_lease_secs: 3600,
        notice_secs: 0,
        max_keep_secs: 0,
        keep_unpaid_secs: 0,
        image: b"os".to_vec().try_into().expect("it is short"),
        image_digest: [7; 32],
        host_key: [8; 32],
    }
}

/// A provider before it dials.
pub fn provider_setup(prepaid: bool) -> ProviderSetup {
    let body = body(prepaid);
    let announcement = body.id(genesis(), &account(PUBLISHER));
    let message = acceptance_message(genesis(), announcement, &account(PROVIDER));
    ProviderSetup {
        genesis: genesis(),
        announcement,
        publisher: account(PUBLISHER),
        account: account(PROVIDER),
        offer: Offer {
            capabilities: capabilities(),
            stamp: mine(|nonce| stamp_work(message, nonce), body.asks, 0, 1 << 16)
                .expect("a few hashes are enough"),
            report: None,
        },
        quote: quote_for(&body, &listing()).expect("the listing answers the announcement"),
        floor: rates(),
        limits: ProviderLimits { claim_threshold: 10_000_000, ..Default::default() },
    }
}

/// A publisher before it is dialled.
pub fn publisher_setup(prepaid: bool) -> PublisherSetup {
    let body = body(prepaid);
    PublisherSetup {
        genesis: genesis(),
        announcement: body.id(genesis(), &account(PUBLISHER)),
        body,
        account: account(PUBLISHER),
        session_key: public(SESSION),
        client_key: [6; 32],
        policy: PublisherPolicy::default(),
        limits: PublisherLimits::default(),
    }
}

/// Terms that both sides would sign; made once.
pub fn terms() -> Terms {
    static TERMS: OnceLock<Terms> = OnceLock::new();
    TERMS.get_or_init(new_terms).clone()
}

fn new_terms() -> Terms {
    let quote = quote_for(&body(false), &listing()).expect("the listing answers the announcement");
    Terms {
        genesis: genesis(),
        announcement: body(false).id(genesis(), &account(PUBLISHER)),
        publisher: account(PUBLISHER),
        provider: account(PROVIDER),
        session_key: public(SESSION),
        client_key: [6; 32],
        quote,
        deposit: 1 << 40,
        challenge_blocks: 20,
        app: None,
        volume: None,
        read_only: false,
    }
}

/// The channel that terms ask for.
pub fn record(terms: &Terms) -> ChannelRecord<u32> {
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
        app: terms.app.clone(),
    }
}
