//! `publisher-cli`: rents machines on a Zennet chain and pays for them while they run.

mod commands;
mod config;
mod context;
mod control;
mod events;
mod failure;
mod history;
mod lease;
mod mining;
mod open_files;
mod order;
mod output;
mod ssh;
mod store;
mod units;
mod volumes;

use std::process::ExitCode;

use clap::Parser;

use crate::{commands::Cli, failure::Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.start_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(Box::pin(commands::run(cli)));
    // Searches and reads that still go on must not hold up the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<Failure>().map_or(1, Failure::code))
        }
    }
}
