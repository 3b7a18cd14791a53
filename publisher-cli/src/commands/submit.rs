//! `submit`: orders machines and stays until their leases are settled.

use std::{path::PathBuf, time::Duration};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use rand::{rngs::OsRng, RngCore};
use zennet_primitives::{
    amount::{Balance, Rate},
    announcement::{LeaseRange, Needs, MAX_TICK_MS, MIN_TICK_MS},
    contract::{Volume, Wall},
    pow::{Difficulty, Role},
    usage::Counter,
    AccountId,
};
use zennet_transport::{Endpoint, Limits, Multiaddr};

use crate::{
    config::Config,
    context::{addresses, check_coin, node_failure, Context, Lock},
    control::{registry::Registry, server, socket},
    events::Event,
    history::screen::Screen,
    lease::{recover::Recovery, seats::Seats},
    mining, open_files,
    order::{
        report::Report,
        run::{self, Order, Wanted},
        spec::{announced, tcp_port, Spec},
    },
    ssh::{files::Files, keys::ClientKey, ports::Ports, readings::Logins},
    store::{Run, Store},
    units,
    volumes::held,
};

/// Most machines of one order.
const MAX_MACHINES: u32 = 1024;

/// Rent machines, and pay for them until Ctrl-C ends the leases
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli submit -n 3 -m 512M --cpus 1
  publisher-cli submit -m 2G --cpus 0.5 --image zennet-os --for 30m --max-price 2
  publisher-cli submit -m 512M --volume data:1G --keep 7d
  publisher-cli submit -n 2 -m 256M --rate cpu=0.5 --rate memory=0.1 --json

When a machine is ready, its local port is printed and the written ssh_config names it: `ssh -F
ssh_config zn-1` then asks nothing and warns of nothing. Ctrl-C ends every lease, pays what is owed
and gets the rest of the deposits back; a second Ctrl-C leaves at once. Should this program or its
machine die, `publisher-cli resume` goes on with the machines.

A deposit covers full use of the machine for the time of --for, or of --deposit-for. Should it run low while the lease has
time left, because of heavy traffic or of an extension, it is topped up for as long again: up to
--max-price, where that is given, and not at all with --no-top-up. --extend-to lets leases go on beyond
--for by themselves, `publisher-cli extend` makes one longer by hand; the provider must grant it. What
fails leaves the lease as it was.

