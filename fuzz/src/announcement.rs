//! Announcements, as they come from the chain.

use codec::{DecodeAll, Encode};
use zennet_primitives::{
    announcement::{
        Announcement, LeaseRange, Needs, MAX_ANNOUNCEMENT_BYTES, MAX_TICK_MS, MIN_TICK_MS,
    },
    record::AnnouncementRecord,
};
use zennet_transport::parse_endpoint;

use crate::sample::{account, body, genesis, rates, ENDPOINT, PROVIDER, PUBLISHER};

/// A body decodes or is refused; what passes its check keeps the bounds; its endpoint is read or
/// refused; its identifier depends on who announces it.
pub fn run(data: &[u8]) {
    if let Ok(record) = AnnouncementRecord::<u32>::decode_all(&mut &data[..]) {
        assert_eq!(record.encode(), data);
        examine(&record.body);
    }
    if let Ok(body) = Announcement::decode_all(&mut &data[..]) {
        assert_eq!(body.encode(), data);
        examine(&body);
    }
}

fn examine(body: &Announcement) {
    if body.check().is_ok() {
        assert!(body.encoded_size() <= MAX_ANNOUNCEMENT_BYTES);
        assert!((MIN_TICK_MS..=MAX_TICK_MS).contains(&body.tick_ms()));
        assert!(body.lease.min_secs > 0 && body.lease.min_secs <= body.lease.max_secs);
        assert!(!body.endpoint.is_empty());
    }
    let public = parse_endpoint(&body.endpoint, false);
    if public.is_ok() {
        assert_eq!(public, parse_endpoint(&body.endpoint, true));
    }
    let id = |seed| body.id(genesis(), &account(seed));
    assert_eq!(id(PUBLISHER), id(PUBLISHER));
    assert_ne!(id(PUBLISHER), id(PROVIDER));
}

/// A small one, a full one, one that is too large, and a record.
pub fn seeds() -> Vec<Vec<u8>> {
    let image = |name: &[u8]| name.to_vec().try_into().expect("it is short");
    let full = Announcement {
        task: u64::MAX,
        machines: 9,
        images: vec![image(b"zennet/os"), image(b"debian:13")].try_into().expect("two of four"),
        needs: Needs {
            cpu_millis: Some(1000),
            clock_mhz: Some(2000),
            memory_mib: Some(512),
            memory_mib_per_sec: Some(9000),
            disk_mib: Some(1024),
            disk_mib_per_sec: Some(100),
            bandwidth_kbit_per_sec: Some(10_000),
            volume_mib: Some(64),
        },
        lease: LeaseRange { min_secs: 1, max_secs: u32::MAX },
        interval_ms: -500,
        max_rates: Some(rates()),
        proposal_secs: u16::MAX,
        asks: 1 << 20,
        info_url: b"https://example.org/task".to_vec().try_into().expect("it is short"),
        endpoint: ENDPOINT.as_bytes().to_vec().try_into().expect("it is short"),
    };
    let large = Announcement {
        images: vec![image(&[b'a'; 96]); 4].try_into().expect("four of four"),
        endpoint: vec![b'e'; 192].try_into().expect("as long as it may be"),
        ..full.clone()
    };
    let record = AnnouncementRecord {
        publisher: account(PUBLISHER),
        body: body(true),
        stamp: 7,
        expires_at: 99u32,
        deposit: 1 << 50,
    };
    vec![body(false).encode(), body(true).encode(), full.encode(), large.encode(), record.encode()]
}
