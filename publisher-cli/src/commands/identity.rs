//! `identity`: the mined identity of the account.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use zennet_primitives::pow::Role;

use crate::{context::Context, mining, output};

/// Mine or show the account's identity
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli identity mine
  publisher-cli identity show --json

An identity is proof of work on an account, done once. It costs no coin; `submit` mines it by
itself where it is missing.")]
pub(crate) struct Opts {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Mine and register the identity, unless it is registered
    Mine(Which),
    /// Show whether it is registered
    Show(Which),
}

#[derive(Args, Debug)]
struct Which {
    /// What the identity is for
    #[arg(long, value_enum, default_value_t = RoleName::Publisher)]
    role: RoleName,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum RoleName {
    Publisher,
    Provider,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            RoleName::Publisher => Role::Publisher,
            RoleName::Provider => Role::Provider,
        }
    }

    fn name(self) -> &'static str {
        match self {
            RoleName::Publisher => "publisher",
            RoleName::Provider => "provider",
        }
    }
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let config = context.config()?;
    let account = context.key(&config)?.account();
    let chain = context.chain(&config).await?;
    let (role, found) = match opts.verb {
        Verb::Mine(Which { role }) => {
            (role, Some(mining::ensure_identity(&chain, role.role(), &account, None).await?))
        }
        Verb::Show(Which { role }) => (role, chain.registered(role.role(), &account).await?),
    };
    context.out.data(&output::Identity {
        address: chain.address(&account),
        role: role.name().to_owned(),
        mined: found.is_some(),
        registered_at: found.map(|identity| identity.block),
        difficulty: found.map(|identity| identity.difficulty),
        secs: found.and_then(|identity| identity.took).map(|took| took.as_secs_f64()),
    })?;
    Ok(())
}
