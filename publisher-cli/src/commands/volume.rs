//! `volume`: what providers keep between leases.

use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use sp_core::crypto::Ss58Codec;
use zennet_primitives::AccountId;

use crate::{
    context::Context,
    control::{client::ask, Request, Verb},
    output::Volumes,
    store::{self, Store},
    volumes::{forget, held, Shown},
};

/// List volumes that providers keep, or stop paying for one
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli submit -m 512M --volume data:1G --keep 7d
  publisher-cli volume list
  publisher-cli submit -m 512M --volume data           # the same volume again
  publisher-cli volume rm data

A machine has its volume at /volume. It stays with its provider after the lease for the time of --keep,
which the lease's last voucher pays for ahead. An order that names a volume which is kept goes to the
providers that keep it.")]
pub(crate) struct Opts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// List volumes and until when they are kept
    List,
    /// Stop paying for a volume: its providers delete it when what is paid for is over
    Rm {
        /// Name of the volume
        name: String,
        /// Only at this provider [default: at all]
        #[arg(long, value_name = "ADDRESS")]
        provider: Option<String>,
    },
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let request = match &opts.action {
        Action::List => Request { verb: Verb::Volumes, machine: None, provider: None },
        Action::Rm { name, provider } => Request {
            verb: Verb::DropVolume,
            machine: Some(name.clone()),
            provider: provider.clone(),
        },
    };
    let volumes = match ask(&data_dir, &request).await? {
        Some(answer) => answer.volumes,
        None if store::exists(&data_dir) => stored(&Store::open(&data_dir)?, &opts.action)?,
        None => Vec::new(),
    };
    if let (Action::Rm { name, .. }, true) = (&opts.action, volumes.is_empty()) {
        bail!("no volume {name} is kept: run `publisher-cli volume list` to see all");
    }
    context.out.data(&Volumes { volumes })?;
    Ok(())
}

fn stored(store: &Store, action: &Action) -> Result<Vec<Shown>> {
    let address = |account: &AccountId| account.to_ss58check();
    let now = zennet_time::unix_secs();
    let found = match action {
        Action::List => held(store, now)?,
        Action::Rm { name, provider } => {
            let wanted =
                |account: &AccountId| provider.as_ref().is_none_or(|p| *p == address(account));
            forget(store, name, wanted, now)?
        }
    };
    Ok(found.iter().map(|held| held.shown(address)).collect())
}
