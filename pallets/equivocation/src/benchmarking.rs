//! Benchmarks of the call, with every seat taken and the largest headers.

use alloc::{vec, vec::Vec};

use codec::{Decode, Encode};
use frame_benchmarking::v2::*;
use frame_support::{
    pallet_prelude::*,
    traits::{Authorize, Get},
};
use frame_system::pallet_prelude::HeaderFor;
use sp_consensus_aura::{digests::CompatibleDigestItem, Slot, AURA_ENGINE_ID};
use sp_runtime::{
    traits::{Header, Zero},
    Digest, DigestItem, RuntimeAppPublic,
};
use sp_staking::SessionIndex;

use crate::{
    AuthorKey, Call, Config, Equivocators, Keys, Pallet, ProofOf, Seal, Seat, Since,
    MAX_EVIDENCE_BYTES,
};

const SLOT: u64 = 1_000_000;

/// A key as bytes, which nobody signs with.
fn some_key<Key: Decode>(number: u32) -> Key {
    let bytes = number.using_encoded(|bytes| {
        let mut key = [0; 32];
        key[..bytes.len()].copy_from_slice(bytes);
        key
    });
    Key::decode(&mut &bytes[..]).expect("32 bytes are a public key; qed")
}

fn sealed<T: Config>(author: &AuthorKey, tag: u8) -> Result<HeaderFor<T>, BenchmarkError> {
    let slot = <DigestItem as CompatibleDigestItem<Seal>>::aura_pre_digest(SLOT.into());
    let padding = DigestItem::Other(vec![tag; MAX_EVIDENCE_BYTES / 2 - 512]);
    let mut header = HeaderFor::<T>::new(
        Zero::zero(),
        Default::default(),
        Default::default(),
        Default::default(),
        Digest { logs: vec![slot, padding] },
    );
    let seal = author.sign(&header.hash()).ok_or("the key was just made")?;
    header.digest_mut().push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
    Ok(header)
}

/// A sound report about the last of the seats, and who that is.
fn prepare<T: Config>() -> Result<(ProofOf<T>, SessionIndex, T::AccountId), BenchmarkError> {
    let offender = AuthorKey::generate_pair(None);
    let mut seats: Vec<Seat<T::AccountId>> = (0..T::MaxSeats::get())
        .map(|number| Seat {
            account: account("seated", number, 0),
            author: some_key(number),
            voter: some_key(number),
        })
        .collect();
    let last = seats.last_mut().ok_or("there are seats")?;
    last.author = offender.clone();
    let account = last.account.clone();

    let session = T::CurrentSession::get();
    let seats =
        BoundedVec::try_from(seats).map_err(|_| "there are as many seats as there may be")?;
    Keys::<T>::insert(session, seats);
    for (session, since) in [(session.checked_sub(1), SLOT - 1), (session.checked_add(2), SLOT)] {
        Since::<T>::insert(session.unwrap_or(SessionIndex::MAX), Slot::from(since));
    }
    let proof = ProofOf::<T> {
        first_header: sealed::<T>(&offender, 1)?,
        second_header: sealed::<T>(&offender, 2)?,
        offender,
        slot: SLOT.into(),
    };
    Ok((proof, session, account))
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn report() -> Result<(), BenchmarkError> {
        let (proof, session, account) = prepare::<T>()?;

        #[extrinsic_call]
        _(frame_system::RawOrigin::Authorized, proof, session);

        assert!(Equivocators::<T>::contains_key(account));
        Ok(())
    }

    #[benchmark]
    fn authorize_report() -> Result<(), BenchmarkError> {
        let (proof, session, _) = prepare::<T>()?;
        let call = Call::<T>::report { proof, session };
        let validity;

        #[block]
        {
            validity = call
                .authorize(TransactionSource::External)
                .ok_or("the call has rules of authorization")?
                .map_err(|_| "a sound report is authorized")?;
        }

        assert_eq!(validity.0.provides.len(), 1);
        Ok(())
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
