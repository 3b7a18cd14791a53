//! Puts announcements into the genesis of a chain, for measurements of those who follow it.
//!
//! Reads a raw chain specification from stdin and writes it to stdout with as many announcements as
//! the argument says. Each is of another publisher, and as large as one with an image and an endpoint
//! usually is. All ask for more memory than any host has, so that filters refuse them.

use std::io;

use codec::Encode;
use serde_json::Value;
use sp_core::bytes::to_hex;
use sp_crypto_hashing::twox_128;
use zennet_primitives::{
    announcement::{Announcement, LeaseRange, Needs},
    record::AnnouncementRecord,
    AccountId, Hash,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let count = std::env::args().nth(1).ok_or("usage: bench-announcements COUNT")?;
    let count: u64 = count.parse()?;
    let mut spec: Value = serde_json::from_reader(io::stdin().lock())?;
    let top = spec.pointer_mut("/genesis/raw/top").and_then(Value::as_object_mut);
    let top = top.ok_or("this is no raw chain specification")?;
    let prefix = [twox_128(b"Announcements"), twox_128(b"Announcements")].concat();
    for task in 0..count {
        let record = record(task)?;
        let id = record.body.id(Hash::zero(), &record.publisher);
        let key = [&prefix[..], id.as_bytes()].concat();
        top.insert(to_hex(&key, false), to_hex(&record.encode(), false).into());
    }
    serde_json::to_writer(io::stdout().lock(), &spec)?;
    Ok(())
}

fn record(task: u64) -> Result<AnnouncementRecord<u32>, Failure> {
    let peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    let bounded = |_| "a text is too long";
    let image = b"zennet-os:latest".to_vec().try_into().map_err(bounded)?;
    let endpoint = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}").into_bytes();
    Ok(AnnouncementRecord {
        publisher: AccountId::new(*Hash::from_low_u64_be(task + 1).as_fixed_bytes()),
        body: Announcement {
            task,
            machines: 1,
            images: vec![image].try_into().map_err(|_| "too many images")?,
            needs: Needs { memory_mib: Some(u32::MAX), ..Default::default() },
            lease: LeaseRange { min_secs: 60, max_secs: 3600 },
            interval_ms: 2000,
            max_rates: None,
            proposal_secs: 30,
            asks: 1,
            info_url: Default::default(),
            endpoint: endpoint.try_into().map_err(bounded)?,
        },
        stamp: 0,
        expires_at: u32::MAX,
        deposit: 0,
    })
}
