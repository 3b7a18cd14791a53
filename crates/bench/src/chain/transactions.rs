//! Transactions that are made and signed ahead, on all processors.

use std::{num::NonZero, thread};

use codec::Encode;
use frame_support::traits::Get;
use sp_core::{crypto::Pair as _, sr25519::Pair};
use sp_runtime::{generic::Era, MultiAddress, MultiSignature};
use zennet_primitives::{
    amount::Balance,
    channel::{ChannelContext, ChannelId, Voucher},
    hash_of,
    pow::{mine, stamp_work, Difficulty},
    signed::{Signable, Unverified},
    AccountId, Hash,
};
use zennet_runtime::{
    tx_extension, Runtime, RuntimeCall, TxExtension, UncheckedExtrinsic, VERSION,
};

use crate::population::{account, announcement, session, DEPOSIT};

/// Signs what this runtime's transactions carry beside the call.
type SignedPayload = sp_runtime::generic::SignedPayload<RuntimeCall, TxExtension>;

/// What a transfer moves, in the smallest coin unit.
const MOVED: Balance = 1000;

/// How long an opened channel may stand, blocks.
const CHANNEL_LIFETIME: u32 = 1_000_000;

/// What a transaction is to do.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Send a little coin.
    Transfer(AccountId),
    /// Announce a task for a number of blocks.
    Announce {
        /// Number of the task.
        task: u64,
        /// How long it stands, blocks.
        lifetime: u32,
    },
    /// Open a channel.
    Open {
        /// Who is paid.
        provider: AccountId,
        /// Tells its contract from others.
        contract: u64,
    },
    /// Open channels with one transaction.
    OpenBatch {
        /// Who is paid.
        provider: AccountId,
        /// Tell their contracts from others.
        contracts: Vec<u64>,
    },
    /// Show a voucher.
    Claim(ChannelId, Balance),
    /// Show a last voucher and close.
    Close(ChannelId, Balance),
}

/// The chain that transactions are for, as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground {
    /// Hash of its first block.
    pub(crate) genesis: Hash,
    /// Its newest block.
    pub(crate) now: u32,
    /// What each transaction tips, in the smallest coin unit.
    pub(crate) tip: Balance,
}

/// A transaction to be made: who signs, the nonce, and what it does.
pub(crate) type Order = (usize, u32, Job);

