//! `provider-agent`: the daemon that rents out this host's containers.
//!
//! ```text
//!  chain ── answers ── filter ── meet ──┬─ driver ── zennet_lease::Provider
//!                                       ├─ wire      control stream
//!                                       ├─ redial    the next one, when it broke
//!                                       ├─ machine   container, meter, ssh streams
//!                                       └─ ledger    watch, claim, settle
//! ```

mod agent;
mod answers;
mod bench;
mod capacity;
mod commands;
mod config;
mod containers;
mod driver;
mod ending;
mod filter;
mod history;
mod hostkey;
mod lease_name;
mod ledger;
mod machine;
mod meet;
mod mining;
mod orders;
mod redial;
mod ssh;
mod status;
mod store;
mod volumes;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
