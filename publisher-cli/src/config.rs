//! `publisher.toml` and the files beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use zennet_primitives::Hash;

use crate::{choice::profile::Profile, failure::Failure};

/// Name of the configuration in its folder.
pub(crate) const FILE: &str = "publisher.toml";

/// Name of the key file that `init` writes beside it.
pub(crate) const KEY_FILE: &str = "publisher.key";

/// What `publisher.toml` says. Relative paths start at its folder.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// WebSocket address of a node.
    pub(crate) node: String,
    /// Hash of the first block of the chain that is expected, hexadecimal.
    #[serde(default)]
    pub(crate) genesis: Option<Genesis>,
    /// File with the account's secret.
    #[serde(default = "default_key_file")]
    pub(crate) key_file: PathBuf,
    /// Folder for leases, keys of machines and the control socket.
    #[serde(default = "default_data_dir")]
    pub(crate) data_dir: PathBuf,
    /// Addresses to listen on for providers, multiaddrs.
    #[serde(default = "default_listen")]
    pub(crate) listen: Vec<String>,
    /// Address that providers can reach, without the peer id, where it differs.
    #[serde(default)]
    pub(crate) announce: Option<String>,
    /// Relay through which providers reach a publisher that they cannot dial.
    #[serde(default)]
    pub(crate) relay: Option<String>,
    /// First local port for ssh; each machine takes the next free one.
    #[serde(default = "default_ssh_port_base")]
    pub(crate) ssh_port_base: u16,
    /// Whether loopback and private addresses may be announced.
    #[serde(default)]
    pub(crate) allow_private_endpoint: bool,
    /// How orders choose among offers and machines.
    #[serde(default)]
    pub(crate) choice: Choice,
    /// Whether machines are measured again.
    #[serde(default)]
    pub(crate) recheck: Recheck,
}

/// Whether machines get standard work again at random moments, and what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Recheck {
    /// Time from one to the next on the average, seconds; with 0 there are none.
    pub(crate) every_secs: u32,
    /// By how much more time or coin than at first a machine is slow.
    pub(crate) slower_percent: u32,
    /// How often in a row a machine is slow until its lease ends; with 0 that is told alone.
    pub(crate) end_after: u32,
}

impl Default for Recheck {
    fn default() -> Self {
        Recheck { every_secs: 0, slower_percent: 30, end_after: 0 }
    }
}

/// How orders choose, where their command line does not say.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Choice {
    /// Profile of work that offers are compared by: cpu, io, mixed, learned, or a file.
    pub(crate) profile: String,
    /// Time in which offers are gathered before the cheapest are taken, milliseconds.
    pub(crate) within_ms: u32,
    /// By how much a program may cost more or less than predicted where rates come from benchmarks,
    /// percent of its price; without it any that is true will do.
    pub(crate) max_half_width_percent: Option<u32>,
    /// Newest leases that a profile is learnt from.
    pub(crate) learn_leases: u32,
    /// Time that these must have lasted in all; otherwise the profile is mixed.
    pub(crate) learn_secs: u32,
}

impl Default for Choice {
    fn default() -> Self {
        Choice {
            profile: LEARNED.into(),
            within_ms: 0,
            max_half_width_percent: None,
            learn_leases: 200,
            learn_secs: 60,
        }
    }
}

/// The profile of the leases of the past.
pub(crate) const LEARNED: &str = "learned";

/// Most time in which offers may be gathered: providers wait that long and no longer.
pub(crate) const MAX_WITHIN_MS: u32 = 10_000;

/// A hash in hexadecimal, with or without `0x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Genesis(pub(crate) Hash);

impl TryFrom<String> for Genesis {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = hex::decode(text.trim_start_matches("0x"))
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(|| format!("{text:?} is no hash: write 0x and 64 hexadecimal digits"))?;
        Ok(Genesis(Hash(bytes)))
    }
}

fn default_key_file() -> PathBuf {
    KEY_FILE.into()
}

fn default_data_dir() -> PathBuf {
    "data".into()
}

fn default_listen() -> Vec<String> {
    vec!["/ip4/0.0.0.0/tcp/0".into()]
}

fn default_ssh_port_base() -> u16 {
    20001
}

