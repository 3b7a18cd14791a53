//! The compiled runtime, on the state of a new development chain that is kept in memory.

use std::{fs, path::Path, sync::Arc};

use anyhow::{anyhow, Context, Result};
use codec::{Decode, Encode};
use frame_benchmarking::{
    benchmarking, BenchmarkBatch, BenchmarkConfig, BenchmarkList, BenchmarkResult,
};
use frame_support::traits::StorageInfo;
use sc_chain_spec::{GenesisConfigBuilderRuntimeCaller, DEV_RUNTIME_PRESET};
use sc_client_db::BenchmarkingState;
use sc_executor::WasmExecutor;
use sp_core::traits::{CallContext, RuntimeCode, WrappedRuntimeCode};
use sp_externalities::Extensions;
use sp_keystore::{testing::MemoryKeystore, KeystoreExt};
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{OverlayedChanges, StateMachine};

use crate::measure::Benchmark;

type HostFunctions = (sp_io::SubstrateHostFunctions, benchmarking::HostFunctions);

type State = BenchmarkingState<BlakeTwo256>;

pub(crate) struct Compiled {
    code: Vec<u8>,
    hash: Vec<u8>,
    executor: WasmExecutor<HostFunctions>,
    /// Notes each access to a key; this takes time.
    counting: State,
    timing: State,
}

impl Compiled {
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let code = fs::read(path)
            .with_context(|| format!("cannot read the compiled runtime {}", path.display()))?;
        let preset = DEV_RUNTIME_PRESET.to_string();
        let genesis = GenesisConfigBuilderRuntimeCaller::<benchmarking::HostFunctions>::new(&code)
            .get_storage_for_named_preset(Some(&preset))
            .map_err(|error| anyhow!("cannot make a development chain: {error}"))?;
        let state = |counts| {
            State::new(genesis.clone(), None, false, counts)
                .map_err(|error| anyhow!("cannot keep a state: {error}"))
        };
        Ok(Self {
            hash: sp_crypto_hashing::blake2_256(&code).to_vec(),
            executor: WasmExecutor::builder().build(),
            counting: state(true)?,
            timing: state(false)?,
            code,
        })
    }

    /// Calls an API of the runtime.
    fn call<Answer: Decode>(
        &self,
        state: &State,
        what: &str,
        input: &impl Encode,
    ) -> Result<Answer> {
        let code = WrappedRuntimeCode(self.code.as_slice().into());
        let code = RuntimeCode { code_fetcher: &code, heap_pages: None, hash: self.hash.clone() };
        let mut extensions = Extensions::new();
        extensions.register(KeystoreExt(Arc::new(MemoryKeystore::new())));
        let mut changes = OverlayedChanges::default();
        let answer = StateMachine::new(
            state,
            &mut changes,
            &self.executor,
            what,
            &input.encode(),
            &mut extensions,
            &code,
            CallContext::Offchain,
        )
        .execute()
        .map_err(|error| anyhow!("{what} failed: {error}"))?;
        Answer::decode(&mut &answer[..])
            .with_context(|| format!("cannot read the answer of {what}"))
    }

    pub(crate) fn benchmarks(&self) -> Result<Vec<Benchmark>> {
        let what = "Benchmark_benchmark_metadata";
        let (lists, _): (Vec<BenchmarkList>, Vec<StorageInfo>) =
            self.call(&self.counting, what, &false).context(
                "the runtime has no benchmarks: it is built without the feature runtime-benchmarks",
            )?;
        let of_pallet = |list: BenchmarkList| {
            let BenchmarkList { pallet, instance, benchmarks } = list;
            benchmarks.into_iter().map(move |benchmark| Benchmark {
                pallet: pallet.clone(),
                instance: instance.clone(),
                call: benchmark.name,
                components: benchmark.components,
            })
        };
        Ok(lists.into_iter().flat_map(of_pallet).collect())
    }

    /// Runs a benchmark once with its assertions, and once to count accesses to the database, of which
    /// the assertions would have some of their own.
    pub(crate) fn count(&self, config: &BenchmarkConfig) -> Result<BenchmarkResult> {
        let config = BenchmarkConfig { verify: true, internal_repeats: 1, ..config.clone() };
        self.run(&self.timing, &config)?;
        let config = BenchmarkConfig { verify: false, ..config };
        self.run(&self.counting, &config)?.pop().context("a benchmark had no result")
    }

    /// Runs a benchmark a number of times.
    pub(crate) fn time(
        &self,
        config: &BenchmarkConfig,
        times: u32,
    ) -> Result<Vec<BenchmarkResult>> {
        let config = BenchmarkConfig { verify: false, internal_repeats: times, ..config.clone() };
        self.run(&self.timing, &config)
    }

    fn run(&self, state: &State, config: &BenchmarkConfig) -> Result<Vec<BenchmarkResult>> {
        let batches: Result<Vec<BenchmarkBatch>, String> =
            self.call(state, "Benchmark_dispatch_benchmark", config)?;
        let batches = batches.map_err(|error| anyhow!("a benchmark failed: {error}"))?;
        Ok(batches.into_iter().flat_map(|batch| batch.results).collect())
    }
}
