use std::{
    fs::{DirBuilder, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use zennet_chain_client::{AccountKey, KeyError};

use crate::config::{self, Config};

/// Write a commented configuration and a key. Nothing that exists is overwritten.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent init
  provider-agent init --dir /srv/zennet --node ws://10.0.0.1:9944
  provider-agent init --dir /tmp/p1 --dev     for a chain on this machine")]
pub(super) struct Opts {
    /// Folder to write to [default: ~/.config/zennet/provider].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Node to follow the chain with.
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    /// For a development chain: dial publishers on loopback and private networks, ask them for a short
    /// challenge only, and serve also where no firewall can be made, with machines that then reach this
    /// host.
    #[arg(long)]
    dev: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let dir = match opts.dir {
        Some(dir) => dir,
        None => config::default_dir()?,
    };
    let path = dir.join(config::FILE_NAME);
    let text = text(opts.node.as_deref(), opts.dev);
    let config = Config::parse(&text, &path)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    write_new(&path, &text)?;
    let key = match AccountKey::create(&config.key_file) {
        Ok(key) => {
            eprintln!("wrote the key {}: back it up", config.key_file.display());
            key
        }
        Err(KeyError::Exists(path)) => {
            eprintln!("kept the key {}", path.display());
            AccountKey::load(&path)?
        }
        Err(error) => return Err(error.into()),
    };
    eprintln!(
        "next: send some XEN for fees to this address, then provider-agent run --config {}",
        path.display()
    );
    writeln!(out, "{}", key.account())?;
    Ok(0)
}

fn text(node: Option<&str>, dev: bool) -> String {
    let mut text = config::DEFAULT.to_owned();
    if let Some(node) = node {
        // Quoted as TOML quotes it, whatever the address holds.
        let node = toml::Value::from(node).to_string();
        text = text.replace("\"ws://127.0.0.1:9944\"", &node);
    }
    if dev {
        text = text.replace("allow_private_endpoints = false", "allow_private_endpoints = true ");
        text = text.replace("min_challenge_blocks = 300", "min_challenge_blocks = 15 ");
        // Rules are set where they can be, but not everybody develops as root.
        text = text.replace("require_firewall = true ", "require_firewall = false");
    }
    text
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            eprintln!("kept {}", path.display());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot write {}", path.display()))
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn init(dir: &Path, node: Option<&str>) -> anyhow::Result<String> {
        let opts = Opts { dir: Some(dir.into()), node: node.map(Into::into), dev: true };
        let mut out = Vec::new();
        run(opts, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn what_it_writes_loads_and_is_never_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("new");
        let address = init(&dir, Some("ws://node.example:1")).unwrap();
        let config = Config::load(&dir.join(config::FILE_NAME)).unwrap();
        assert_eq!(config.node_url, "ws://node.example:1");
        assert!(config.filter.allow_private_endpoints);
        assert_eq!(config.lease.min_challenge_blocks, 15);
        let mode = std::fs::metadata(&config.key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = init(&dir, Some("ws://other:2")).unwrap();
        assert_eq!(again, address);
        let config = Config::load(&dir.join(config::FILE_NAME)).unwrap();
        assert_eq!(config.node_url, "ws://node.example:1");
    }

    #[test]
    fn an_address_that_is_none_is_refused_before_anything_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("new");
        let error = init(&dir, Some("http://x\" evil = \"")).unwrap_err();
        assert!(error.to_string().contains("node_url"), "{error}");
        assert!(!dir.exists());
    }
}