With --json every event is one line: identity, announced, met, waiting, negotiated, opened, final, ready,
complete, frozen, thawed, leaving, amended, not_amended, lost, back, reclaiming, parted, settled, unsettled, finished. Amounts are in the
smallest unit of the coin (1 XEN is 10^12), times in seconds since the order began.")]
pub(crate) struct Opts {
    /// How many machines. They are spread over providers: one has more than one only when no other
    /// comes for three seconds
    #[arg(short = 'n', long, default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MACHINES)))]
    machines: u32,
    /// Machines of one provider at most; 1 has each on another host, however long that takes
    #[arg(long, value_name = "N", conflicts_with = "volume",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MACHINES)))]
    per_provider: Option<u32>,
    /// Memory of each, such as 512M or 2G
    #[arg(short = 'm', long, value_name = "SIZE", value_parser = units::size_mib)]
    memory: Option<u32>,
    /// CPU time of each, in cores
    #[arg(long, value_name = "CORES", value_parser = units::cpu_millis)]
    cpus: Option<u32>,
    /// Disk of each, such as 1G
    #[arg(long, value_name = "SIZE", value_parser = units::size_mib)]
    disk: Option<u32>,
    /// Least clock of its cores, in MHz
    #[arg(long, value_name = "MHZ", value_parser = clap::value_parser!(u32).range(1..))]
    clock_mhz: Option<u32>,
    /// Least speed of its memory, in MiB/s
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    memory_mib_per_sec: Option<u32>,
    /// Least speed of its disk, in MiB/s
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    disk_mib_per_sec: Option<u32>,
    /// Least bandwidth of its network, in kbit/s
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    bandwidth_kbit_per_sec: Option<u32>,
    /// Volume of each, at /volume, which its provider keeps for --keep after the lease. An order that
    /// names one which is kept goes to the providers that keep it
    #[arg(long, value_name = "NAME[:SIZE]", value_parser = units::volume)]
    volume: Option<(String, Option<u32>)>,
    /// How long volumes are kept after the lease; its last payment covers that
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = units::time_or_none,
          requires = "volume")]
    keep: Duration,
    /// Machines whose own files cannot be changed: only /tmp, /var/tmp, /run, /root and the volume.
    /// The image must have the account sshd
    #[arg(long)]
    read_only: bool,
    /// What must stand between machine and host: namespaces, gvisor or vm; may be repeated
    #[arg(long = "wall", value_name = "KIND", value_parser = units::wall)]
    walls: Vec<Wall>,
    /// Shortest notice that a provider must give before it goes out of service
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    min_notice: Option<Duration>,
    /// Image that will do, up to four; the provider chooses without it
    #[arg(long = "image", value_name = "REF")]
    images: Vec<String>,
    /// Longest lease wanted, such as 30m or 2h
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = units::time)]
    lease: Duration,
    /// Shortest lease worth having [default: a minute, or --for where that is less]
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    min_for: Option<Duration>,
    /// Longest time that a lease may be extended to, such as 24h: --for is added each time that the
    /// lease comes near its end
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    extend_to: Option<Duration>,
    /// Most that one machine may cost in all, in XEN: its deposit is never above it, top-ups included
    #[arg(long, value_name = "XEN", value_parser = units::amount)]
    max_price: Option<Balance>,
    /// Time of full use that a deposit covers, and each addition to it [default: that of --for]
    #[arg(long, value_name = "TIME", value_parser = units::time, conflicts_with = "no_top_up")]
    deposit_for: Option<Duration>,
    /// Let a lease end when its deposit is spent, rather than add to it
    #[arg(long)]
    no_top_up: bool,
    /// Highest price of a resource in XEN; those that are not named must then be free
    #[arg(long = "rate", value_name = "KEY=XEN", value_parser = units::rate,
          long_help = rate_help())]
    rates: Vec<(Counter, Rate)>,
    /// Interval between payments
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::time)]
    tick: Duration,
    /// Pay each tick before it begins
    #[arg(long)]
    prepaid: bool,
    /// Work asked of each provider's answer, in hashes
    #[arg(long, value_name = "HASHES", default_value_t = 1)]
    asks: Difficulty,
    /// Work done on the announcement, in hashes, for providers who ask for more than the chain does
    #[arg(long, value_name = "HASHES", default_value_t = 0)]
    stamp: Difficulty,
    /// Where providers can read more
    #[arg(long, value_name = "URL", default_value = "")]
    info_url: String,
    /// Time in which all machines must be ready
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = units::time)]
    timeout: Duration,
    /// How long a provider whose connection is lost is waited for; its machine is frozen meanwhile
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::time)]
    patience: Duration,
    /// Leases that a provider's fault may have ended in the last 30 days; one with more is turned away
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_faults: u32,
    /// Where to write the configuration for ssh [default: ssh_config in --dir]
    #[arg(long, value_name = "PATH")]
    ssh_config: Option<PathBuf>,
}

fn rate_help() -> String {
    format!(
        "Highest price of a resource in XEN; those that are not named must then be free.\n\nKeys: {}",
        units::rate_keys()
    )
}

