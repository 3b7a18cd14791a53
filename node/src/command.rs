//! Runs what the command line asks for.

use std::sync::Arc;

use clap::{parser::ValueSource, CommandFactory, FromArgMatches};
use sc_cli::SubstrateCli;
use sc_network::config::NetworkBackendType;
use sc_service::{BlocksPruning, PartialComponents};
use zennet_runtime::{opaque::Block, Hash};

use crate::{
    chain_spec,
    cli::{Cli, Subcommand},
    service,
};

/// Bodies of finalized blocks that a node keeps unless it is told otherwise: about a day.
const DEFAULT_BLOCKS_KEPT: u32 = 43_200;

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "Zennet Node".into()
    }

    fn impl_version() -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        "the Zennet authors".into()
    }

    fn support_url() -> String {
        "the project's issue tracker".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    fn load_spec(&self, id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
        Ok(match id {
            "dev" => Box::new(chain_spec::development()?),
            "" | "local" => Box::new(chain_spec::local()?),
            "main" => Box::new(chain_spec::main()?),
            path => Box::new(chain_spec::ChainSpec::from_json_file(path.into())?),
        })
    }
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> sc_cli::Result<()> {
    let matches = Cli::setup_command(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // The library's own default keeps every body; announcements are meant to be pruned.
    let prune_by_default =
        matches.value_source("blocks_pruning") == Some(ValueSource::DefaultValue);

    match &cli.subcommand {
        None => cli.create_runner(&cli.run)?.run_node_until_exit(|mut config| async move {
            if prune_by_default {
                config.blocks_pruning = BlocksPruning::Some(DEFAULT_BLOCKS_KEPT);
            }
            let started = match config.network.network_backend {
                NetworkBackendType::Libp2p => {
                    service::start::<sc_network::NetworkWorker<Block, Hash>>(config)
                }
                NetworkBackendType::Litep2p => {
                    service::start::<sc_network::Litep2pNetworkBackend>(config)
                }
            };
            started.map_err(sc_cli::Error::Service)
        }),
        Some(Subcommand::Key(command)) => command.run(&cli),
        Some(Subcommand::ExportChainSpec(command)) => command.run(cli.load_spec(&command.chain)?),
        Some(Subcommand::CheckBlock(command)) => cli.create_runner(command)?.async_run(|config| {
            let PartialComponents { client, task_manager, import_queue, .. } =
                service::partial(&config)?;
            Ok((command.run(client, import_queue), task_manager))
        }),
        Some(Subcommand::ExportBlocks(command)) => {
            cli.create_runner(command)?.async_run(|config| {
                let PartialComponents { client, task_manager, .. } = service::partial(&config)?;
                Ok((command.run(client, config.database), task_manager))
            })
        }
        Some(Subcommand::ImportBlocks(command)) => {
            cli.create_runner(command)?.async_run(|config| {
                let PartialComponents { client, task_manager, import_queue, .. } =
                    service::partial(&config)?;
                Ok((command.run(client, import_queue), task_manager))
            })
        }
        Some(Subcommand::ExportState(command)) => cli.create_runner(command)?.async_run(|config| {
            let PartialComponents { client, task_manager, .. } = service::partial(&config)?;
            Ok((command.run(client, config.chain_spec), task_manager))
        }),
        Some(Subcommand::PurgeChain(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run(config.database))
        }
        Some(Subcommand::Revert(command)) => cli.create_runner(command)?.async_run(|config| {
            let PartialComponents { client, task_manager, backend, .. } =
                service::partial(&config)?;
            let revert_grandpa = Box::new(|client: Arc<service::FullClient>, _, blocks| {
                sc_consensus_grandpa::revert(client, blocks)?;
                Ok(())
            });
            Ok((command.run(client, backend, Some(revert_grandpa)), task_manager))
        }),
    }
}
