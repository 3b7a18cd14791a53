//! `init`: a commented configuration and a key.

use std::{fs, os::unix::fs::OpenOptionsExt};

use anyhow::{Context as _, Result};
use clap::Args;
use sp_core::crypto::Ss58Codec;
use zennet_chain_client::{AccountKey, KeyError};

use crate::{
    config::{Config, Initial, FILE},
    context::Context,
    output::Initialised,
};

/// Write a commented publisher.toml and a key file
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli init
  publisher-cli --dir ./me init --node ws://127.0.0.1:9944 --suri //Alice --allow-private-endpoint

Nothing is ever overwritten: with a key file in place, its account is kept.")]
pub(crate) struct Opts {
    /// WebSocket address of a node
    #[arg(long, default_value = "ws://127.0.0.1:9944")]
    node: String,
    /// Secret phrase, hex seed or //Name of an existing account, instead of a new one
    #[arg(long)]
    suri: Option<String>,
    /// Multiaddr to listen on for providers; may be given several times
    #[arg(long, default_value = "/ip4/0.0.0.0/tcp/0")]
    listen: Vec<String>,
    /// Multiaddr to announce where it differs, without the peer id
    #[arg(long)]
    announce: Option<String>,
    /// Relay to be reached through, with its peer id, where no port can be forwarded
    #[arg(long, conflicts_with = "announce")]
    relay: Option<String>,
    /// First local port for ssh
    #[arg(long, default_value_t = 20001)]
    ssh_port_base: u16,
    /// Allow loopback and private addresses to be announced (chains of your own)
    #[arg(long)]
    allow_private_endpoint: bool,
}

pub(crate) fn run(opts: &Opts, context: &Context) -> Result<()> {
    let dir = &context.dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let initial = Initial {
        node: opts.node.clone(),
        listen: opts.listen.clone(),
        announce: opts.announce.clone(),
        relay: opts.relay.clone(),
        ssh_port_base: opts.ssh_port_base,
        allow_private_endpoint: opts.allow_private_endpoint,
    };
    let path = dir.join(FILE);
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
    match written {
        Ok(mut file) => std::io::Write::write_all(&mut file, initial.render().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            eprintln!("{} exists and is left as it is", path.display());
        }
        Err(e) => return Err(e).with_context(|| format!("cannot write {}", path.display())),
    }
    let config = Config::load(dir)?;
    let created = match &opts.suri {
        Some(suri) => AccountKey::create_from_uri(&config.key_file, suri),
        None => AccountKey::create(&config.key_file),
    };
    let key = match created {
        Ok(key) => key,
        Err(error @ KeyError::Exists(_)) if opts.suri.is_none() => {
            eprintln!("{error}");
            context.key(&config)?
        }
        Err(error) => return Err(error.into()),
    };
    context.out.data(&Initialised {
        config: path.display().to_string(),
        key_file: config.key_file.display().to_string(),
        address: key.account().to_ss58check(),
    })?;
    eprintln!("next: send this account some XEN, then `publisher-cli submit`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::output::Out;

    fn opts(suri: Option<&str>) -> Opts {
        Opts {
            node: "ws://127.0.0.1:9944".into(),
            suri: suri.map(str::to_owned),
            listen: vec!["/ip4/0.0.0.0/tcp/0".into()],
            announce: None,
            relay: None,
            ssh_port_base: 20001,
            allow_private_endpoint: true,
        }
    }

    #[test]
    fn init_makes_a_private_key_once_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context { dir: dir.path().join("new"), out: Out { json: true } };
        run(&opts(None), &context).unwrap();
        let config = context.config().unwrap();
        assert!(config.allow_private_endpoint);
        let account = context.key(&config).unwrap().account();
        let mode = fs::metadata(&config.key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        run(&opts(None), &context).unwrap();
        assert_eq!(context.key(&config).unwrap().account(), account);
        assert!(run(&opts(Some("//Alice")), &context).is_err(), "a key is never overwritten");
        assert_eq!(context.key(&config).unwrap().account(), account);
    }

    #[test]
    fn a_given_secret_becomes_the_account() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context { dir: dir.path().to_owned(), out: Out { json: true } };
        run(&opts(Some("//Alice")), &context).unwrap();
        let key = context.key(&context.config().unwrap()).unwrap();
        let address = key.account().to_ss58check();
        assert_eq!(address, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
    }
}
