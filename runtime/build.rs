//! Compiles the runtime to wasm and makes the path of the result known to the crate.

fn main() {
    #[cfg(feature = "std")]
    substrate_wasm_builder::WasmBuilder::build_using_defaults();
}
