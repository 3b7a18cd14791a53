//! `publisher-cli`: rents machines on a Zennet chain and pays for them while they run.

mod choice;
mod commands;
mod config;
mod context;
mod control;
mod daemon;
mod event_log;
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
mod teller;
mod units;
mod volumes;
mod work;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.is_daemon() {
        daemon::leave_session();
    }
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
            ExitCode::from(failure::exit_code(&error))
        }
    }
}
