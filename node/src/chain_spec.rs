//! Chain specifications: the runtime and one of its genesis presets.

use sc_chain_spec::{ChainType, GenericChainSpec, Properties};
use zennet_runtime::{
    presets::MAIN_PRESET, SS58_PREFIX, TOKEN_DECIMALS, TOKEN_SYMBOL, WASM_BINARY,
};

/// Specification of a chain, as it is written to a file.
pub(crate) type ChainSpec = GenericChainSpec;

/// A chain of one bookkeeper on one machine.
pub(crate) fn development() -> Result<ChainSpec, String> {
    preset("Zennet Development", "zennet_dev", ChainType::Development, "development")
}

/// A test network of four bookkeepers.
pub(crate) fn local() -> Result<ChainSpec, String> {
    preset("Zennet Local", "zennet_local", ChainType::Local, "local_testnet")
}

/// The main chain, as a frame: whoever launches it names the owners of the coin and the first
/// bookkeepers in the specification that this exports (`docs/launch.md`). It cannot be run before.
pub(crate) fn main() -> Result<ChainSpec, String> {
    preset("Zennet", "zennet", ChainType::Live, MAIN_PRESET)
}

fn preset(name: &str, id: &str, kind: ChainType, preset: &str) -> Result<ChainSpec, String> {
    let wasm = WASM_BINARY
        .ok_or("this node was built without its runtime: build it again without SKIP_WASM_BUILD")?;
    Ok(ChainSpec::builder(wasm, None)
        .with_name(name)
        .with_id(id)
        .with_chain_type(kind)
        .with_protocol_id("zennet")
        .with_properties(properties())
        .with_genesis_config_preset_name(preset)
        .build())
}

/// What wallets need in order to show amounts and addresses.
fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("tokenSymbol".into(), TOKEN_SYMBOL.into());
    properties.insert("tokenDecimals".into(), TOKEN_DECIMALS.into());
    properties.insert("ss58Format".into(), SS58_PREFIX.into());
    properties
}