impl Opts {
    fn spec(&self) -> Result<Spec> {
        let secs = |what: &str, time: Duration| match u32::try_from(time.as_secs()) {
            Ok(secs) if secs > 0 => Ok(secs),
            _ => bail!("{what} must be at least 1s and at most {}s", u32::MAX),
        };
        let max_secs = secs("--for", self.lease)?;
        let min_secs = match self.min_for {
            Some(time) => secs("--min-for", time)?,
            None => max_secs.min(60),
        };
        if min_secs > max_secs {
            bail!("--min-for is longer than --for");
        }
        let tick_ms = u32::try_from(self.tick.as_millis()).unwrap_or(u32::MAX);
        if !(MIN_TICK_MS..=MAX_TICK_MS).contains(&tick_ms) {
            bail!("--tick must be from {MIN_TICK_MS}ms to {}h", MAX_TICK_MS / 3_600_000);
        }
        if self.max_price == Some(0) {
            bail!("--max-price is 0 XEN: no provider can be paid with that");
        }
        let extend_to_secs = match self.extend_to {
            Some(time) => secs("--extend-to", time)?,
            None => 0,
        };
        if self.extend_to.is_some() && extend_to_secs <= max_secs {
            bail!("--extend-to is the lease time in all: it must be longer than --for");
        }
        let deposit_secs = match self.deposit_for {
            Some(time) => Some(secs("--deposit-for", time)?),
            None => None,
        };
        Ok(Spec {
            machines: self.machines,
            needs: Needs {
                cpu_millis: self.cpus,
                memory_mib: self.memory,
                disk_mib: self.disk,
                clock_mhz: self.clock_mhz,
                memory_mib_per_sec: self.memory_mib_per_sec,
                disk_mib_per_sec: self.disk_mib_per_sec,
                bandwidth_kbit_per_sec: self.bandwidth_kbit_per_sec,
                volume_mib: self.volume.as_ref().and_then(|(_, mib)| *mib),
            },
            images: self.images.clone(),
            lease: LeaseRange { min_secs, max_secs },
            tick_ms,
            prepaid: self.prepaid,
            max_rates: units::max_rates(&self.rates),
            max_price: self.max_price,
            deposit_secs,
            extend_to_secs,
            top_up: !self.no_top_up,
            asks: self.asks,
            stamp: self.stamp,
            info_url: self.info_url.clone(),
            timeout: self.timeout,
            patience: self.patience,
            max_faults: self.max_faults,
            volume: self.wanted_volume()?,
            read_only: self.read_only,
            walls: self.walls.clone(),
            min_notice_secs: match self.min_notice {
                Some(time) => secs("--min-notice", time)?,
                None => 0,
            },
        })
    }

    /// Machines of one provider; there it has one volume of a name.
    fn most_per_provider(&self) -> Option<usize> {
        match &self.volume {
            Some(_) => Some(1),
            None => self.per_provider.map(|most| most as usize),
        }
    }

    fn wanted_volume(&self) -> Result<Option<Volume>> {
        let Some((name, _)) = &self.volume else { return Ok(None) };
        let keep_secs = u32::try_from(self.keep.as_secs()).context("--keep is too long")?;
        let Ok(name) = name.clone().into_bytes().try_into() else {
            bail!("the name of the volume is too long");
        };
        Ok(Some(Volume { name, keep_secs }))
    }

    fn files(&self, context: &Context, config: &Config) -> Result<Files> {
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).with_context(|| format!("bad path {}", path.display()))
        };
        let wanted = self.ssh_config.clone().unwrap_or_else(|| context.dir.join("ssh_config"));
        Ok(Files {
            config: absolute(wanted)?,
            known_hosts: absolute(config.data_dir.join("known_hosts"))?,
            identity: absolute(config.data_dir.join("id_ed25519"))?,
        })
    }
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let mut spec = opts.spec()?;
    let config = context.config()?;
    let key = context.key(&config)?;
    let lock = Lock::take(&config.data_dir)?;
    let store = Store::open(&config.data_dir)?;
    store.prune()?;
    let keepers = keepers(&store, &mut spec)?;
    let screen = Screen::new(&store, spec.max_faults)?;
    let chain = context.chain(&config).await?;
    let policy = spec.policy(chain.constants())?;
    let account = key.account();
    check_coin(&chain, &account).await?;
    let files = opts.files(context, &config)?;
    let recovery = Recovery::new(chain.clone(), key.clone(), store.clone());
    let live = recovery.open().await?.iter().filter(|earlier| earlier.is_live()).count();
    if live > 0 {
        bail!(
            "{live} machines of an earlier run may be live: `publisher-cli resume` goes on with \
             them, `publisher-cli recover` gives them up and gets the deposits back"
        );
    }
    let client_key = ClientKey::generate()?;
    client_key.write(&files.identity)?;
    files.write(&[])?;

    let address = addresses(&chain);
    let identity = mining::ensure_identity(&chain, Role::Publisher, &account).await?;
    let mut report = Report::new(context.out, address.clone(), files);
    report.tell(&Event::Identity {
        address: address(&account),
        mined_secs: identity.took.map(|took| took.as_secs_f64()),
    });

    let mut peer_seed = [0; 32];
    OsRng.fill_bytes(&mut peer_seed);
    let listening = config.listening();
    let endpoint = listen(&config, peer_seed, &listening, spec.machines).await?;
    store.put_run(&Run {
        peer_seed,
        listen: with_ports(&listening, &endpoint),
        ssh_seed: client_key.seed(),
        ssh_config: report.ssh_config(),
    })?;
    let dialed = announced(&config, &endpoint)?;
    let body = spec.announcement(&dialed)?;
    let announcement = body.id(chain.genesis(), &account);
    let work = spec.stamp.max(chain.constants().min_stamp);
    let stamp = mining::stamp(announcement, work).await?;
    let blocks = spec.announcement_blocks(chain.constants());
    let included = chain.announce(&key, &body, blocks, stamp).await.map_err(node_failure)?;
    let secs = report.secs();
    report.announced(&Event::Announced {
        announcement: format!("{announcement:?}"),
        block: included.block.number,
        expires_at: included.block.number.saturating_add(blocks),
        endpoint: dialed,
        fee: included.fee,
        secs,
    });

    let (limits, timeout) = (spec.limits(), spec.timeout);
    let wanted = Wanted { announcement, body, policy, limits, screen, timeout };
    let order = Order {
        chain,
        key,
        wanted: Some(wanted),
        seats: Seats::new(spec.machines as usize, opts.most_per_provider()),
        logins: Logins::new(),
        endpoint,
        ports: Ports::from(config.ssh_port_base),
        client_key,
        registry: Registry::new(store.clone(), address),
        store,
    };
    if !keepers.is_empty() {
        eprintln!("the volume is kept by {} providers: they are waited for", keepers.len());
        order.seats.keep_for(keepers);
    }
    let outcome = keep(order, recovery, &mut report, &config).await;
    drop(lock);
    outcome
}

