//! `relay serve`: carries connections to publishers behind routers.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;
use tokio::signal::unix::{signal, SignalKind};
use tracing_subscriber::EnvFilter;
use zennet_transport::{relay_secret, Multiaddr, Relay, RelayLimits};

use crate::config;

/// Carry connections to publishers that cannot be dialed.
#[derive(Args)]
#[command(after_help = "Example:
  provider-agent relay serve

See `provider-agent relay serve --help`.")]
pub(super) struct Opts {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Serve(Serve),
}

/// Run a relay until Ctrl-C; it needs no chain, no key of an account and no configuration.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent relay serve
  provider-agent relay serve --listen /ip4/0.0.0.0/tcp/4002 --announce /ip4/203.0.113.7/tcp/4002
  provider-agent relay serve --listen /ip4/0.0.0.0/tcp/0 --json | jq -r .addresses[0]

A publisher behind a router writes the address that this prints into its publisher.toml, as `relay`.
Anybody may use the relay, within these limits. Connections are encrypted between their two ends: a
relay can cut them and count their bytes, not read them. One that is cut is built again.")]
struct Serve {
    /// Multiaddr to listen on; may be given several times.
    #[arg(long, value_name = "MULTIADDR", default_value = "/ip4/0.0.0.0/tcp/4002")]
    listen: Vec<Multiaddr>,
    /// Multiaddr that others reach, without the peer id, where it differs; may be given several times.
    #[arg(long, value_name = "MULTIADDR")]
    announce: Vec<Multiaddr>,
    /// File with the secret that the peer id comes from, made when it is missing [default: ~/.config/zennet/provider/relay.key].
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Connections at once; each takes a file descriptor (`ulimit -n`).
    #[arg(long, value_name = "N", default_value_t = 900)]
    connections: u32,
    /// Connections at once from one IP address; a provider has one for each machine.
    #[arg(long, value_name = "N", default_value_t = 256)]
    connections_per_ip: u32,
    /// Circuits, connections that are carried, at once.
    #[arg(long, value_name = "N", default_value_t = 800)]
    circuits: u32,
    /// Circuits at once that one peer has asked for.
    #[arg(long, value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=MOST_PER_PEER))]
    circuits_per_peer: u32,
    /// Hours after which a circuit is cut.
    #[arg(long, value_name = "N", default_value_t = 168,
          value_parser = clap::value_parser!(u32).range(1..=MOST_HOURS))]
    circuit_hours: u32,
    /// GiB, both ways together, after which a circuit is cut; 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    circuit_gib: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// As many streams as one connection may be let have.
const MOST_PER_PEER: i64 = 65_536;
/// A hundred years.
const MOST_HOURS: i64 = 876_000;

impl Serve {
    fn limits(&self) -> RelayLimits {
        RelayLimits {
            connections: self.connections as usize,
            connections_per_ip: self.connections_per_ip as usize,
            circuits: self.circuits as usize,
            circuits_per_peer: self.circuits_per_peer as usize,
            circuit_duration: Duration::from_secs(u64::from(self.circuit_hours) * 3600),
            circuit_bytes: u64::from(self.circuit_gib) << 30,
        }
    }
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let Verb::Serve(opts) = opts.command;
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,libp2p=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(serve(opts, out))?;
    runtime.shutdown_background();
    Ok(0)
}

async fn serve(opts: Serve, out: &mut impl Write) -> anyhow::Result<()> {
    let limits = opts.limits();
    let key_file = match opts.key_file {
        Some(path) => path,
        None => config::default_dir()?.join("relay.key"),
    };
    let secret = relay_secret(&key_file)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let mut relay = Relay::listen(secret, opts.listen, opts.announce, &limits).await?;
    let addresses: Vec<_> = relay.addresses().iter().map(ToString::to_string).collect();
    if opts.json {
        let peer = relay.local_peer().to_string();
        writeln!(out, "{}", json!({ "peer": peer, "addresses": addresses }))?;
    } else {
        addresses.iter().try_for_each(|address| writeln!(out, "relay = \"{address}\""))?;
    }
    out.flush()?;
    eprintln!("relaying; one of these lines goes into publisher.toml. Ctrl-C ends it");
    tokio::select! {
        never = relay.serve() => never,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen to signals")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
