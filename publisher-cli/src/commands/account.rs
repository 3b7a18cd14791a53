//! `account`: address, balance, transfers.

use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use sp_core::crypto::Ss58Codec;
use zennet_chain_client::Chain;
use zennet_primitives::amount::Balance;

use crate::{
    context::{node_failure, Context},
    output::{Account, AccountBalance, Transferred},
    units,
};

/// Show the account, its balance, or send coin
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli account address
  publisher-cli account balance
  publisher-cli account balance 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty --json
  publisher-cli account transfer 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty 12.5")]
pub(crate) struct Opts {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Print the address; needs no node
    Address,
    /// Print what can be spent and what is held
    Balance {
        /// Another account's address
        address: Option<String>,
    },
    /// Send coin to an account
    Transfer {
        /// Address of the receiver
        dest: String,
        /// How much, in XEN
        #[arg(value_parser = units::amount)]
        amount: Balance,
    },
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let config = context.config()?;
    match opts.verb {
        Verb::Address => {
            let account = context.key(&config)?.account();
            let public: &[u8; 32] = account.as_ref();
            let public_key = format!("0x{}", hex::encode(public));
            context.out.data(&Account { address: account.to_ss58check(), public_key })?;
        }
        Verb::Balance { address } => {
            let account = match address {
                Some(address) => Chain::parse_address(&address)?,
                None => context.key(&config)?.account(),
            };
            let chain = context.chain(&config).await?;
            let balance = chain.balance(&account, chain.best().await?.hash).await?;
            context.out.data(&AccountBalance {
                address: chain.address(&account),
                free: balance.free,
                held: balance.held,
                spendable: balance.spendable,
            })?;
        }
        Verb::Transfer { dest, amount } => {
            if amount == 0 {
                bail!("the amount is 0 XEN: nothing to send");
            }
            let dest = Chain::parse_address(&dest)?;
            let key = context.key(&config)?;
            let chain = context.chain(&config).await?;
            let sent = chain.transfer(&key, &dest, amount).await.map_err(node_failure)?;
            context.out.data(&Transferred {
                dest: chain.address(&dest),
                amount,
                fee: sent.fee,
                block: sent.block.number,
            })?;
        }
    }
    Ok(())
}
