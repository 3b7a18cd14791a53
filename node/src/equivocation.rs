//! Watches for authors that write two blocks for one slot, and reports them to the chain.
//!
//! Both blocks are imported, as branches beside each other, so the headers of what was imported are
//! evidence. A report is sent again until the chain has finally taken note: the branch that it was
//! included in may be lost. Votes are watched by GRANDPA itself.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use pallet_equivocation::{AuthorKey, EquivocationApi, Judgement, Seal};
use sc_client_api::{BlockImportNotification, BlockchainEvents};
use sc_consensus_aura::standalone::{find_pre_digest, slot_author};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_api::{ApiExt, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_consensus_aura::{digests::CompatibleDigestItem, sr25519::AuthorityPair, AuraApi, Slot};
use sp_consensus_slots::EquivocationProof;
use sp_core::Pair;
use sp_runtime::traits::Header as _;
use tracing::{debug, info, warn};
use zennet_runtime::{opaque::Block, Hash, Header};

use crate::service::FullClient;

/// Slots whose blocks are remembered, the latest: more than an hour.
const MAX_SLOTS: usize = 2048;

/// Blocks that are remembered of one slot, each of another author: branches that parted long ago may
/// have different bookkeepers.
const MAX_AUTHORS: usize = 4;

/// Authors about whom reports are under way at a time.
const MAX_OPEN: usize = 64;

type Proof = EquivocationProof<Header, AuthorKey>;

/// Reports whoever writes two blocks for one slot, as long as the node runs.
pub(crate) async fn watch(client: Arc<FullClient>, pool: OffchainTransactionPoolFactory<Block>) {
    let mut imports = client.every_import_notification_stream();
    let mut watch = Watch { client, pool, recent: Recent::default(), open: BTreeMap::new() };
    while let Some(import) = imports.next().await {
        watch.on_import(import);
    }
}

/// What the node knows of recent blocks, and what it has reported.
struct Watch {
    client: Arc<FullClient>,
    pool: OffchainTransactionPoolFactory<Block>,
    recent: Recent,
    /// Evidence that is not final on the chain yet, one piece for each author.
    open: BTreeMap<AuthorKey, Proof>,
}

impl Watch {
    fn on_import(&mut self, import: BlockImportNotification<Block>) {
        let parent = *import.header.parent_hash();
        let client = &self.client;
        let seen = self.recent.see(import.header, |slot| {
            let authors: Vec<AuthorKey> = client.runtime_api().authorities(parent).ok()?;
            slot_author::<AuthorityPair>(slot, &authors).cloned()
        });
        if let Some(proof) = seen {
            self.report(proof);
        }
        if import.is_new_best {
            self.follow_up();
        }
    }

    /// Reports what the chain does not know yet.
    fn report(&mut self, proof: Proof) {
        if self.open.contains_key(&proof.offender) || self.open.len() >= MAX_OPEN {
            return;
        }
        let best = self.client.info().best_hash;
        let judgement = judge(&self.client, best, &proof);
        if judgement != Some(Judgement::New) {
            debug!("two blocks for slot {} are not reported: {judgement:?}", proof.slot);
            return;
        }
        warn!(
            "The author with the key {} wrote two blocks for slot {}, {:?} and {:?}; reporting it",
            proof.offender,
            proof.slot,
            proof.first_header.hash(),
            proof.second_header.hash(),
        );
        submit(&self.client, &self.pool, best, &proof);
        self.open.insert(proof.offender.clone(), proof);
    }

    /// Sends again what the best block does not have, and forgets what the final one has.
    fn follow_up(&mut self) {
        let (client, pool, info) = (&self.client, &self.pool, self.client.info());
        self.open.retain(|author, proof| {
            if judge(client, info.finalized_hash, proof) == Some(Judgement::Known) {
                info!("The two blocks of {author} for slot {} are on record", proof.slot);
                return false;
            }
            match judge(client, info.best_hash, proof) {
                Some(Judgement::New) => submit(client, pool, info.best_hash, proof),
                Some(Judgement::Known) | None => {}
                Some(Judgement::Refused) => {
                    warn!("The chain takes no evidence against {author} any more");
                    return false;
                }
            }
            true
        });
    }
}

/// What the chain makes of evidence at a block; `None` if its runtime cannot be asked.
fn judge(client: &FullClient, at: Hash, proof: &Proof) -> Option<Judgement> {
    client.runtime_api().judge(at, proof.clone()).ok()
}

/// A report that is in the pool already is refused by it, which is as good.
fn submit(
    client: &FullClient,
    pool: &OffchainTransactionPoolFactory<Block>,
    best: Hash,
    proof: &Proof,
) {
    let mut api = client.runtime_api();
    api.register_extension(pool.offchain_transaction_pool(best));
    let submitted = api.submit_report(best, proof.clone());
    debug!("a report about slot {} is submitted: {submitted:?}", proof.slot);
}

/// Headers of recent blocks by their slots. Its size is bounded whatever authors do.
#[derive(Default)]
struct Recent {
    blocks: BTreeMap<Slot, Vec<Header>>,
}

impl Recent {
    /// Remembers a block whose seal was verified, unless its author has written another for its slot:
    /// then both are evidence. `author` tells whose turn a slot was on this block's branch; it is
    /// asked only when the slot has another block.
    fn see(
        &mut self,
        header: Header,
        author: impl FnOnce(Slot) -> Option<AuthorKey>,
    ) -> Option<Proof> {
        let slot = find_pre_digest::<Block, Seal>(&header).ok()?;
        let others = self.blocks.entry(slot).or_default();
        if others.contains(&header) {
            return None;
        }
        if !others.is_empty() {
            let offender = author(slot)?;
            if let Some(first) = others.iter().find(|other| is_sealed_by(other, &offender)) {
                let (first_header, second_header) = (first.clone(), header);
                return Some(EquivocationProof { offender, slot, first_header, second_header });
            }
        }
        if others.len() < MAX_AUTHORS {
            others.push(header);
        }
        if self.blocks.len() > MAX_SLOTS {
            self.blocks.pop_first();
        }
        None
    }
}

fn is_sealed_by(header: &Header, author: &AuthorKey) -> bool {
    let mut header = header.clone();
    let seal: Option<Seal> = header.digest_mut().pop().and_then(|item| item.as_aura_seal());
    seal.is_some_and(|seal| AuthorityPair::verify(&seal, header.hash(), author))
}

#[cfg(test)]
mod tests {
    use sp_runtime::{Digest, DigestItem};

    use super::*;

    fn pair(name: &str) -> AuthorityPair {
        AuthorityPair::from_string(name, None).expect("it is a development key")
    }

    fn block(author: &AuthorityPair, slot: u64, tag: u8) -> Header {
        let pre_digest = <DigestItem as CompatibleDigestItem<Seal>>::aura_pre_digest(slot.into());
        let root = Hash::repeat_byte(tag);
        let mut header = Header::new(7, root, root, root, Digest { logs: vec![pre_digest] });
        let seal = author.sign(header.hash().as_ref());
        header.digest_mut().push(<DigestItem as CompatibleDigestItem<Seal>>::aura_seal(seal));
        header
    }

    fn see(recent: &mut Recent, author: &AuthorityPair, slot: u64, tag: u8) -> Option<Proof> {
        recent.see(block(author, slot, tag), |asked| {
            assert_eq!(asked, Slot::from(slot));
            Some(author.public())
        })
    }

    #[test]
    fn two_blocks_of_one_author_for_one_slot_are_evidence() {
        let (mut recent, bob) = (Recent::default(), pair("//Bob"));
        let first = block(&bob, 5, 1);
        assert_eq!(recent.see(first.clone(), |_| unreachable!("it is the first")), None);
        let proof = see(&mut recent, &bob, 5, 2).expect("it is the second");
        assert_eq!(proof.offender, bob.public());
        assert_eq!(proof.slot, Slot::from(5));
        assert_eq!(proof.first_header, first);
        assert_eq!(proof.second_header.state_root(), &Hash::repeat_byte(2));
    }

    #[test]
    fn the_same_block_again_is_no_evidence() {
        let (mut recent, bob) = (Recent::default(), pair("//Bob"));
        let header = block(&bob, 5, 1);
        for _ in 0..2 {
            assert_eq!(recent.see(header.clone(), |_| Some(bob.public())), None);
        }
    }

    #[test]
    fn blocks_of_other_slots_or_authors_are_no_evidence() {
        let (mut recent, alice, bob) = (Recent::default(), pair("//Alice"), pair("//Bob"));
        assert_eq!(see(&mut recent, &bob, 5, 1), None);
        assert_eq!(see(&mut recent, &bob, 6, 2), None);
        assert_eq!(see(&mut recent, &alice, 5, 3), None);
        assert!(see(&mut recent, &alice, 5, 4).is_some());
    }

    #[test]
    fn a_flood_of_blocks_takes_a_bounded_room() {
        let (mut recent, bob) = (Recent::default(), pair("//Bob"));
        for slot in 1..=MAX_SLOTS as u64 + 10 {
            assert_eq!(recent.see(block(&bob, slot, 1), |_| None), None);
        }
        assert_eq!(recent.blocks.len(), MAX_SLOTS);
        let (oldest, last) = (Slot::from(11), MAX_SLOTS as u64 + 10);
        assert_eq!(recent.blocks.first_key_value().map(|(slot, _)| *slot), Some(oldest));

        for tag in 2..100 {
            assert!(see(&mut recent, &bob, last, tag).is_some());
        }
        // Branches on which it was the turn of others.
        for other in 0..100 {
            see(&mut recent, &pair(&format!("//{other}")), last, 1);
        }
        assert!(recent.blocks.values().all(|blocks| blocks.len() <= MAX_AUTHORS));
    }
}
