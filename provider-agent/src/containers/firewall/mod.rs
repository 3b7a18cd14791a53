//! Rules of the host's packet filter that keep machines away from it and from its network.
//!
//! ```text
//!              ┌───────── the provider's bridge, zn-TAG ─────────┐
//!  machine ────┤ to the host itself      INPUT   ─► ZENNET-IN-TAG    refused
//!              │ to another machine      FORWARD ─► ZENNET-FWD-TAG   refused
//!              │ to private networks               …                 refused
//!              │ to the internet                   …                 by policy
//!              └ from elsewhere                    …                 answers only
//! ```
//!
//! Only chains and hooks with this provider's tag are touched. They stay while machines may be
//! running: an agent that was killed leaves them, and its next start takes them over.

mod rules;
#[cfg(test)]
mod tests;

use std::{fs, path::Path, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{sync::Mutex, task::JoinHandle, time::interval};
use tracing::{debug, info, warn};

use self::rules::{leads, Family, Hook, Names};
use super::program::{self, ProgramError};
use crate::config::{Isolation, Network, Subnet};

/// How often the rules are looked after: an operator's own firewall may replace all rules, and a
/// restarted engine puts its rules before others.
const ROUND: Duration = Duration::from_secs(10);
/// How long another program's lock on the rules is waited for, seconds.
const LOCK: &str = "5";

/// Why there are no rules.
#[derive(Debug, Error)]
pub(crate) enum FirewallError {
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("the engine's bridge {0} is not among this host's interfaces: the engine runs in another network")]
    Elsewhere(String),
}

/// The rules of one provider.
pub(crate) struct Firewall {
    names: Names,
    network: Network,
    resolvers: Vec<Subnet>,
    denied: Vec<Subnet>,
    /// Held while rules are changed.
    changing: Mutex<()>,
}

impl Firewall {
    /// The rules for the bridge of a network; nothing is changed yet.
    pub(crate) fn new(network: &str, config: &Isolation) -> Firewall {
        Firewall {
            names: Names::of(network),
            network: config.network,
            resolvers: config.resolvers.iter().map(|r| Subnet::new(*r, 32)).collect(),
            denied: config.deny_networks.clone(),
            changing: Mutex::new(()),
        }
    }

    /// Name of the bridge's interface.
    pub(crate) fn bridge(&self) -> &str {
        &self.names.bridge
    }

    /// Makes the rules what they must be, where they are not.
    pub(crate) async fn ensure(&self) -> Result<(), FirewallError> {
        let _changing = self.changing.lock().await;
        let connected = connected().await?;
        let text = self.names.ipv4(self.network, &self.resolvers, &self.denied, &connected);
        self.ensure_family(Family::Four, &text).await?;
        if Path::new("/proc/sys/net/ipv6").exists() {
            // Machines have no IPv6; this holds for what an engine may one day give them.
            match self.ensure_family(Family::Six, &self.names.ipv6()).await {
                Err(ProgramError::Missing { source, .. }) => {
                    debug!(%source, "no rules for IPv6, which machines do not have");
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn ensure_family(&self, family: Family, text: &str) -> Result<(), ProgramError> {
        let listing = list(family).await?;
        if !self.names.stand_in(&listing, text) {
            program::run_with(family.restore(), &["-w", LOCK, "--noflush"], text).await?;
            info!(bridge = self.names.bridge, ?family, "firewall rules set");
        }
        for hook in self.names.hooks(&listing) {
            if !leads(&listing, &hook) {
                unhook(family, &hook).await;
                iptables(family, &hook.arguments("-I")).await?;
            }
        }
        Ok(())
    }

    /// Whether the bridge stands where the rules are; only then they mean anything.
    pub(crate) fn covers_bridge(&self) -> Result<(), FirewallError> {
        // Not in /sys, which shows the network that it was mounted in.
        let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
        let bridge = format!("{}:", self.names.bridge);
        if interfaces.lines().any(|line| line.trim_start().starts_with(&bridge)) {
            Ok(())
        } else {
            Err(FirewallError::Elsewhere(self.names.bridge.clone()))
        }
    }

    /// Keeps the rules for as long as the task lives.
    pub(crate) fn guard(self: &Arc<Self>) -> JoinHandle<()> {
        let firewall = self.clone();
        tokio::spawn(async move {
            let mut round = interval(ROUND);
            loop {
                round.tick().await;
                if let Err(error) = firewall.ensure().await {
                    warn!(%error, "firewall rules could not be looked after, trying again");
                }
            }
        })
    }

    /// Removes this provider's hooks and chains, and nothing else.
    pub(crate) async fn remove(&self) {
        let _changing = self.changing.lock().await;
        for family in [Family::Four, Family::Six] {
            let Ok(listing) = list(family).await else { continue };
            for hook in self.names.hooks(&listing) {
                unhook(family, &hook).await;
            }
            for chain in [&self.names.input, &self.names.forward] {
                for order in ["-F", "-X"] {
                    // One that is not there is as good.
                    let _ = iptables(family, &[order, chain]).await;
                }
            }
        }
    }
}

async fn iptables(family: Family, arguments: &[&str]) -> Result<String, ProgramError> {
    let mut all = vec!["-w", LOCK];
    all.extend(arguments);
    program::run(family.program(), &all).await
}

async fn list(family: Family) -> Result<String, ProgramError> {
    iptables(family, &["-S"]).await
}

/// Removes a hook as often as it is there.
async fn unhook(family: Family, hook: &Hook<'_>) {
    while iptables(family, &hook.arguments("-D")).await.is_ok() {}
}

/// Networks that this host is on itself: its neighbours there are not the internet.
async fn connected() -> Result<Vec<Subnet>, ProgramError> {
    let routes = program::run("ip", &["-4", "-o", "route", "show", "scope", "link"]).await?;
    Ok(rules::subnets(&routes))
}
