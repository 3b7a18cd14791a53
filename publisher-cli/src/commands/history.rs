//! `history`: what is kept of leases, and what the chain tells of an account.

use anyhow::{bail, Result};
use clap::Args;
use sp_core::crypto::Ss58Codec;
use zennet_chain_client::{Chain, PublicHistory};

use crate::{
    context::{node_failure, Context},
    control::{client::ask, Request, Verb},
    history::{self, public::PublicReport, show::Shown, History, Query},
    store::{self, Store},
};

/// Most leases of one answer.
const MOST: i64 = 10_000;

/// Show terms, usage, payments, events and ends of leases
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli history --limit 10
  publisher-cli history --provider 5Grw…             with its record at the end
  publisher-cli history --lease 12                   all of one lease
  publisher-cli history --json | jq '.leases[] | {provider, close_reason, settled}'
  publisher-cli history --public 5Grw… --blocks 50000

A lease that ended by its provider's fault is marked; `submit --max-faults` turns providers with too
many of them away. With --public the chain is asked what it tells of an account: it reads the newest
blocks, as far as the node still has them.")]
pub(crate) struct Opts {
    /// Leases with this provider, and its record
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<String>,
    /// The newest leases up to this number
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=MOST))]
    limit: u32,
    /// All of the lease with this number
    #[arg(long, value_name = "NUMBER")]
    lease: Option<u64>,
    /// What the chain tells of an account, instead of own leases
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["provider", "limit", "lease"])]
    public: Option<String>,
    /// Newest blocks that are read for it
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "public",
          value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,
}

pub(crate) async fn run(opts: &Opts, context: &Context) -> Result<()> {
    if let Some(address) = &opts.public {
        return public(address, opts.blocks, context).await;
    }
    let data_dir = context.config()?.data_dir;
    let provider = opts.provider.as_deref().map(Chain::parse_address).transpose()?;
    let query = Query { provider: provider.map(Into::into), lease: opts.lease, limit: opts.limit };
    let request = Request { verb: Verb::History(query), machine: None, provider: None };
    let history = match ask(&data_dir, &request).await? {
        Some(answer) => answer.history,
        None if store::exists(&data_dir) => {
            history::of_store(&Store::open(&data_dir)?, &query, |account| account.to_ss58check())?
        }
        None => History::default(),
    };
    if let (Some(number), true) = (opts.lease, history.leases.is_empty()) {
        bail!("there is no lease {number}: run `publisher-cli history` to see all");
    }
    context.out.data(&Shown { history, details: opts.lease.is_some() })?;
    Ok(())
}

async fn public(address: &str, blocks: u32, context: &Context) -> Result<()> {
    let account = Chain::parse_address(address)?;
    let chain = context.chain(&context.config()?).await?;
    let history = PublicHistory::new(chain.clone(), blocks);
    let record = history.of(&account).await.map_err(node_failure)?;
    context.out.data(&PublicReport::new(chain.address(&account), record))?;
    Ok(())
}
