//! Events as people read them.

use std::fmt;

use super::Event;
use crate::{failure::LEFT, units::xen};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Mining { work, hashes_per_sec, expected_secs, .. } => write!(
                f,
                "mining the {} at {hashes_per_sec} hashes a second: about {expected_secs:.0} s more \
                 expected",
                work.name()
            ),
            Event::Identity { address, mined_secs: Some(secs) } => {
                write!(f, "identity of {address} mined in {secs:.1} s")
            }
            Event::Identity { address, mined_secs: None } => {
                write!(f, "identity of {address} stands on chain")
            }
            Event::Recovering { leases } => {
                write!(f, "settling {leases} leases that an earlier run left open")
            }
            Event::Announced { block, expires_at, endpoint, profile, .. } => write!(
                f,
                "announced in block {block} until block {expires_at}; providers dial {endpoint}, \
                 their offers are compared by the profile {profile}"
            ),
            Event::Met { lease, from, .. } => write!(f, "met a provider from {from} (#{lease})"),
            Event::Waiting { lease, .. } => {
                write!(f, "a provider's offer will do, it waits (#{lease})")
            }
            Event::Negotiated { lease, machine, provider, deposit, per_hour, .. } => write!(
                f,
                "{machine}: contract with {provider} (#{lease}), about {} an hour, deposit {}",
                xen(*per_hour),
                xen(*deposit)
            ),
            Event::TooDear { lease, provider, per_hour } => {
                let per_hour = xen(*per_hour);
                write!(f, "{provider} is too dear (#{lease}): about {per_hour} an hour at last")
            }
            Event::TooUnsure { lease, provider, half_width_percent } => write!(
                f,
                "{provider} is too unsure (#{lease}): by its benchmarks a program may cost \
                 {half_width_percent:.1} % more or less than its price; --max-half-width allows more"
            ),
            Event::Opened { machine, block, .. } => {
                write!(f, "{machine}: deposit locked in block {block}, waiting for finality")
            }
            Event::Final { machine, .. } => write!(f, "{machine}: deposit final"),
            Event::Ready { machine, port, order_to_ready_secs, .. } => {
                write!(f, "{machine}  127.0.0.1:{port}  ready after {order_to_ready_secs:.1} s")
            }
            Event::Complete { machines, missing, ssh_config, .. } => {
                write!(f, "{machines} machines are ready: ssh -F {ssh_config} zn-1")?;
                match missing {
                    0 => Ok(()),
                    _ => write!(f, "\n{missing} are still waited for"),
                }
            }
            Event::Frozen { machine, due } => {
                write!(f, "{machine}: frozen until {} is paid", xen(*due))
            }
            Event::Resuming { machines, wanted } => {
                write!(f, "waiting for the providers of {machines} machines to dial again")?;
                match wanted {
                    0 => Ok(()),
                    _ => write!(f, ", and looking for {wanted} more"),
                }
            }
            Event::Measured { machine, work, cost, work_secs, wrong, .. } => {
                let per_unit = cost.checked_div((*work).into()).map_or_else(|| "-".into(), xen);
                write!(
                    f,
                    "{machine}: {work} units of work in {work_secs:.1} s, {per_unit} a unit"
                )?;
                match wrong {
                    0 => Ok(()),
                    _ => write!(f, ", {wrong} answers were wrong"),
                }
            }
            Event::Dropped { machine, provider, .. } => {
                write!(f, "{machine}: among the dearest by its work, {provider} is let go")
            }
            Event::Slow { machine, slower_percent, dearer_percent, outlier, times, .. } => {
                if *outlier {
                    write!(f, "{machine}: dearer than the other machines explain; ")?;
                }
                match (slower_percent, dearer_percent) {
                    (Some(slower), Some(dearer)) => write!(
                        f,
                        "{machine}: a unit of work takes {slower:+.0} % of time and {dearer:+.0} % \
                         of coin beside the first measurement, {times} times in a row"
                    ),
                    _ => write!(f, "{machine}: a wrong answer, {times} times in a row"),
                }
            }
            Event::Kept { machines, dropped, .. } => {
                write!(f, "{machines} machines are kept, {dropped} are let go")
            }
            Event::Result { machine, provider, exit_code, stdout_sha256, error, odd, .. } => {
                let mark = if *odd { "  differs" } else { "" };
                match (exit_code, stdout_sha256, error) {
                    (Some(code), Some(hash), None) => {
                        write!(f, "{machine}  {provider}  exit code {code}, stdout {hash}{mark}")
                    }
                    (_, _, why) => {
                        let why = why.as_deref().unwrap_or("no result");
                        write!(f, "{machine}  {provider}  {why}")
                    }
                }
            }
            Event::Verdict { machines, agreed: 0, .. } => {
                write!(f, "no result is that of more than half of {machines} machines")
            }
            Event::Verdict { machines, agreed, odd } => {
                write!(f, "{agreed} of {machines} machines agree")?;
                odd.iter().try_for_each(|provider| write!(f, "\n{provider} differs"))
            }
            Event::Thawed { machine } => write!(f, "{machine}: runs again"),
            Event::Leaving { machine, in_secs } => {
                write!(f, "{machine}: its provider goes out of service in {in_secs} s")
            }
            Event::Disagreed { machine, counter, claimed, read, tolerance } => write!(
                f,
                "{machine}: its provider reports {claimed} of {counter}, the machine itself {read}, \
                 which may differ by {tolerance}; what is above is not paid"
            ),
            Event::Amended { machine, deposit, lease_secs, .. } => {
                write!(f, "{machine}: {lease_secs} s in all now, deposit {}", xen(*deposit))
            }
            Event::NotAmended { machine, why } => {
                write!(f, "{machine}: no more deposit or time, the lease goes on as it was: {why}")
            }
            Event::Lost { machine } => {
                write!(f, "{machine}: connection lost, waiting for the provider to dial again")
            }
            Event::Back { machine } => write!(f, "{machine}: connected again"),
            Event::Reclaiming { machine, challenge_blocks } => write!(
                f,
                "{machine}: the provider does not answer; closing the channel on chain, which \
                 takes {challenge_blocks} blocks"
            ),
            Event::Parted { lease, provider, close_reason } => {
                let who = provider.as_deref().unwrap_or("a provider");
                write!(f, "no contract with {who} (#{lease}): {close_reason}")
            }
            Event::Settled { machine, paid, deposit, vouchers, agreed, close_reason, .. } => {
                let agreed = if *agreed { "readings agreed" } else { "readings did not agree" };
                write!(
                    f,
                    "{machine}  settled: paid {} of {} by {vouchers} vouchers, {agreed} \
                     ({close_reason})",
                    xen(*paid),
                    xen(*deposit)
                )
            }
            Event::Unsettled { machine, locked, close_reason, .. } => match locked {
                0 => write!(f, "{machine}: ended before a deposit was locked: {close_reason}"),
                _ => write!(
                    f,
                    "{machine}: ended ({close_reason}), {} stay locked until its channel ends",
                    xen(*locked)
                ),
            },
            Event::Finished { settled, unsettled, paid, secs, exit_code, .. } => {
                let over = if *exit_code == LEFT { "left" } else { "over" };
                write!(
                    f,
                    "order {over} after {secs:.0} s: {settled} leases settled, {unsettled} not, {} \
                     paid",
                    xen(*paid)
                )
            }
        }
    }
}
