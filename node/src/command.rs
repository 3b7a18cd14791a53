//! Runs what the command line asks for.

use std::sync::Arc;

use clap::{Command, CommandFactory, FromArgMatches};
use sc_cli::SubstrateCli;
use sc_network::config::NetworkBackendType;
use sc_service::PartialComponents;
use zennet_runtime::{opaque::Block, Hash};

use crate::{
    chain_spec,
    cli::{Cli, Subcommand},
    service,
};

/// Bodies of finalized blocks that a node keeps unless it is told otherwise: about a day. The
/// library's own default keeps every body; announcements are meant to be pruned.
const BLOCKS_KEPT: &str = "43200";

/// The pool that a node has unless it is told otherwise. The library's own default loses
/// transactions under load (`docs/decisions/0016-the-pool-with-one-state.md`).
const POOL: &str = "single-state";

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

/// The chains that `load_spec` knows.
const CHAINS: &str =
    "The chain: dev, local (the default), main (a frame to fill in, see docs/launch.md), \
                      or a file that export-chain-spec wrote";

/// The command line, with this chain's defaults and names in place of the library's.
fn command_line() -> Command {
    naming_chains(Cli::setup_command(Cli::command()))
        .mut_arg("blocks_pruning", |argument| argument.default_value(BLOCKS_KEPT))
        .mut_arg("pool_type", |argument| argument.default_value(POOL))
}

/// A command and those below it, which name this project's chains.
fn naming_chains(command: Command) -> Command {
    let command = command.mut_subcommands(naming_chains);
    let is_told_one = command.get_arguments().any(|argument| argument.get_id() == "chain");
    if !is_told_one {
        return command;
    }
    command.mut_arg("chain", |argument| argument.help(CHAINS).long_help(CHAINS))
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> sc_cli::Result<()> {
    let matches = command_line().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());

    match &cli.subcommand {
        None => cli.create_runner(&cli.run)?.run_node_until_exit(|config| async move {
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

#[cfg(test)]
mod tests {
    use sc_cli::TransactionPoolType;
    use sc_service::BlocksPruning;

    use super::*;

    fn parsed(arguments: &[&str]) -> sc_cli::RunCmd {
        let arguments = ["zennet-node"].iter().chain(arguments);
        Cli::from_arg_matches(&command_line().get_matches_from(arguments)).unwrap().run
    }

    #[test]
    fn a_node_keeps_a_day_of_bodies_and_has_one_pool_unless_it_is_told_otherwise() {
        let kept =
            |run: &sc_cli::RunCmd| run.import_params.pruning_params.blocks_pruning().unwrap();
        let usual = parsed(&[]);
        assert!(matches!(kept(&usual), BlocksPruning::Some(43_200)));
        assert!(matches!(usual.pool_config.pool_type, TransactionPoolType::SingleState));
        let told = parsed(&["--blocks-pruning", "archive", "--pool-type", "fork-aware"]);
        assert!(matches!(kept(&told), BlocksPruning::KeepAll));
        assert!(matches!(told.pool_config.pool_type, TransactionPoolType::ForkAware));
    }
}
