use std::{io::Write, path::PathBuf};

use clap::Args;
use zennet_chain_client::{Chain, PublicHistory};

use crate::{
    agent::{parse_hash, RunError},
    commands::identifier,
    config::{self, Config},
    history::{
        self, days_ago,
        public::PublicReport,
        screen::PUBLIC_BLOCKS,
        show::{details, table},
        History, Query, MOST,
    },
    status,
    store::Store,
};

/// Show past leases: terms, usage, vouchers, events and ends.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent history --since 7d
  provider-agent history --publisher 5Grw… --limit 5      with its record at the end
  provider-agent history --lease 1f2e3d4c5b6a             all of one lease
  provider-agent history --json | jq '.leases[] | {publisher, reason, paid}'
  provider-agent history --public 5Grw… --blocks 50000    what the chain tells of an account

A lease ended by its publisher's fault is marked; [filter] max_faults and fault_days pass over
publishers with too many of them. It works with and without a running daemon.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leases with this publisher, and its record.
    #[arg(long, value_name = "ADDRESS")]
    publisher: Option<String>,
    /// Leases that ended since a date (2026-01-31), a time ago (7d, 12h), or a Unix time.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The newest leases up to this number.
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=MOST as i64))]
    limit: u32,
    /// All of the lease whose announcement begins with these hex digits.
    #[arg(long, value_name = "ID", value_parser = identifier)]
    lease: Option<String>,
    /// What the chain tells of an account, instead of own leases.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["publisher", "since", "limit", "lease"])]
    public: Option<String>,
    /// Newest blocks that are read for it, as far as the node still has them.
    #[arg(long, value_name = "N", default_value_t = PUBLIC_BLOCKS, requires = "public",
          value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,
    /// Print one JSON object; amounts are in the smallest coin unit.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(opts.config.clone())?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(address) = &opts.public {
        let report = runtime.block_on(public(&config, address, opts.blocks))?;
        if opts.json {
            serde_json::to_writer(&mut *out, &report)?;
            writeln!(out)?;
        } else {
            report.show(out)?;
        }
        return Ok(0);
    }
    let query = opts.query(&config)?;
    let history = match runtime.block_on(status::ask_history(&config.data_dir, query.clone()))? {
        Some(history) => history,
        None if Store::exists(&config.data_dir) => {
            history::of_store(&Store::open(&config.data_dir)?, &query)?
        }
        None => History::default(),
    };
    if opts.json {
        serde_json::to_writer(&mut *out, &history)?;
        writeln!(out)?;
        return Ok(0);
    }
    match (&opts.lease, &history.leases[..]) {
        (Some(lease), []) => anyhow::bail!("no past lease begins with {lease}"),
        (Some(_), leases) => {
            for (place, lease) in leases.iter().enumerate() {
                if place > 0 {
                    writeln!(out)?;
                }
                details(lease, out)?;
            }
        }
        (None, _) => table(&history, out)?,
    }
    Ok(0)
}

impl Opts {
    fn query(&self, config: &Config) -> anyhow::Result<Query> {
        let publisher = self.publisher.as_deref().map(Chain::parse_address).transpose()?;
        let now = zennet_time::unix_secs();
        Ok(Query {
            publisher: publisher.map(|account| account.to_string()),
            since: self.since.as_deref().map(|text| zennet_time::since(text, now)).transpose()?,
            lease: self.lease.clone(),
            limit: self.limit as usize,
            faults_since: days_ago(config.filter.fault_days),
        })
    }
}

async fn public(config: &Config, address: &str, blocks: u32) -> Result<PublicReport, RunError> {
    let account = Chain::parse_address(address)?;
    let genesis = config.genesis.as_deref().map(parse_hash).transpose()?;
    let chain = Chain::connect(&config.node_url, genesis).await?;
    let record = PublicHistory::new(chain.clone(), blocks).of(&account).await?;
    Ok(PublicReport::new(chain.address(&account), record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{tests::past, PastLease};
    use zennet_primitives::{close::CloseReason, AccountId, Hash};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        opts: Opts,
    }

    fn history(dir: &std::path::Path, words: &[&str]) -> anyhow::Result<String> {
        use clap::Parser;
        let config = dir.to_str().unwrap();
        let words = ["history", "--config", config].into_iter().chain(words.iter().copied());
        released(dir);
        let mut out = Vec::new();
        run(Line::try_parse_from(words)?.opts, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    /// Waits until the thread of a store that was dropped lets go of the file.
    fn released(dir: &std::path::Path) {
        let file = dir.join("data/leases.redb");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while file.exists() && redb::Database::open(&file).is_err() {
            assert!(std::time::Instant::now() < until, "the store stays in use");
            std::thread::yield_now();
        }
    }

    /// A folder with one past lease.
    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(config::FILE_NAME), config::DEFAULT).unwrap();
        let lease = PastLease {
            announcement: format!("{:?}", Hash::repeat_byte(0xab)),
            publisher: AccountId::new([1; 32]).to_string(),
            ended_at: zennet_time::unix_secs(),
            ..past(CloseReason::NotPaid)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let data = dir.path().join("data");
            let store = Store::open(&data).unwrap();
            store.finish(Hash::zero(), Some(&lease)).await.unwrap();
        });
        dir
    }

    #[test]
    fn without_a_daemon_the_store_is_read() {
        let dir = folder();
        let publisher = AccountId::new([1; 32]).to_string();
        let table = history(dir.path(), &["--publisher", &publisher]).unwrap();
        assert!(table.contains("abababababab") && table.contains("(its fault)"), "{table}");
        assert!(table.contains("1 ended by its fault since"), "{table}");
        let stranger = AccountId::new([2; 32]).to_string();
        let none = history(dir.path(), &["--publisher", &stranger]).unwrap();
        assert!(none.starts_with("no past leases\n"), "{none}");
        let details = history(dir.path(), &["--lease", "0xabab"]).unwrap();
        assert!(details.contains("0.000000000003 XEN by 4 vouchers"), "{details}");
    }

    #[test]
    fn json_has_the_leases_and_the_record() {
        let dir = folder();
        let hex = format!("0x{}", "01".repeat(32));
        let json = history(dir.path(), &["--json", "--publisher", &hex]).unwrap();
        let history: History = serde_json::from_str(&json).unwrap();
        assert_eq!((history.leases.len(), history.record.unwrap().faults), (1, 1));
        let empty = tempfile::tempdir().unwrap();
        std::fs::write(empty.path().join(config::FILE_NAME), config::DEFAULT).unwrap();
        let json = self::history(empty.path(), &["--json"]).unwrap();
        assert_eq!(json, "{\"leases\":[],\"record\":null}\n");
    }

    #[test]
    fn what_is_no_lease_address_or_time_is_named() {
        let dir = folder();
        let error = |words: &[&str]| history(dir.path(), words).unwrap_err().to_string();
        assert!(error(&["--lease", "0xcdcd"]).contains("cdcd"));
        assert!(error(&["--lease", "zz"]).contains("hex digits"));
        assert!(error(&["--publisher", "nobody"]).contains("nobody"));
        assert!(error(&["--since", "yesterday"]).contains("2026-01-31"));
        assert!(error(&["--blocks", "5"]).contains("--public"));
    }
}
