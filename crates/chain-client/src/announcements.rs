//! Announcements: all that stand, a page at a time, and what changed since a block.

use std::collections::BTreeMap;

use codec::Decode;
use zennet_primitives::{announcement::AnnouncementId, record::AnnouncementRecord, Hash};

use crate::{storage::Key, Chain, ChainError, Head};

/// Blocks that are looked through for changes; after a longer gap everything is to be read again.
const MOST_BLOCKS: u32 = 32;

/// Some of the announcements that stand at a block.
pub struct AnnouncementPage {
    /// In the order of their identifiers.
    pub found: Vec<(AnnouncementId, AnnouncementRecord<u32>)>,
    /// Where the next page begins; none after the last one.
    pub next: Option<AnnouncementId>,
}

/// What became of announcements in a row of blocks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Those that came and still stand. One that was announced anew is among them.
    pub came: Vec<(AnnouncementId, AnnouncementRecord<u32>)>,
    /// Those that stand no longer.
    pub gone: Vec<AnnouncementId>,
}

/// What an event tells of an announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    Came,
    Gone,
}

impl Chain {
    /// A page of the announcements that stand at a block, from the one after `after` on.
    pub async fn announcements_page(
        &self,
        after: Option<AnnouncementId>,
        at: Hash,
    ) -> Result<AnnouncementPage, ChainError> {
        let prefix = announcements();
        let start = after.map(|id| prefix.clone().identity(&id));
        let what = "the announcements";
        let page = self.storage.page(what, &prefix, start.as_ref(), at).await?;
        let mut found = Vec::with_capacity(page.values.len());
        for (key, record) in page.values {
            found.push((id_of(&key)?, record));
        }
        let next = page.next.as_deref().map(id_of).transpose()?;
        Ok(AnnouncementPage { found, next })
    }

    /// What became of announcements in the blocks after `since` up to `until`.
    ///
    /// None where `since` is not an ancestor of `until`, or too far back: then everything has to be
    /// read again. It costs about four requests a block, and one for every 256 new ones.
    pub async fn announcement_changes(
        &self,
        since: Head,
        until: Head,
    ) -> Result<Option<Changes>, ChainError> {
        let Some(blocks) = self.blocks_between(since, until).await? else { return Ok(None) };
        let mut changes = BTreeMap::new();
        for block in blocks {
            // The later one of two counts.
            changes.extend(self.changes_in(block).await?);
        }
        let of = |kind| changes.iter().filter(move |(_, found)| **found == kind).map(|(id, _)| *id);
        let keys: Vec<Key> = of(Change::Came).map(|id| announcements().identity(&id)).collect();
        let records = self.storage.many("announcements", &keys, until.hash).await?;
        let mut found = Changes { came: Vec::new(), gone: of(Change::Gone).collect() };
        for (id, record) in of(Change::Came).zip(records) {
            match record {
                Some(record) => found.came.push((id, record)),
                None => found.gone.push(id),
            }
        }
        Ok(Some(found))
    }

    /// Hashes of the blocks after `since` up to `until`, the oldest first; none where they are no row
    /// or too many.
    async fn blocks_between(
        &self,
        since: Head,
        until: Head,
    ) -> Result<Option<Vec<Hash>>, ChainError> {
        let Some(count) = until.number.checked_sub(since.number).filter(|n| *n <= MOST_BLOCKS)
        else {
            return Ok(None);
        };
        let mut blocks = Vec::new();
        let mut hash = until.hash;
        for _ in 0..count {
            blocks.push(hash);
            let header = self.rpc.chain_get_header(Some(hash)).await;
            let header = header.map_err(ChainError::rpc("a header"))?;
            let missing = ChainError::Rpc { request: "a header", reason: "no such block".into() };
            hash = header.ok_or(missing)?.parent_hash;
        }
        blocks.reverse();
        Ok((hash == since.hash).then_some(blocks))
    }

    /// What a block's events tell of announcements, in their order.
    async fn changes_in(&self, block: Hash) -> Result<Vec<(AnnouncementId, Change)>, ChainError> {
        let failed = |error: String| ChainError::Rpc { request: "events", reason: error };
        let at = self.client.at_block(block).await.map_err(|e| failed(e.to_string()))?;
        let events = at.events().fetch().await.map_err(|e| failed(e.to_string()))?;
        let mut found = Vec::new();
        for event in events.iter() {
            let event = event.map_err(|e| failed(e.to_string()))?;
            if event.pallet_name() != "Announcements" {
                continue;
            }
            let change = match event.event_name() {
                "Announced" => Change::Came,
                "Cancelled" | "Expired" => Change::Gone,
                _ => continue,
            };
            // The identifier is the first field of each.
            let id = AnnouncementId::decode(&mut event.field_bytes());
            found.push((id.map_err(|_| ChainError::Decode("an event"))?, change));
        }
        Ok(found)
    }
}

fn announcements() -> Key {
    Key::of("Announcements", "Announcements")
}

/// The identifier at the end of a key.
fn id_of(key: &[u8]) -> Result<AnnouncementId, ChainError> {
    let start = key.len().checked_sub(32).ok_or(ChainError::Decode("the announcements"))?;
    Ok(Hash::from_slice(&key[start..]))
}
