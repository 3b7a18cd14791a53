use std::{io::Write, path::PathBuf};

use clap::Args;
use zennet_pricing::format_xen;

use crate::{
    config::{self, Config},
    market::profit::Profit,
    offers::{OfferList, OfferStatus, MOST_LISTED},
    status,
};

/// Show the announcements that stand, what each is expected to earn, and how it stands with it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  provider-agent offers
  provider-agent offers --limit 1000
  provider-agent offers --json | jq '.offers[] | select(.state == \"waiting\") | {id, profit, reason}'

States:
  answered   its leases are under way, or were
  chosen     it is being answered
  accepted   you accepted it, and it is not answered yet for the reason that is told
  waiting    it could be answered, and is not for the reason that is told
  refused    you refused it
  filtered   the filter refuses it, for the reason that is told

The profit is of one machine: what [market] in the configuration expects of it.")]
pub(super) struct Opts {
    /// Configuration, or its folder [default: ~/.config/zennet/provider/provider.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The first offers up to this number: by state, and the most profitable first.
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=MOST_LISTED as i64))]
    limit: u32,
    /// Print one JSON object; amounts are in the smallest coin unit.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(opts: Opts, out: &mut impl Write) -> anyhow::Result<u8> {
    let config = Config::load(&config::path_or_default(opts.config)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = status::ask_offers(&config.data_dir, opts.limit as usize);
    let list = runtime.block_on(asked)?;
    if opts.json {
        serde_json::to_writer(&mut *out, &list)?;
        writeln!(out)?;
        return Ok(0);
    }
    table(&list, out)?;
    if list.total > list.offers.len() {
        eprintln!("{} of {} offers; --limit shows more", list.offers.len(), list.total);
    }
    Ok(0)
}

fn table(list: &OfferList, out: &mut impl Write) -> std::io::Result<()> {
    if list.offers.is_empty() {
        return writeln!(out, "no offers");
    }
    writeln!(
        out,
        "{:<14} {:<9} {:>8} {:>7} {:>7} {:>7} {:>15} {:>11} {:>11}  REASON",
        "OFFER", "STATE", "MACHINES", "CPU m", "MiB", "DISK", "SECONDS", "XEN/h", "PROFIT"
    )?;
    for offer in &list.offers {
        writeln!(
            out,
            "{:<14} {:<9} {:>8} {:>7} {:>7} {:>7} {:>15} {:>11} {:>11}  {}",
            short(offer),
            offer.state.name(),
            format!("{}/{}", offer.leases, offer.machines),
            figure(offer.cpu_millis),
            figure(offer.memory_mib),
            figure(offer.disk_mib),
            format!("{}-{}", offer.min_secs, offer.max_secs),
            offer.price_hour.map_or_else(dash, |price| rounded(price as Profit)),
            offer.profit.map_or_else(dash, rounded),
            offer.reason.as_deref().unwrap_or("")
        )?;
    }
    Ok(())
}

/// The first six bytes of an offer's identifier.
pub(super) fn short(offer: &OfferStatus) -> &str {
    let digits = offer.id.trim_start_matches("0x");
    digits.get(..12).unwrap_or(digits)
}

fn figure(figure: Option<u32>) -> String {
    figure.map_or_else(dash, |figure| figure.to_string())
}

fn dash() -> String {
    "-".into()
}

/// An amount in XEN with six digits after the point.
fn rounded(amount: Profit) -> String {
    const DIGITS: u128 = 1_000_000;
    let whole = amount.unsigned_abs() / DIGITS * DIGITS;
    let sign = if amount < 0 && whole > 0 { "-" } else { "" };
    format!("{sign}{}", format_xen(whole))
}

#[cfg(test)]
mod tests {
    use zennet_primitives::Hash;

    use super::*;
    use crate::offers::{tests::fill, Book};

    #[test]
    fn offers_are_listed_with_their_price_profit_and_reason() {
        let mut book = Book::new(100);
        fill(&mut book, &[(Hash::repeat_byte(1), 1_500_000_999_999)]);
        let mut out = Vec::new();
        table(&book.list(9), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("010101010101   waiting"), "{text}");
        assert!(text.contains(" 1.5  it is new"), "{text}");
    }

    #[test]
    fn a_loss_has_its_sign() {
        assert_eq!(rounded(-2_000_000_000_000), "-2");
        assert_eq!(rounded(-5), "0");
    }

    #[test]
    fn without_a_daemon_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(config::FILE_NAME);
        std::fs::write(&path, config::DEFAULT).unwrap();
        let opts = Opts { config: Some(path), limit: 9, json: false };
        let error = run(opts, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("no provider-agent is running"), "{error}");
    }
}
