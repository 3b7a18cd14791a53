//! Contracts and vouchers as JSON. Every name says its unit; amounts are in the smallest coin unit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zennet_primitives::{amount::Balance, channel::Voucher, contract::Terms, signed::Unverified};

/// The terms that both have signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TermsRecord {
    /// Hash that the channel was opened for.
    pub(crate) contract: String,
    /// Hash of the chain's first block.
    pub(crate) genesis: String,
    pub(crate) provider: String,
    /// Key that signs the vouchers, sr25519.
    pub(crate) session_key: String,
    /// Price of one unit of each counter, in 1e-18 of the smallest coin unit.
    pub(crate) rates_atto: BTreeMap<String, u128>,
    pub(crate) tick_ms: u32,
    pub(crate) grace_ms: u32,
    pub(crate) max_exposure: Balance,
    pub(crate) prepay: Balance,
    pub(crate) deposit: Balance,
    pub(crate) lease_secs: u32,
    pub(crate) challenge_blocks: u32,
    pub(crate) cpu_millis: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mib: u32,
    pub(crate) image: String,
    pub(crate) image_sha256: String,
    /// Of the machine, Ed25519.
    pub(crate) host_key: String,
}

impl From<&Terms> for TermsRecord {
    fn from(terms: &Terms) -> Self {
        let quote = &terms.quote;
        let rates = quote.rates.priced();
        TermsRecord {
            contract: format!("{:?}", terms.hash()),
            genesis: format!("{:?}", terms.genesis),
            provider: terms.provider.to_string(),
            session_key: hex::encode(terms.session_key.0),
            rates_atto: rates.map(|(counter, rate)| (counter.name().into(), rate)).collect(),
            tick_ms: quote.tick_ms,
            grace_ms: quote.grace_ms,
            max_exposure: quote.max_exposure,
            prepay: quote.prepay,
            deposit: terms.deposit,
            lease_secs: quote.lease_secs,
            challenge_blocks: terms.challenge_blocks,
            cpu_millis: quote.resources.cpu_millis,
            memory_mib: quote.resources.memory_mib,
            disk_mib: quote.resources.disk_mib,
            image: String::from_utf8_lossy(&quote.image).into_owned(),
            image_sha256: hex::encode(quote.image_digest),
            host_key: hex::encode(quote.host_key),
        }
    }
}

/// A voucher, with which anybody can check what was promised: the signature is by the session key
/// of the terms, over the chain, the channel, the amount and the hash of the usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoucherRecord {
    /// All that the channel pays with it.
    pub(crate) cumulative: Balance,
    pub(crate) usage_hash: String,
    pub(crate) signature: String,
}

impl From<&Unverified<Voucher>> for VoucherRecord {
    fn from(voucher: &Unverified<Voucher>) -> Self {
        VoucherRecord {
            cumulative: voucher.payload.cumulative,
            usage_hash: format!("{:?}", voucher.payload.usage_hash),
            signature: hex::encode(voucher.signature.0),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use zennet_primitives::{
        amount::Rates,
        announcement::ImageRef,
        contract::{Quote, Resources},
        usage::Counter,
        AccountId, Hash, SessionKey,
    };

    pub(crate) fn record() -> TermsRecord {
        TermsRecord::from(&Terms {
            genesis: Hash::repeat_byte(1),
            announcement: Hash::repeat_byte(2),
            publisher: AccountId::new([3; 32]),
            provider: AccountId::new([4; 32]),
            session_key: SessionKey::from_raw([5; 32]),
            client_key: [6; 32],
            quote: Quote {
                rates: Rates::default().with(Counter::CpuMicros, u128::MAX),
                basis: None,
                tick_ms: 2000,
                grace_ms: 1000,
                max_exposure: u128::MAX,
                prepay: 0,
                lease_secs: 60,
                notice_secs: 0,
                max_keep_secs: 0,
                keep_unpaid_secs: 0,
                resources: Resources {
                    cpu_millis: 1000,
                    memory_mib: 256,
                    disk_mib: 0,
                    volume_mib: 0,
                },
                image: ImageRef::truncate_from(b"os".to_vec()),
                image_digest: [7; 32],
                host_key: [8; 32],
            },
            deposit: 100,
            challenge_blocks: 9,
            app: None,
            volume: None,
            read_only: false,
        })
    }

    #[test]
    fn terms_are_written_with_their_units_and_read_back_whole() {
        let json = serde_json::to_string(&record()).unwrap();
        for part in [
            "\"rates_atto\":{\"cpu_micros\":340282366920938463463374607431768211455}",
            "\"tick_ms\":2000",
            "\"deposit\":100",
            "\"memory_mib\":256",
            "\"image\":\"os\"",
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert_eq!(serde_json::from_str::<TermsRecord>(&json).unwrap(), record());
    }
}
