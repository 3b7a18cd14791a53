//! `submit`: orders machines and stays until their leases are settled.

use std::time::Duration;

use anyhow::{bail, Result};
use clap::Args;
use rand::{rngs::OsRng, RngCore};
use zennet_chain_client::AccountKey;
use zennet_primitives::pow::Role;

use super::wanted::Wanted;
use crate::{
    config::Config,
    context::{addresses, check_coin, Context, Lock},
    control::registry::Registry,
    daemon,
    event_log::EventLog,
    events::Event,
    lease::recover::Recovery,
    mining,
    order::{
        best::Selection,
        compare::Job,
        report::{Report, Totals},
        run::Order,
        sought::Announcer,
        spec::{announced, Spec},
        start::{listen, with_ports, Open},
    },
    ssh::{keys::ClientKey, login::Logins, ports::Ports},
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
  publisher-cli submit -n 5 -m 1G --profile io --max-per-hour 0.2 --choose-within 2s
  publisher-cli submit -n 20 --keep-best 10 --after 15s

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
fails leaves the lease as it was. Besides the deposit, the record of each lease's payment channel has a
few hundredths of a XEN held until the channel is settled, when they return.

Offers are compared by what an hour of a profile of work would cost at their rates: `cpu`, `io` and
`mixed` are shares of full use of the machine, `learned` is what earlier leases used, and a file
names amounts a second by counter, as in `cpu_micros = 500000`. An offer whose hour costs more than
--max-per-hour is answered by one at rates that are all lowered by the same part; a provider that does
not come down so far gets no contract. Rates that come from benchmarks have
an interval around what a program is predicted to cost; --max-half-width turns away those that say too
little. With --choose-within offers are gathered for that time, and the cheapest are taken.

With --keep-best more machines are hired than are wanted. Each gets standard tasks from its start,
chains of SHA-256 hashes, which are paid for like all work; as many of the answers are checked as
one processor here can. When the time of --after is over, those whose units of work cost most are let
go, and before them those that gave a wrong answer. If not all machines come within --timeout, the
choice is made among those that did.

With --json every event is one line: mining, identity, announced, met, waiting, too_dear, too_unsure,
negotiated, opened, final, ready, complete, measured, dropped, kept, slow, frozen, thawed, leaving,
disagreed, amended, not_amended, lost, back, reclaiming, parted, recovering, settled, unsettled, finished.
Amounts are in the smallest unit of the coin (1 XEN is 10^12), times in seconds since the order began.")]
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
    /// Machines that stay: the others, whose work costs more, are let go after some time
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    keep_best: Option<u32>,
    /// Time from when all machines are ready to the choice of those that stay
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = units::time,
          requires = "keep_best")]
    after: Duration,
    #[command(flatten)]
    wanted: Wanted,
    /// Go on in the background once all machines are ready
    #[arg(long)]
    detach: bool,
    /// What --detach starts
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) daemon: bool,
}

impl Opts {
    /// Machines of one provider; there it has one volume of a name.
    fn most_per_provider(&self) -> Option<u32> {
        match &self.wanted.volume {
            Some(_) => Some(1),
            None => self.per_provider,
        }
    }

    /// Which machines are to stay.
    fn selection(&self) -> Result<Option<Selection>> {
        match self.keep_best {
            Some(keep) if keep >= self.machines => {
                bail!("--keep-best must be less than -n: {keep} of {} would stay", self.machines)
            }
            Some(keep) => {
                let after_ms = u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX);
                Ok(Some(Selection::Measuring { keep, after_ms }))
            }
            None => Ok(None),
        }
    }
}

pub(crate) async fn run(opts: Opts, context: &Context) -> Result<()> {
    let spec = opts.wanted.spec(opts.machines)?;
    let selection = opts.selection()?;
    let config = context.config()?;
    let key = context.key(&config)?;
    let lock = Lock::take(&config.data_dir)?;
    if opts.detach {
        return daemon::start(lock, &config.data_dir, context.out).await;
    }
    let _bounded = opts.daemon.then(|| daemon::bound_log(&config.data_dir));
    let per_provider = opts.most_per_provider();
    let wanted = opts.wanted;
    Begin { wanted, spec, per_provider, selection, job: None, config, key }.run(context).await
}

/// What an order begins with, once its folder is locked.
pub(super) struct Begin {
    pub(super) wanted: Wanted,
    pub(super) spec: Spec,
    pub(super) per_provider: Option<u32>,
    pub(super) selection: Option<Selection>,
    pub(super) job: Option<Job>,
    pub(super) config: Config,
    pub(super) key: AccountKey,
}

impl Begin {
    /// Runs the order to its end, and tells how that was.
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let teller = Teller::new(context.out, EventLog::open(&self.config.data_dir)?);
        let mut totals = None;
        let outcome = Box::pin(self.order(context, &teller, &mut totals)).await;
        teller.finished(totals, &outcome);
        outcome
    }

    async fn order(
        self,
        context: &Context,
        teller: &Teller,
        totals: &mut Option<Totals>,
    ) -> Result<()> {
        let Begin { wanted, mut spec, per_provider, selection, job, config, key } = self;
        let files = wanted.files(context, &config)?;
        let store = Store::open(&config.data_dir)?;
        store.prune()?;
        wanted.compare(&mut spec, &config, &store)?;
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
            let mined = mining::ensure_identity(&chain, Role::Publisher, &account, Some(teller));
            let identity = mined.await?;
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
            let sought = spec.sought(body, policy, per_provider);
            let seats = sought.seats();
            let selection = selection.clone();
            let sought = Some(sought);
            let run = Run { peer_seed, listen, ssh_seed, ssh_config, sought, selection };
            Ok((announcer.announce(run, None).await?, endpoint, seats))
        };
        let (wanted, endpoint, seats) = open.prepare(&store, Box::pin(prepared)).await?;
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
            selection,
            recheck: config.recheck,
            job,
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

    fn selection(words: &str) -> Result<Option<Selection>> {
        let words = ["submit"].into_iter().chain(words.split_whitespace());
        Line::try_parse_from(words)?.opts.selection()
    }

    #[test]
    fn fewer_stay_than_are_hired() {
        assert_eq!(selection("-n 3").unwrap(), None);
        let measuring = Selection::Measuring { keep: 2, after_ms: 5000 };
        assert_eq!(selection("-n 3 --keep-best 2 --after 5s").unwrap(), Some(measuring));
        for (words, named) in [
            ("-n 0", "--machines"),
            ("-n 1025", "--machines"),
            ("-n 3 --keep-best 3", "--keep-best"),
            ("-n 3 --keep-best 0", "--keep-best"),
            ("-n 3 --after 5s", "--keep-best"),
        ] {
            let error = selection(words).unwrap_err().to_string();
            assert!(error.contains(named), "{words}: {error}");
        }
    }
}
