//! `provider-agent`: the daemon that rents out this host's containers.
//!
//! ```text
//!  chain ── follow ── filter ── offers ── market ── answers ── meet ──┬─ driver ── zennet_lease::Provider
//!                               (desk)                                ├─ wire      control stream
//!                                                                     ├─ redial    the next one, when it broke
//!                                                                     ├─ machine   container, meter, ssh streams
//!                                                                     └─ ledger    watch, claim, settle
//!  at start: bench (what this host can do), trial (what its counters are worth)
//!  on request: status (a socket), metrics (Prometheus)
//! ```

mod agent;
mod answers;
mod bench;
mod benchmark;
mod capacity;
mod commands;
mod config;
mod containers;
mod desk;
mod driver;
mod ending;
mod filter;
mod follow;
mod history;
mod hostkey;
mod lease_name;
mod ledger;
mod machine;
mod market;
mod meet;
mod meetings;
mod metrics;
mod mining;
mod offers;
mod orders;
mod prices;
mod rates;
mod redial;
mod ssh;
mod status;
mod store;
mod trial;
mod vain;
mod volumes;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
