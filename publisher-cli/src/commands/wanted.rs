//! What a command line asks of each machine, for the commands that order some.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use zennet_primitives::{
    amount::{Balance, Rate},
    announcement::{LeaseRange, Needs, MAX_TICK_MS, MIN_TICK_MS},
    contract::{Volume, Wall},
    pow::Difficulty,
    usage::Counter,
};

use crate::{
    choice::profile::{Profile, Yardstick},
    config::{Choice, Config, LEARNED, MAX_WITHIN_MS},
    context::Context,
    order::spec::Spec,
    ssh::files::Files,
    store::{Store, StoredLease},
    units,
};

/// What is wanted of each machine and its lease.
#[derive(Args, Debug)]
pub(super) struct Wanted {
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
    pub(super) volume: Option<(String, Option<u32>)>,
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
    /// Time that a provider has to bring its last voucher to the chain when its deposit is asked back
    /// because it is gone; providers ask for enough to restart in
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::time)]
    challenge: Duration,
    /// Let a lease end when its deposit is spent, rather than add to it
    #[arg(long)]
    no_top_up: bool,
    /// Highest price of a resource in XEN; once one is named, all others must be free
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
    /// What offers are compared by: cpu, io, mixed, learned, or a file [default: the configuration's]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Most that an hour of that may cost, in XEN: dearer offers are bargained down to it, or refused
    #[arg(long, value_name = "XEN", value_parser = units::amount)]
    max_per_hour: Option<Balance>,
    /// By how much a program may cost more or less than predicted where an offer's rates come from
    /// benchmarks, percent of its price [default: the configuration's]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=400))]
    max_half_width: Option<u32>,
    /// Time in which offers are gathered before the cheapest are taken, up to 10s [default: the
    /// configuration's]
    #[arg(long, value_name = "TIME", value_parser = units::time_or_none)]
    choose_within: Option<Duration>,
}

fn rate_help() -> String {
    format!(
        "Highest price of a resource in XEN; once one is named, all others must be free. Without any, no \
         rate is too high: --max-price and --max-per-hour bound what is paid.\n\nKeys: {}",
        units::rate_keys()
    )
}

impl Wanted {
    /// What is ordered when so many of them are.
    pub(super) fn spec(&self, machines: u32) -> Result<Spec> {
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
            machines,
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
            challenge_secs: secs("--challenge", self.challenge)?,
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
            yardstick: Yardstick { max_per_hour: self.max_per_hour, ..Yardstick::default() },
            choose_within_ms: 0,
        })
    }

    /// Fills in how offers are compared, which the configuration and the past have a part in.
    pub(super) fn compare(&self, spec: &mut Spec, config: &Config, store: &Store) -> Result<()> {
        let choice = &config.choice;
        let name = self.profile.as_ref().unwrap_or(&choice.profile);
        spec.yardstick.profile = profile(name, choice, store)?;
        let half_width = self.max_half_width.or(choice.max_half_width_percent);
        spec.yardstick.max_half_width_ppm =
            half_width.map(|percent| percent.saturating_mul(10_000));
        spec.choose_within_ms = match self.choose_within {
            Some(time) => u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
            None => choice.within_ms,
        };
        if spec.choose_within_ms > MAX_WITHIN_MS {
            bail!("--choose-within may be at most {} s", MAX_WITHIN_MS / 1000);
        }
        Ok(())
    }

    fn wanted_volume(&self) -> Result<Option<Volume>> {
        let Some((name, _)) = &self.volume else { return Ok(None) };
        let keep_secs = u32::try_from(self.keep.as_secs()).context("--keep is too long")?;
        let Ok(name) = name.clone().into_bytes().try_into() else {
            bail!("the name of the volume is too long");
        };
        Ok(Some(Volume { name, keep_secs }))
    }

    pub(super) fn files(&self, context: &Context, config: &Config) -> Result<Files> {
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

/// The profile of that name; what was learnt is the mixed one while that is too little.
fn profile(name: &str, choice: &Choice, store: &Store) -> Result<Profile> {
    if name != LEARNED {
        return Profile::named(name).map_or_else(|| Profile::load(Path::new(name)), Ok);
    }
    let ended = |lease: &StoredLease| lease.ended.is_some();
    let past = store.newest(choice.learn_leases as usize, ended)?;
    Ok(Profile::learned(&past, choice.learn_secs.into()).unwrap_or_else(Profile::mixed))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use zennet_primitives::{amount::XEN, close::CloseReason, usage::Usage};

    use super::*;
    use crate::history::tests::ended;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        wanted: Wanted,
    }

    fn spec(words: &str) -> Result<Spec> {
        let words = ["submit"].into_iter().chain(words.split_whitespace());
        Line::try_parse_from(words)?.wanted.spec(3)
    }

    #[test]
    fn an_order_says_what_was_typed() {
        let spec =
            spec("-m 512M --cpus 0.5 --disk 1G --image a --image b --for 2h --tick 500ms").unwrap();
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
            ("--max-per-hour x", "--max-per-hour"),
            ("--max-half-width 0", "--max-half-width"),
            ("--max-price 0", "--max-price"),
            ("--max-price -1", "-1"),
            ("--rate gold=1", "--rate"),
        ] {
            let error = spec(words).unwrap_err().to_string();
            assert!(error.contains(named), "{words}: {error}");
        }
    }

    #[test]
    fn offers_are_compared_by_what_was_told_or_learnt() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let choice = Choice::default();
        let name = |told: &str| profile(told, &choice, &store).map(|profile| profile.name);
        assert_eq!(name(&choice.profile).unwrap(), "mixed", "nothing is learnt yet");
        assert_eq!(name("io").unwrap(), "io");
        assert!(name("no-such-file").unwrap_err().to_string().contains("no-such-file"));
        let mut past = ended(1, 4, CloseReason::Finished, 1000);
        past.figures.usage = Some(Usage::default().with(Counter::CpuMicros, 1));
        store.put(&past).unwrap();
        assert_eq!(name(&choice.profile).unwrap(), "learned");
        let file = dir.path().join("work.toml");
        std::fs::write(&file, "cpu_micros = 1").unwrap();
        assert_eq!(name(file.to_str().unwrap()).unwrap(), file.to_str().unwrap());
    }

    #[test]
    fn the_command_line_goes_before_the_configuration_and_the_time_to_choose_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(crate::config::FILE),
            "node = \"x\"\n[choice]\nwithin_ms = 700\nmax_half_width_percent = 20",
        )
        .unwrap();
        let config = Config::load(dir.path()).unwrap();
        let store = Store::open(dir.path()).unwrap();
        let compared = |words: &str| -> Result<Spec> {
            let words = ["submit"].into_iter().chain(words.split_whitespace());
            let wanted = Line::try_parse_from(words)?.wanted;
            let mut spec = wanted.spec(1)?;
            wanted.compare(&mut spec, &config, &store)?;
            Ok(spec)
        };
        let usual = compared("--max-per-hour 2").unwrap();
        assert_eq!((usual.choose_within_ms, usual.yardstick.max_per_hour), (700, Some(2 * XEN)));
        assert_eq!(usual.yardstick.max_half_width_ppm, Some(200_000));
        let told = compared("--choose-within 2s --profile cpu --max-half-width 5").unwrap();
        assert_eq!(told.yardstick.max_half_width_ppm, Some(50_000));
        assert_eq!((told.choose_within_ms, &*told.yardstick.profile.name), (2000, "cpu"));
        assert!(compared("--choose-within 11s").unwrap_err().to_string().contains("10 s"));
    }
}
