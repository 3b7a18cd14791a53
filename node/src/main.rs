//! Full node and block author of the Zennet chain.

mod chain_spec;
mod cli;
mod command;
mod equivocation;
mod memory;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}
