//! The chain's state as a plain ordered map: a run reads and walks it all the time, and a trie would
//! take most of the time that there is.

use std::{collections::BTreeMap, convert::Infallible};

use sp_core::{
    storage::{ChildInfo, StateVersion, Storage},
    H256,
};
use sp_runtime::traits::{BlakeTwo256, Hash as _};
use sp_state_machine::{
    Backend, BackendTransaction, Ext, IterArgs, OverlayedChanges, StateMachineStats,
    StorageIterator, StorageKey, StorageValue, UsageInfo,
};
use sp_trie::MerkleValue;

/// A state, and what the block that is being made changes of it.
pub(super) struct State {
    committed: Committed,
    block: OverlayedChanges<BlakeTwo256>,
}

impl State {
    pub(super) fn new(genesis: Storage) -> Self {
        assert!(genesis.children_default.is_empty(), "no pallet here has a child trie");
        Self { committed: Committed(genesis.top), block: Default::default() }
    }

    /// Runs what reads and writes this state.
    pub(super) fn execute<R>(&mut self, run: impl FnOnce() -> R) -> R {
        let mut ext = Ext::new(&mut self.block, &self.committed, None);
        sp_externalities::set_and_run_with_externalities(&mut ext, run)
    }

    /// Makes the changes of a block part of the state.
    pub(super) fn commit(&mut self) {
        let changes = self.block.drain_storage_changes(&self.committed, StateVersion::V1);
        let changes = changes.expect("changes of a map are always drained; qed");
        for (key, value) in changes.main_storage_changes {
            match value {
                Some(value) => self.committed.0.insert(key, value),
                None => self.committed.0.remove(&key),
            };
        }
    }
}

#[derive(Debug)]
struct Committed(BTreeMap<StorageKey, StorageValue>);

impl Backend<BlakeTwo256> for Committed {
    type Error = Infallible;
    type TrieBackendStorage = BackendTransaction<BlakeTwo256>;
    type RawIter = Keys;

    fn storage(&self, key: &[u8]) -> Result<Option<StorageValue>, Infallible> {
        Ok(self.0.get(key).cloned())
    }

    fn storage_hash(&self, key: &[u8]) -> Result<Option<H256>, Infallible> {
        Ok(self.0.get(key).map(|value| BlakeTwo256::hash(value)))
    }

    fn next_storage_key(&self, key: &[u8]) -> Result<Option<StorageKey>, Infallible> {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut after = self.0.range::<[u8], _>((Excluded(key), Unbounded));
        Ok(after.next().map(|(key, _)| key.clone()))
    }

    /// Nobody asks for the root of a state here: signatures, and so hashes of blocks, differ from run
    /// to run anyway.
    fn storage_root<'a>(
        &self,
        _: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        _: StateVersion,
    ) -> (H256, BackendTransaction<BlakeTwo256>) {
        (H256::zero(), Default::default())
    }

    fn raw_iter(&self, args: IterArgs) -> Result<Keys, Infallible> {
        let prefix = args.prefix.unwrap_or_default().to_vec();
        let start = args.start_at.unwrap_or(&prefix).to_vec();
        let passed = |key: &&StorageKey| args.start_at_exclusive && **key == start;
        let keys = self.0.range(start.clone()..).map(|(key, _)| key);
        let keys = keys.take_while(|key| key.starts_with(&prefix)).filter(|key| !passed(key));
        Ok(Keys(keys.cloned().collect::<Vec<_>>().into_iter()))
    }

    fn closest_merkle_value(&self, _: &[u8]) -> Result<Option<MerkleValue<H256>>, Infallible> {
        Ok(None)
    }

    fn child_closest_merkle_value(
        &self,
        _: &ChildInfo,
        _: &[u8],
    ) -> Result<Option<MerkleValue<H256>>, Infallible> {
        Ok(None)
    }

    fn child_storage(&self, _: &ChildInfo, _: &[u8]) -> Result<Option<StorageValue>, Infallible> {
        Ok(None)
    }

    fn child_storage_hash(&self, _: &ChildInfo, _: &[u8]) -> Result<Option<H256>, Infallible> {
        Ok(None)
    }

    fn next_child_storage_key(
        &self,
        _: &ChildInfo,
        _: &[u8],
    ) -> Result<Option<StorageKey>, Infallible> {
        Ok(None)
    }

    fn child_storage_root<'a>(
        &self,
        _: &ChildInfo,
        _: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        _: StateVersion,
    ) -> (H256, bool, BackendTransaction<BlakeTwo256>) {
        (H256::zero(), true, Default::default())
    }

    fn register_overlay_stats(&self, _: &StateMachineStats) {}

    fn usage_info(&self) -> UsageInfo {
        UsageInfo::empty()
    }
}

/// The keys under a prefix.
struct Keys(std::vec::IntoIter<StorageKey>);

impl StorageIterator<BlakeTwo256> for Keys {
    type Backend = Committed;
    type Error = Infallible;

    fn next_key(&mut self, _: &Committed) -> Option<Result<StorageKey, Infallible>> {
        self.0.next().map(Ok)
    }

    fn next_pair(
        &mut self,
        state: &Committed,
    ) -> Option<Result<(StorageKey, StorageValue), Infallible>> {
        let key = self.0.next()?;
        let value = state.0.get(&key).cloned()?;
        Some(Ok((key, value)))
    }

    fn was_complete(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}
