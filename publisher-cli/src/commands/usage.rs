//! `usage`: what both sides read and what it costs.

use anyhow::{bail, Result};
use clap::Args;

use crate::{
    context::Context,
    control::{client::ask, registry::latest_usage, Request, Verb},
    lease::status::stored_usage,
    output::Usages,
    store::{self, Store},
};

/// Show the usage of machines as both sides read it, with prices
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli usage
  publisher-cli usage zn-2 --json")]
pub(crate) struct Opts {
    /// Name of a machine; all without it
    machine: Option<String>,
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let data_dir = context.config()?.data_dir;
    let request = Request { verb: Verb::Usage, machine: opts.machine.clone(), provider: None };
    let machines = match ask(&data_dir, &request).await? {
        Some(answer) => answer.usage,
        None if store::exists(&data_dir) => {
            eprintln!("no order runs in {}: this is what is kept", data_dir.display());
            let stored: Vec<_> =
                Store::open(&data_dir)?.leases()?.iter().map(stored_usage).collect();
            let wanted = opts.machine.as_deref();
            latest_usage(&stored, |name| wanted.is_none_or(|wanted| wanted == name))
        }
        None => Vec::new(),
    };
    if let (Some(name), true) = (&opts.machine, machines.is_empty()) {
        bail!("there is no such machine as {name}: run `publisher-cli list` to see all");
    }
    context.out.data(&Usages { machines })?;
    Ok(())
}
