//! Transactions and storage as bytes, for programs that know the runtime's own types.

use std::collections::BTreeMap;

use subxt::rpcs;
use zennet_primitives::Hash;

use crate::{
    send::{answer_of, refusal},
    Chain, ChainError,
};

/// Entries of the storage that one request asks for.
const PAGE: u32 = 512;

impl Chain {
    /// Gives a signed transaction to the node's pool. Nobody follows what becomes of it.
    pub async fn submit_signed(&self, transaction: &[u8]) -> Result<(), ChainError> {
        let taken = self.rpc.author_submit_extrinsic(transaction).await;
        taken.map(|_| ()).map_err(|error| not_taken(&error))
    }

    /// How many transactions of a block have a signature: all but its inherents and those of mined
    /// identities.
    pub async fn count_signed(&self, block: Hash) -> Result<usize, ChainError> {
        let missing = ChainError::Rpc { request: "a block", reason: "no such block".into() };
        let found = self.rpc.chain_get_block(Some(block)).await;
        let found = found.map_err(ChainError::rpc("a block"))?.ok_or(missing)?;
        Ok(found.block.extrinsics.iter().filter(|bytes| is_signed(&bytes.0)).count())
    }

    /// The encoded value at a key, if there is one.
    pub async fn bytes(&self, key: &[u8], at: Hash) -> Result<Option<Vec<u8>>, ChainError> {
        let found = self.rpc.state_get_storage(key, Some(at)).await;
        found.map_err(ChainError::rpc("a value"))
    }

    /// Whether anything stands below a prefix.
    pub async fn any_below(&self, prefix: &[u8], at: Hash) -> Result<bool, ChainError> {
        let keys = self.rpc.state_get_keys_paged(prefix, 1, None, Some(at)).await;
        Ok(!keys.map_err(ChainError::rpc("a key"))?.is_empty())
    }

    /// All keys and values below a prefix; the whole state below the empty one.
    pub async fn entries(
        &self,
        prefix: &[u8],
        at: Hash,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ChainError> {
        let mut entries = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let keys =
                self.rpc.state_get_keys_paged(prefix, PAGE, after.as_deref(), Some(at)).await;
            let keys = keys.map_err(ChainError::rpc("keys"))?;
            let Some(last) = keys.last() else { return Ok(entries) };
            after = Some(last.clone());
            let asked = keys.iter().map(Vec::as_slice);
            let sets = self.rpc.state_query_storage_at(asked, Some(at)).await;
            for (key, value) in
                sets.map_err(ChainError::rpc("values"))?.into_iter().flat_map(|set| set.changes)
            {
                entries.insert(key.0, value.map(|bytes| bytes.0).unwrap_or_default());
            }
        }
    }
}

/// The pool's refusal of a transaction, or that nothing is known of it.
fn not_taken(error: &rpcs::Error) -> ChainError {
    refusal("a signed transaction".into(), answer_of(error), error)
}

/// Whether an encoded transaction says in its first byte, after its length, that it is signed.
fn is_signed(transaction: &[u8]) -> bool {
    const SIGNED: u8 = 0b1000_0000;
    let length_bytes = match transaction.first().map(|byte| byte & 0b11) {
        Some(0) => 1,
        Some(1) => 2,
        Some(2) => 4,
        _ => return false,
    };
    transaction.get(length_bytes).is_some_and(|preamble| preamble & SIGNED != 0)
}

#[cfg(test)]
mod tests {
    use codec::Encode;

    use super::*;

    #[test]
    fn only_a_node_that_answers_has_refused() {
        let answer = rpcs::UserError { code: 1012, message: "full".into(), data: None };
        let refused = not_taken(&rpcs::Error::User(answer));
        assert!(matches!(refused, ChainError::NotTaken { .. }), "{refused}");
        let lost = not_taken(&rpcs::Error::DisconnectedWillReconnect("closed".into()));
        assert!(matches!(lost, ChainError::Lost { .. }), "{lost}");
    }

    #[test]
    fn a_signed_transaction_is_told_from_an_inherent_whatever_its_length() {
        for length in [10, 100, 20_000] {
            for (preamble, signed) in [(0x84u8, true), (0x04, false), (0x45, false)] {
                assert_eq!(is_signed(&vec![preamble; length].encode()), signed);
            }
        }
        assert!(!is_signed(&[]));
        assert!(!is_signed(&[4]));
    }
}