/// Providers that keep the volume which the order names; its size is theirs where none was given.
fn keepers(store: &Store, spec: &mut Spec) -> Result<Vec<AccountId>> {
    let Some(volume) = &spec.volume else { return Ok(Vec::new()) };
    let mut found = held(store, zennet_time::unix_secs())?;
    found.retain(|held| held.name.as_bytes() == &volume.name[..]);
    let name = String::from_utf8_lossy(&volume.name);
    let largest = found.iter().map(|held| held.mib).max();
    match (spec.needs.volume_mib, largest) {
        (None, None) => bail!("no volume {name} is kept: give its size, as in --volume {name}:1G"),
        (None, Some(mib)) => spec.needs.volume_mib = Some(mib),
        (Some(asked), Some(mib)) if asked < mib => {
            bail!("the volume {name} has {mib} MiB: it can grow, but not shrink to {asked} MiB")
        }
        (Some(_), _) => (),
    }
    Ok(found.into_iter().map(|held| held.provider).collect())
}

/// Keeps the leases of an order until all are settled, while others may ask about them.
pub(super) async fn keep(
    order: Order,
    recovery: Recovery,
    report: &mut Report,
    config: &Config,
) -> Result<()> {
    let server = server::serve(&socket(&config.data_dir), order.registry.clone())?;
    let outcome = Box::pin(run::run(order, recovery, report)).await;
    drop(server);
    let totals = report.totals();
    report.tell(&Event::Finished {
        settled: totals.settled,
        unsettled: totals.unsettled,
        paid: totals.paid,
        secs: report.secs(),
    });
    outcome
}

/// Listens for providers under the peer id of a seed.
pub(super) async fn listen(
    config: &Config,
    peer_seed: [u8; 32],
    listen: &[String],
    machines: u32,
) -> Result<Endpoint> {
    let mut addresses = Vec::new();
    for text in listen {
        let address: Multiaddr = text
            .parse()
            .with_context(|| format!("`listen` or `relay`: {text:?} is no multiaddr"))?;
        addresses.push(address);
    }
    open_files::make_room(machines.into())?;
    let wanted = machines as usize;
    let usual = Limits::default();
    let limits = Limits {
        connections: usual.connections.max(4 * wanted),
        // Providers may share one address: a lab, a demonstration, a translated network.
        connections_per_ip: usual.connections_per_ip.max(run::most_meetings(wanted)),
        allow_private: config.allow_private_endpoint,
        ..usual
    };
    Ok(Endpoint::listen_again(peer_seed, addresses, limits).await?)
}

/// The configured addresses with the ports that the system chose, so that a later run can have
/// them again.
fn with_ports(configured: &[String], endpoint: &Endpoint) -> Vec<String> {
    let listening: Vec<String> = endpoint.addresses().iter().map(ToString::to_string).collect();
    configured.iter().map(|address| with_port(address, &listening)).collect()
}

