//! Keys of the chain's storage.

use std::collections::HashMap;

use codec::{Decode, Encode};
use sp_crypto_hashing::{blake2_128, twox_128, twox_64};
use subxt::config::{RpcConfigFor, SubstrateConfig};
use subxt::rpcs::LegacyRpcMethods;
use zennet_primitives::Hash;

use crate::ChainError;

/// Reads of the storage, with keys as FRAME lays them out.
#[derive(Clone)]
pub(crate) struct Storage {
    rpc: LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>,
}

/// Entries that one request asks for.
const PAGE: u32 = 256;

impl Storage {
    pub(crate) fn new(rpc: LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>) -> Self {
        Self { rpc }
    }

    /// The value at a key, if there is one.
    pub(crate) async fn value<T: Decode>(
        &self,
        what: &'static str,
        key: &Key,
        at: Hash,
    ) -> Result<Option<T>, ChainError> {
        let bytes = self.rpc.state_get_storage(&key.0, Some(at)).await;
        let bytes = bytes.map_err(ChainError::rpc(what))?;
        let decode = |bytes: Vec<u8>| T::decode(&mut &bytes[..]);
        bytes.map(decode).transpose().map_err(|_| ChainError::Decode(what))
    }

    /// For each key whether there is a value.
    pub(crate) async fn present(
        &self,
        what: &'static str,
        keys: &[Key],
        at: Hash,
    ) -> Result<Vec<bool>, ChainError> {
        let found = self.found(what, keys, at).await?;
        Ok(keys.iter().map(|key| found.contains_key(key.bytes())).collect())
    }

    /// For each key its value, if there is one.
    pub(crate) async fn many<T: Decode>(
        &self,
        what: &'static str,
        keys: &[Key],
        at: Hash,
    ) -> Result<Vec<Option<T>>, ChainError> {
        let found = self.found(what, keys, at).await?;
        let decode =
            |key: &Key| found.get(key.bytes()).map(|bytes| T::decode(&mut &bytes[..])).transpose();
        let decoded: Result<_, _> = keys.iter().map(decode).collect();
        decoded.map_err(|_| ChainError::Decode(what))
    }

    /// The keys that have a value, with it.
    async fn found(
        &self,
        what: &'static str,
        keys: &[Key],
        at: Hash,
    ) -> Result<HashMap<Vec<u8>, Vec<u8>>, ChainError> {
        let mut there = HashMap::new();
        for page in keys.chunks(PAGE as usize) {
            let page = page.iter().map(Key::bytes).collect();
            there.extend(self.changes(what, page, at).await?);
        }
        Ok(there)
    }

    /// A page of the values under a prefix, from the key after `after` on.
    pub(crate) async fn page<T: Decode>(
        &self,
        what: &'static str,
        prefix: &Key,
        after: Option<&Key>,
        at: Hash,
    ) -> Result<Page<T>, ChainError> {
        let after = after.map(Key::bytes);
        let keys = self.rpc.state_get_keys_paged(&prefix.0, PAGE, after, Some(at)).await;
        let keys = keys.map_err(ChainError::rpc(what))?;
        let next = keys.last().filter(|_| keys.len() >= PAGE as usize).cloned();
        let mut values = Vec::with_capacity(keys.len());
        if !keys.is_empty() {
            let slices = keys.iter().map(Vec::as_slice).collect();
            for (key, bytes) in self.changes(what, slices, at).await? {
                let value = T::decode(&mut &bytes[..]).map_err(|_| ChainError::Decode(what))?;
                values.push((key, value));
            }
        }
        Ok(Page { values, next })
    }

    /// The keys that have a value, with it.
    async fn changes(
        &self,
        what: &'static str,
        keys: Vec<&[u8]>,
        at: Hash,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ChainError> {
        let sets = self.rpc.state_query_storage_at(keys, Some(at)).await;
        let sets = sets.map_err(ChainError::rpc(what))?;
        let all = sets.into_iter().flat_map(|set| set.changes);
        Ok(all.filter_map(|(key, value)| Some((key.0, value?.0))).collect())
    }
}

/// Some of the values under a prefix.
pub(crate) struct Page<T> {
    /// With their keys.
    pub(crate) values: Vec<(Vec<u8>, T)>,
    /// The last key, where more may follow.
    pub(crate) next: Option<Vec<u8>>,
}

/// A key, put together hasher by hasher.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The key as it is asked for.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Key of a plain value, or prefix of a map.
    pub(crate) fn of(pallet: &str, item: &str) -> Self {
        Self([twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat())
    }

    /// Goes on with a key that is a hash already.
    pub(crate) fn identity(mut self, key: &impl Encode) -> Self {
        self.0.extend(key.encode());
        self
    }

    /// Goes on with a key hashed by `Twox64Concat`.
    pub(crate) fn twox(mut self, key: &impl Encode) -> Self {
        let key = key.encode();
        self.0.extend(twox_64(&key));
        self.0.extend(key);
        self
    }

    /// Goes on with a key hashed by `Blake2_128Concat`.
    pub(crate) fn blake2(mut self, key: &impl Encode) -> Self {
        let key = key.encode();
        self.0.extend(blake2_128(&key));
        self.0.extend(key);
        self
    }
}
