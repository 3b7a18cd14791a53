//! `submit`: orders machines and stays until their leases are settled.

use std::{path::PathBuf, time::Duration};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use rand::{rngs::OsRng, RngCore};
use zennet_chain_client::AccountKey;
use zennet_primitives::{
    amount::{Balance, Rate},
    announcement::{LeaseRange, Needs, MAX_TICK_MS, MIN_TICK_MS},
    contract::{Volume, Wall},
    pow::{Difficulty, Role},
    usage::Counter,
};

use crate::{
    config::Config,
    context::{addresses, check_coin, Context, Lock},
    control::registry::Registry,
    daemon,
    event_log::EventLog,
    events::Event,
    lease::{recover::Recovery, seats::Seats},
    mining,
    order::{
        report::{Report, Totals},
        run::Order,
        sought::Announcer,
        spec::{announced, Spec},
        start::{listen, with_ports, Open},
    },
    ssh::{files::Files, keys::ClientKey, ports::Ports, readings::Logins},
    store::{Run, Store},
    teller::{status, Teller},
    units,
    volumes::keepers,
};

/// Most machines of one order.
const MAX_MACHINES: u32 = 1024;

/// Rent machines, and pay for them until Ctrl-C or `stop` ends the leases
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  publisher-cli submit -n 3 -m 512M --cpus 1
  publisher-cli submit -m 2G --cpus 0.5 --image zennet-os --for 30m --max-price 2
  publisher-cli submit -m 512M --volume data:1G --keep 7d
  publisher-cli submit -n 2 -m 256M --rate cpu=0.5 --rate memory=0.1 --json
  publisher-cli submit -n 2 -m 256M --detach

When a machine is ready, its local port is printed and the written ssh_config names it: `ssh -F
ssh_config zn-1` then asks nothing and warns of nothing. Ctrl-C, or `publisher-cli stop` elsewhere,
ends every lease, pays what is owed and gets the rest of the deposits back; a second Ctrl-C leaves at
once. Should this program or its machine die, `publisher-cli resume` goes on with the machines, and
looks for those that were still missing. SIGTERM, which a reboot sends, and the end of the terminal
leave everything to `resume` too; the exit code is 9 then.

With --detach the order runs in the background. This returns when all machines are ready, or with the
error of an order that failed; until then Ctrl-C ends the order. From then on `publisher-cli list`
and `usage` show the machines, `logs` what happens, and `stop` ends all; data/daemon.log has the
warnings.

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
    /// Only providers whose rates come from a benchmark report; a report that is shown is checked
    /// in any case
    #[arg(long)]
    benchmarked: bool,
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
    /// Go on in the background once all machines are ready
    #[arg(long)]
    detach: bool,
    /// What --detach starts
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) daemon: bool,
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
            benchmarked: self.benchmarked,
        })
    }

    /// Machines of one provider; there it has one volume of a name.
    fn most_per_provider(&self) -> Option<u32> {
        match &self.volume {
            Some(_) => Some(1),
            None => self.per_provider,
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
    let spec = opts.spec()?;
    let config = context.config()?;
    let key = context.key(&config)?;
    let lock = Lock::take(&config.data_dir)?;
    if opts.detach {
        return daemon::start(lock, &config.data_dir, context.out).await;
    }
    let _bounded = opts.daemon.then(|| daemon::bound_log(&config.data_dir));
    let teller = Teller::new(context.out, EventLog::open(&config.data_dir)?);
    let mut totals = None;
    let files = opts.files(context, &config)?;
    let begin = Begin { spec, per_provider: opts.most_per_provider(), config, key, files };
    let outcome = Box::pin(begin.order(context, &teller, &mut totals)).await;
    teller.finished(totals, &outcome);
    outcome
}

/// What an order begins with.
struct Begin {
    spec: Spec,
    per_provider: Option<u32>,
    config: Config,
    key: AccountKey,
    files: Files,
}

impl Begin {
    async fn order(
        self,
        context: &Context,
        teller: &Teller,
        totals: &mut Option<Totals>,
    ) -> Result<()> {
        let Begin { mut spec, per_provider, config, key, files } = self;
        let store = Store::open(&config.data_dir)?;
        store.prune()?;
        let keepers = keepers(&store, &mut spec)?;
        let chain = context.chain(&config).await?;
        let policy = spec.policy(chain.constants())?;
        let account = key.account();
        check_coin(&chain, &account).await?;
        let recovery = Recovery::new(chain.clone(), key.clone(), store.clone());
        let found = recovery.found().await?;
        if found.live() > 0 {
            bail!(
                "{} machines of an earlier run may be live: `publisher-cli resume` goes on with \
                 them, `publisher-cli recover` gives them up and gets the deposits back",
                found.live()
            );
        }
        let client_key = ClientKey::generate()?;
        client_key.write(&files.identity)?;
        files.write(&[])?;

        let address = addresses(&chain);
        let mut report = Report::new(teller.clone(), address.clone(), files);
        let ssh_config = report.ssh_config();
        let mut open = Open::at(&config.data_dir, Registry::new(store.clone(), address.clone()))?;
        let machines = spec.machines as usize;
        let ssh_seed = client_key.seed();
        let announcer = Announcer {
            chain: chain.clone(),
            key: key.clone(),
            store: store.clone(),
            teller: teller.clone(),
        };
        let prepared = async {
            let identity = mining::ensure_identity(&chain, Role::Publisher, &account).await?;
            teller.tell(&Event::Identity {
                address: address(&account),
                mined_secs: identity.took.map(|took| took.as_secs_f64()),
            });
            let mut peer_seed = [0; 32];
            OsRng.fill_bytes(&mut peer_seed);
            let listening = config.listening();
            let endpoint = listen(&config, peer_seed, &listening, machines).await?;
            let listen = with_ports(&listening, &endpoint);
            let body = spec.announcement(&announced(&config, &endpoint)?)?;
            let sought = Some(spec.sought(body, policy, per_provider));
            let run = Run { peer_seed, listen, ssh_seed, ssh_config, sought };
            Ok((announcer.announce(run, None).await?, endpoint))
        };
        let (wanted, endpoint) = open.prepare(&store, prepared).await?;
        let seats = Seats::new(machines, per_provider.map(|most| most as usize));
        if !keepers.is_empty() {
            status(format_args!("{} providers that keep the volume are waited for", keepers.len()));
            seats.keep_for(keepers);
        }
        let order = Order {
            chain,
            key,
            machines,
            timeout: spec.timeout,
            resumes: false,
            wanted: Some(wanted),
            seats,
            logins: Logins::new(),
            endpoint,
            ports: Ports::from(config.ssh_port_base),
            client_key,
            registry: open.registry.clone(),
            store,
        };
        open.keep(order, None, (found, recovery), &mut report, totals).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

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
