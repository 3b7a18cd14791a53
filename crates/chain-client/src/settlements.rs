//! Walking back over the blocks that a node still has, for the settlements in them.

use codec::Encode;
use futures::{stream, StreamExt, TryStreamExt};
use subxt::{client::OnlineClientAtBlock, config::SubstrateConfig, rpcs};
use zennet_primitives::Hash;

use crate::{events::SettledEvent, storage::Key, Chain, ChainError};

/// Blocks that are asked for at the same time.
const AT_ONCE: usize = 16;

/// Settlements of a range of blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlements {
    /// The oldest block that was read: the first one asked for, or the first that the node has.
    /// Above `last` where it has none.
    pub first: u32,
    /// The newest block that was read.
    pub last: u32,
    /// What was settled, each with its block, the newest first.
    pub events: Vec<(u32, SettledEvent)>,
}

impl Chain {
    /// Every channel that was settled in the blocks from `first` to `last`.
    ///
    /// It costs two requests a block. A node without an archive has dropped the state of its older
    /// blocks, and their events with it: it is read from the newest block down to the oldest that
    /// the node still has.
    pub async fn settlements(&self, first: u32, last: u32) -> Result<Settlements, ChainError> {
        let failed = |error: String| ChainError::Rpc { request: "events", reason: error };
        let current = self.client.at_current_block().await.map_err(|e| failed(e.to_string()))?;
        let blocks = (first..=last).rev().map(|number| self.events_bytes(number));
        let mut blocks = stream::iter(blocks).buffered(AT_ONCE);
        let mut found = Settlements { first: last.saturating_add(1), last, events: Vec::new() };
        while let Some(block) = blocks.try_next().await? {
            let Some((number, hash, bytes)) = block else { break };
            let settled = match decode(&current, bytes) {
                Some(settled) => settled,
                // It was made by an older runtime, whose description is asked for.
                None => self.events("Channels", "Settled", hash).await?,
            };
            found.events.extend(settled.into_iter().map(|event| (number, event)));
            found.first = number;
        }
        Ok(found)
    }

    /// The events of a block as they are stored; nothing where the node has dropped them.
    async fn events_bytes(&self, number: u32) -> Result<Option<(u32, Hash, Vec<u8>)>, ChainError> {
        let hash = self.rpc.chain_get_block_hash(Some(number.into())).await;
        let Some(hash) = hash.map_err(ChainError::rpc("a block's hash"))? else { return Ok(None) };
        let key = Key::of("System", "Events");
        match self.rpc.state_get_storage(key.bytes(), Some(hash)).await {
            // The first block has no events.
            Ok(bytes) => {
                Ok(Some((number, hash, bytes.unwrap_or_else(|| Vec::<()>::new().encode()))))
            }
            // The node is there and refuses: the state of this block is gone.
            Err(rpcs::Error::User(error)) if is_dropped(&error.message) => Ok(None),
            Err(error) => Err(ChainError::rpc("events")(error)),
        }
    }
}

/// Whether a node says that it has dropped the state of a block.
fn is_dropped(message: &str) -> bool {
    message.contains("UnknownBlock") || message.contains("discarded")
}

/// Settlements among events; nothing where they do not fit the runtime of this block.
fn decode(at: &OnlineClientAtBlock<SubstrateConfig>, bytes: Vec<u8>) -> Option<Vec<SettledEvent>> {
    let mut found = Vec::new();
    for event in at.events().from_bytes(bytes).iter() {
        let event = event.ok()?;
        if event.pallet_name() == "Channels" && event.event_name() == "Settled" {
            found.push(codec::Decode::decode(&mut event.field_bytes()).ok()?);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_state_that_the_node_dropped_ends_the_walk() {
        assert!(is_dropped("Client error: UnknownBlock: State already discarded for 0x12"));
        assert!(!is_dropped("Method not found"));
    }
}