impl Config {
    /// Reads the configuration of a folder and makes its paths absolute or relative to the caller.
    pub(crate) fn load(dir: &Path) -> Result<Config, Failure> {
        let path = dir.join(FILE);
        let bad = |why: String| Failure::BadConfig { path: path.clone(), why };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::NoConfig(path));
            }
            Err(e) => return Err(bad(e.to_string())),
        };
        let mut config: Config = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        if config.listen.is_empty() && config.relay.is_none() {
            return Err(bad("listen names no address: providers must be able to dial".into()));
        }
        if config.relay.is_some() && config.announce.is_some() {
            return Err(bad("relay and announce are both set: one address is announced".into()));
        }
        if config.ssh_port_base == 0 {
            return Err(bad("ssh_port_base is 0: give a port from 1 to 65535".into()));
        }
        if config.choice.within_ms > MAX_WITHIN_MS {
            return Err(bad(format!("choice.within_ms is above {MAX_WITHIN_MS}")));
        }
        config.key_file = dir.join(&config.key_file);
        config.data_dir = dir.join(&config.data_dir);
        let profile = &mut config.choice.profile;
        if profile != LEARNED && Profile::named(profile).is_none() {
            *profile = dir.join(&*profile).display().to_string();
        }
        Ok(config)
    }

    /// Addresses to listen on, the place at the relay among them.
    pub(crate) fn listening(&self) -> Vec<String> {
        let circuit = |relay: &String| format!("{}/p2p-circuit", relay.trim_end_matches('/'));
        self.listen.iter().cloned().chain(self.relay.iter().map(circuit)).collect()
    }
}

/// What `init` puts into a new configuration.
#[derive(Clone, Debug)]
pub(crate) struct Initial {
    /// WebSocket address of a node.
    pub(crate) node: String,
    /// Addresses to listen on.
    pub(crate) listen: Vec<String>,
    /// Address that providers can reach.
    pub(crate) announce: Option<String>,
    /// Relay for a publisher that providers cannot dial.
    pub(crate) relay: Option<String>,
    /// First local port for ssh.
    pub(crate) ssh_port_base: u16,
    /// Whether private addresses may be announced.
    pub(crate) allow_private_endpoint: bool,
}

