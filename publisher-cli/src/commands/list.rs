//! `list`: the leases of a folder.

use anyhow::Result;
use clap::Args;
use sp_core::crypto::Ss58Codec;

use crate::{
    context::Context,
    control::{client::ask, Request, Verb},
    lease::status::stored_machine,
    output::Machines,
    store::{self, Store},
};

/// List machines: running ones first, then past leases
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli list
  publisher-cli list --json

The running order answers, in the background or not; without one, the store does.")]
pub(crate) struct Opts {}

pub(crate) async fn run(_: &Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let request = Request { verb: Verb::List, machine: None, provider: None };
    let machines = match ask(&data_dir, &request).await? {
        Some(answer) => answer.machines,
        None if store::exists(&data_dir) => {
            eprintln!("no order runs in {}: this is what is kept", data_dir.display());
            let leases = Store::open(&data_dir)?.listed()?;
            let open = leases.iter().filter(|lease| lease.ended.is_none()).count();
            if open > 0 {
                eprintln!(
                    "{open} leases of an earlier run are not settled: `publisher-cli resume` goes \
                     on with those whose machines are live, `publisher-cli recover` settles all"
                );
            }
            leases.iter().map(|lease| stored_machine(lease, |a| a.to_ss58check())).collect()
        }
        None => Vec::new(),
    };
    context.out.data(&Machines { machines })?;
    Ok(())
}