fn with_port(configured: &str, listening: &[String]) -> String {
    let Some(host) = configured.strip_suffix("/tcp/0") else { return configured.to_owned() };
    // An unspecified address stands for every one of its family.
    let prefix = match host {
        "/ip4/0.0.0.0" => "/ip4/",
        "/ip6/::" => "/ip6/",
        host => host,
    };
    let port =
        listening.iter().find(|address| address.starts_with(prefix)).and_then(|a| tcp_port(a));
    port.map_or_else(|| configured.to_owned(), |port| format!("{host}/tcp/{port}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_ports_that_the_system_chose_are_kept() {
        let listening = [
            "/ip4/10.0.0.5/tcp/41/p2p/x".to_owned(),
            "/ip4/127.0.0.1/tcp/42/p2p/x".to_owned(),
            "/ip6/::1/tcp/43/p2p/x".to_owned(),
        ];
        for (configured, kept) in [
            ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/42"),
            ("/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/tcp/41"),
            ("/ip6/::/tcp/0", "/ip6/::/tcp/43"),
            ("/ip4/127.0.0.1/tcp/7", "/ip4/127.0.0.1/tcp/7"),
            ("/ip4/10.0.0.9/tcp/4/p2p/x/p2p-circuit", "/ip4/10.0.0.9/tcp/4/p2p/x/p2p-circuit"),
        ] {
            assert_eq!(with_port(configured, &listening), kept);
        }
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        opts: Opts,
    }

    fn spec(words: &str) -> Result<Spec> {
        Line::try_parse_from(["submit"].into_iter().chain(words.split_whitespace()))?.opts.spec()
    }

    #[test]
    fn an_order_says_what_was_typed() {
        let spec =
            spec("-n 3 -m 512M --cpus 0.5 --disk 1G --image a --image b --for 2h --tick 500ms")
                .unwrap();
        assert_eq!(spec.machines, 3);
        assert_eq!(spec.needs.memory_mib, Some(512));
        assert_eq!(spec.needs.cpu_millis, Some(500));
        assert_eq!(spec.needs.disk_mib, Some(1024));
        assert_eq!(spec.images, ["a", "b"]);
        assert_eq!(spec.stamp, 0);
        assert_eq!(spec.lease, LeaseRange { min_secs: 60, max_secs: 7200 });
        assert_eq!((spec.tick_ms, spec.prepaid), (500, false));
        assert_eq!((spec.max_price, spec.max_rates, spec.max_faults), (None, None, 3));
    }

    #[test]
    fn speeds_and_work_are_asked_for_by_name() {
        let spec = spec(
            "--clock-mhz 2000 --memory-mib-per-sec 3000 --disk-mib-per-sec 100 \
             --bandwidth-kbit-per-sec 50000 --stamp 4096",
        )
        .unwrap();
        let needs = Needs {
            clock_mhz: Some(2000),
            memory_mib_per_sec: Some(3000),
            disk_mib_per_sec: Some(100),
            bandwidth_kbit_per_sec: Some(50_000),
            ..Needs::default()
        };
        assert_eq!((spec.needs, spec.stamp), (needs, 4096));
    }

    #[test]
    fn a_short_lease_lowers_the_shortest_with_it() {
        assert_eq!(spec("--for 10s").unwrap().lease, LeaseRange { min_secs: 10, max_secs: 10 });
    }

    #[test]
    fn quantities_out_of_range_are_refused_with_the_option_named() {
        for (words, named) in [
            ("-n 0", "--machines"),
            ("-n 1025", "--machines"),
            ("-m 0M", "--memory"),
            ("-m 512", "--memory"),
            ("--cpus 0", "--cpus"),
            ("--cpus 2000", "--cpus"),
            ("--disk 1K", "--disk"),
            ("--clock-mhz 0", "--clock-mhz"),
            ("--for 0s", "--for"),
            ("--for 500ms", "--for"),
            ("--for 1m --min-for 2m", "--min-for"),
            ("--for 1h --extend-to 1h", "--extend-to"),
            ("--tick 100ms", "--tick"),
            ("--tick 2h", "--tick"),
            ("--max-price 0", "--max-price"),
            ("--max-price -1", "-1"),
            ("--rate gold=1", "--rate"),
        ] {
            let error = spec(words).unwrap_err().to_string();
            assert!(error.contains(named), "{words}: {error}");
        }
    }
}