impl Initial {
    /// The commented text of the file.
    pub(crate) fn render(&self) -> String {
        let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
        let listen: Vec<_> = self.listen.iter().map(|address| text(address)).collect();
        let announce = match &self.announce {
            Some(address) => format!("announce = {}", text(address)),
            None => "# announce = \"/ip4/203.0.113.7/tcp/4001\"".to_owned(),
        };
        let relay = match &self.relay {
            Some(address) => format!("relay = {}", text(address)),
            None => "# relay = \"/ip4/203.0.113.7/tcp/4002/p2p/12D3KooW…\"".to_owned(),
        };
        let (choice, recheck) = (Choice::default(), Recheck::default());
        format!(
            "# Configuration of publisher-cli. Relative paths start at this file's folder.

# WebSocket address of a node of the chain.
node = {node}

# Hash of the chain's first block; another chain is refused when it is set.
# genesis = \"0x…\"

# The account's secret; the file must not be readable by others (mode 600).
key_file = \"{KEY_FILE}\"

# Leases, keys of machines and the control socket.
data_dir = \"data\"

# Where providers reach this publisher, as multiaddrs; port 0 takes any free port.
listen = [{listen}]

# The address to announce where it differs from the one listened on, such as behind a router that
# forwards a port. Without the peer id, which is new in each run; port 0 stands for the port taken.
{announce}

# Where no port can be forwarded: a relay that providers reach this publisher through, as
# `publisher-cli relay serve` prints it on a host that can be dialed. It sees who talks to whom and
# how much, and can cut the connections; it can read nothing. `listen` may then be empty.
{relay}

# First local port for ssh; each machine takes the next free one.
ssh_port_base = {port}

# Whether loopback and private addresses may be announced: only for chains of your own.
allow_private_endpoint = {private}

[choice]
# What offers are compared by: the predicted cost of an hour of such work, the sum over all counters
# of the amount that is used times the rate. `cpu` keeps the processor busy, `io` disks and
# networks, `mixed` is in between; each is a share of full use of the machine. `learned` is what the
# newest learn_leases leases of this folder used on the average, weighted by their time, or `mixed`
# where they lasted for less than learn_secs in all. Anything else names a file with amounts a
# second, such as cpu_micros = 500000.
profile = \"{profile}\"
learn_leases = {learn_leases}
learn_secs = {learn_secs}

# Time in which offers are gathered before the cheapest are taken, milliseconds, at most {most};
# with 0 the first that will do are taken, which is fastest.
within_ms = {within_ms}

# Where rates come from a provider's benchmarks, nineteen of twenty programs cost what they predict
# but for this part of it, percent; offers that are less sure are turned away. Without it any will do.
# Offers with rates that were simply chosen have no such figure: --benchmarked turns those away.
# max_half_width_percent = 25

[recheck]
# Machines may get standard work again at random moments, from half of this time after the last one
# to one and a half, seconds; with 0 they get none. It is a chain of SHA-256 sums that takes about
# two seconds and is paid for like all work. A machine is asked only when it rests, since its own
# work would count as well.
every_secs = {every_secs}
# A machine is slow where a unit of the work takes this much more time than when it was ready, or
# costs this much more coin, percent, where it costs more than those of at least eleven others
# explain, and where the answer is wrong. The event `slow` tells of it.
slower_percent = {slower_percent}
# A lease whose machine is slow this many times in a row ends; with 0 it goes on.
end_after = {end_after}
",
            node = text(&self.node),
            listen = listen.join(", "),
            port = self.ssh_port_base,
            private = self.allow_private_endpoint,
            most = MAX_WITHIN_MS,
            profile = choice.profile,
            learn_leases = choice.learn_leases,
            learn_secs = choice.learn_secs,
            within_ms = choice.within_ms,
            every_secs = recheck.every_secs,
            slower_percent = recheck.slower_percent,
            end_after = recheck.end_after,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial() -> Initial {
        Initial {
            node: "ws://127.0.0.1:9944".into(),
            listen: default_listen(),
            announce: None,
            relay: None,
            ssh_port_base: 20001,
            allow_private_endpoint: false,
        }
    }

    fn load(text: &str) -> Result<Config, Failure> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), text).unwrap();
        Config::load(dir.path())
    }

    #[test]
    fn the_shipped_configuration_loads_with_the_values_it_states() {
        let config = load(&initial().render()).unwrap();
        assert_eq!(config.node, "ws://127.0.0.1:9944");
        assert_eq!(config.genesis, None);
        assert!(config.key_file.ends_with(KEY_FILE));
        assert_eq!(config.listen, default_listen());
        assert_eq!(config.ssh_port_base, default_ssh_port_base());
        assert!(!config.allow_private_endpoint);
        assert_eq!(config.choice, Choice::default());
        assert_eq!(config.recheck, Recheck::default());
    }

    #[test]
    fn what_init_is_told_is_quoted() {
        let told = Initial { announce: Some("/ip4/1.2.3.4/tcp/5".into()), ..initial() };
        assert_eq!(load(&told.render()).unwrap().announce.unwrap(), "/ip4/1.2.3.4/tcp/5");
        let odd = Initial { node: "ws://\"x\"".into(), ..initial() };
        assert_eq!(load(&odd.render()).unwrap().node, "ws://\"x\"");
    }

    #[test]
    fn a_relay_is_listened_at_and_is_the_one_address_announced() {
        let relay = "/ip4/1.2.3.4/tcp/5/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let told = Initial { relay: Some(relay.into()), ..initial() };
        let config = load(&told.render()).unwrap();
        assert_eq!(config.relay.as_deref(), Some(relay));
        assert_eq!(config.listening().last().unwrap(), &format!("{relay}/p2p-circuit"));
        let alone = load(&format!("node = \"x\"\nlisten = []\nrelay = \"{relay}\"")).unwrap();
        assert_eq!(alone.listening().len(), 1);
        let both = Initial { announce: Some("/ip4/1.2.3.4/tcp/5".into()), ..told };
        assert!(load(&both.render()).unwrap_err().to_string().contains("both"));
    }

    #[test]
    fn unknown_and_ill_typed_keys_are_named() {
        let error = load("node = \"ws://x\"\nnodes = 1").unwrap_err().to_string();
        assert!(error.contains("nodes"), "{error}");
        let error = load("node = 5").unwrap_err().to_string();
        assert!(error.contains("node"), "{error}");
        let error = load("node = \"x\"\ngenesis = \"0x12\"").unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
        assert!(load("node = \"x\"\nlisten = []").is_err());
        assert!(load("node = \"x\"\nssh_port_base = 70000").is_err());
        assert!(load("node = \"x\"\n[choice]\nwithin_ms = 60000").is_err());
    }

    #[test]
    fn a_genesis_may_have_a_prefix() {
        let hash = "12".repeat(32);
        let with = load(&format!("node = \"x\"\ngenesis = \"0x{hash}\"")).unwrap();
        let without = load(&format!("node = \"x\"\ngenesis = \"{hash}\"")).unwrap();
        assert_eq!(with.genesis, without.genesis);
        assert_eq!(with.genesis.unwrap().0, Hash::repeat_byte(0x12));
    }

    #[test]
    fn a_missing_configuration_tells_what_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let error = Config::load(dir.path()).unwrap_err();
        assert_eq!(error.code(), 3);
        assert!(error.to_string().contains("publisher-cli init"));
    }
}
