//! Compiles the runtime to wasm and makes the path of the result known to the crate. The runtime
//! carries the hash of its own metadata, so that offline signers can show what they sign.

#[cfg(feature = "std")]
#[path = "src/coin.rs"]
#[allow(unreachable_pub, reason = "the crate itself makes it known")]
mod coin;

fn main() {
    #[cfg(feature = "std")]
    substrate_wasm_builder::WasmBuilder::init_with_defaults()
        .enable_metadata_hash(coin::TOKEN_SYMBOL, coin::TOKEN_DECIMALS)
        .build();
}