impl Ground {
    /// Makes and signs what is ordered, in that order. Orders name accounts by the place of their keys.
    pub(crate) fn sign_all(&self, keys: &[Pair], orders: &[Order]) -> Vec<Vec<u8>> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let part = orders.len().div_ceil(threads).max(1);
        let session = session();
        let work = |orders: &[Order]| -> Vec<Vec<u8>> {
            let sign = |(who, nonce, job): &Order| {
                let key = &keys[*who];
                self.sign(key, *nonce, self.call(job, &account(key), &session))
            };
            orders.iter().map(sign).collect()
        };
        thread::scope(|scope| {
            let parts: Vec<_> = orders
                .chunks(part)
                .map(|orders| {
                    let work = &work;
                    scope.spawn(move || work(orders))
                })
                .collect();
            parts
                .into_iter()
                .flat_map(|part| part.join().expect("signing does not panic"))
                .collect()
        })
    }

    fn sign(&self, key: &Pair, nonce: u32, call: RuntimeCall) -> Vec<u8> {
        let extension = tx_extension(nonce, self.tip, Era::Immortal);
        let (spec, transaction) = (VERSION.spec_version, VERSION.transaction_version);
        let beside = ((), (), spec, transaction, self.genesis, self.genesis, (), (), (), None);
        let payload = SignedPayload::from_raw(call, extension, beside);
        let signature = payload.using_encoded(|bytes| key.sign(bytes));
        let (call, extension, _) = payload.deconstruct();
        let (from, signature) = (MultiAddress::Id(account(key)), MultiSignature::from(signature));
        UncheckedExtrinsic::new_signed(call, from, signature, extension).encode()
    }

    fn call(&self, job: &Job, who: &AccountId, session: &Pair) -> RuntimeCall {
        match job {
            Job::Transfer(dest) => {
                RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
                    dest: MultiAddress::Id(dest.clone()),
                    value: MOVED,
                })
            }
            Job::Announce { task, lifetime } => {
                let body = announcement(*task);
                let id = body.id(self.genesis, who);
                let stamp = mine(|nonce| stamp_work(id, nonce), min_stamp(), 0, u64::MAX)
                    .expect("some number has the work; qed");
                let lifetime = *lifetime;
                let call = pallet_announcements::Call::announce { body, lifetime, stamp };
                RuntimeCall::Announcements(call)
            }
            Job::Open { provider, contract } => self.open(provider, *contract, session),
            Job::OpenBatch { provider, contracts } => {
                let open = |contract: &u64| self.open(provider, *contract, session);
                let calls = contracts.iter().map(open).collect();
                RuntimeCall::Utility(pallet_utility::Call::force_batch { calls })
            }
            Job::Claim(channel, cumulative) => {
                let voucher = self.voucher(*channel, *cumulative, session);
                let channel = *channel;
                RuntimeCall::Channels(pallet_channels::Call::claim { channel, voucher })
            }
            Job::Close(channel, cumulative) => {
                let voucher = Some(self.voucher(*channel, *cumulative, session));
                let channel = *channel;
                RuntimeCall::Channels(pallet_channels::Call::close { channel, voucher })
            }
        }
    }

    fn open(&self, provider: &AccountId, contract: u64, session: &Pair) -> RuntimeCall {
        RuntimeCall::Channels(pallet_channels::Call::open {
            provider: provider.clone(),
            contract: hash_of(&contract),
            session_key: session.public(),
            deposit: DEPOSIT,
            expires_at: self.now + CHANNEL_LIFETIME,
            challenge: <Runtime as pallet_channels::Config>::MinChallenge::get(),
            app: None,
        })
    }

    fn voucher(
        &self,
        channel: ChannelId,
        cumulative: Balance,
        session: &Pair,
    ) -> Unverified<Voucher> {
        let context = ChannelContext { genesis: self.genesis, channel };
        let payload = Voucher { cumulative, usage_hash: channel };
        let signature = session.sign(&payload.signing_bytes(&context));
        Unverified { payload, signature }
    }
}

fn min_stamp() -> Difficulty {
    <Runtime as pallet_announcements::Config>::MinStampDifficulty::get()
}

#[cfg(test)]
mod tests {
    use codec::Decode;
    use sp_runtime::traits::Verify;

    use super::*;
    use crate::population::{active, active_key};

    const GROUND: Ground = Ground { genesis: Hash::repeat_byte(1), now: 5, tip: 0 };

    #[test]
    fn every_kind_of_transaction_is_one_of_the_runtime_and_of_its_signer() {
        let (keys, provider) = ([active_key(0), active_key(1)], active(1));
        let jobs = [
            Job::Transfer(provider.clone()),
            Job::Announce { task: 1, lifetime: 10 },
            Job::Open { provider: provider.clone(), contract: 1 },
            Job::OpenBatch { provider, contracts: vec![2, 3] },
            Job::Claim(Hash::repeat_byte(2), 1),
            Job::Close(Hash::repeat_byte(2), 1),
        ];
        let orders: Vec<Order> =
            jobs.into_iter().enumerate().map(|(n, job)| (n % 2, n as u32, job)).collect();
        let signed = GROUND.sign_all(&keys, &orders);
        assert_eq!(signed.len(), orders.len());
        for (bytes, (who, ..)) in signed.iter().zip(&orders) {
            let decoded = UncheckedExtrinsic::decode(&mut &bytes[..]).expect("it decodes");
            let (from, ..) = decoded.preamble.to_signed().expect("it is signed");
            assert_eq!(from, MultiAddress::Id(account(&keys[*who])));
        }
    }

    #[test]
    fn a_voucher_is_signed_by_the_session_key_for_its_channel() {
        let channel = Hash::repeat_byte(3);
        let voucher = GROUND.voucher(channel, 7, &session());
        let context = ChannelContext { genesis: GROUND.genesis, channel };
        let bytes = voucher.payload.signing_bytes(&context);
        assert!(voucher.signature.verify(&bytes[..], &session().public()));
    }
}
