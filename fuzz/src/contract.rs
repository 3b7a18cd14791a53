//! Terms and the channel on chain.

use codec::{DecodeAll, Encode};
use sp_runtime::Perbill;
use zennet_primitives::{
    announcement::{MAX_TICK_MS, MIN_TICK_MS},
    contract::Terms,
    record::{AppShare, ChannelRecord},
    signed::{account_key, Unverified},
};

use crate::sample::{account, record, sign, terms, PROVIDER, PUBLISHER};

/// Terms decode or are refused; what passes their check keeps the bounds; hash and channel are
/// functions of the terms and the nonce; a signature is judged without a panic. The same bytes are
/// read as a channel's record.
pub fn run(data: &[u8]) {
    if let Ok(terms) = Terms::decode_all(&mut &data[..]) {
        assert_eq!(terms.encode(), data);
        examine(&terms);
    }
    if let Ok(contract) = Unverified::<Terms>::decode_all(&mut &data[..]) {
        assert_eq!(contract.encode(), data);
        examine(&contract.payload);
        let signer = account_key(&contract.payload.publisher);
        if let Ok(signed) = contract.clone().verify(&(), &signer) {
            assert_eq!(signed.into_unverified(), contract);
        }
    }
    if let Ok(record) = ChannelRecord::<u32>::decode_all(&mut &data[..]) {
        assert_eq!(record.encode(), data);
        assert!(record.ends_at() <= record.expires_at);
        assert!(record.closing_at.is_none_or(|closing| record.ends_at() <= closing));
    }
}

fn examine(terms: &Terms) {
    if terms.check().is_ok() {
        assert!((MIN_TICK_MS..=MAX_TICK_MS).contains(&terms.quote.tick_ms));
        assert!((1..=MAX_TICK_MS).contains(&terms.quote.grace_ms));
        assert!(terms.deposit > 0 && terms.deposit >= terms.quote.prepay);
        assert_ne!(terms.publisher, terms.provider);
        assert!(terms.challenge_blocks > 0);
    }
    assert_eq!(terms.hash(), terms.clone().hash());
    let channel = terms.channel(7);
    assert_eq!(channel.genesis, terms.genesis);
    assert_eq!(channel, terms.channel(7));
    assert_ne!(channel, terms.channel(8));
    let other = Terms { deposit: terms.deposit ^ 1, ..terms.clone() };
    assert_ne!(terms.hash(), other.hash());
    assert_ne!(channel, other.channel(7));
}

/// Terms with and without an application, signed and not, and records.
pub fn seeds() -> Vec<Vec<u8>> {
    let app = AppShare { developer: account(PROVIDER), share: Perbill::from_percent(10) };
    let shared = Terms { app: Some(app), ..terms() };
    let bad = Terms { provider: account(PUBLISHER), ..terms() };
    let closing = ChannelRecord { closing_at: Some(9), paid: 5, ..record(&shared) };
    vec![
        terms().encode(),
        shared.encode(),
        bad.encode(),
        sign(PUBLISHER, terms(), &()).encode(),
        sign(PROVIDER, shared, &()).encode(),
        record(&terms()).encode(),
        closing.encode(),
    ]
}
