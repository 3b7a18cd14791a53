//! Compiles the runtime to wasm and makes the path of the result known to the crate. The runtime
//! carries the hash of its own metadata, so that offline signers can show what they sign.

/// The coin, as the chain specifications name it; both are part of what is hashed.
#[cfg(feature = "std")]
const TOKEN_SYMBOL: &str = "XEN";
#[cfg(feature = "std")]
const DECIMALS: u8 = 12;

fn main() {
    #[cfg(feature = "std")]
    substrate_wasm_builder::WasmBuilder::init_with_defaults()
        .enable_metadata_hash(TOKEN_SYMBOL, DECIMALS)
        .build();
}
