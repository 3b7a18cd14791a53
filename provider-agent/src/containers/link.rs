//! The interface of a running machine: kept from its neighbours, and no faster than was agreed on.

use std::net::Ipv4Addr;

use super::program::{self, ProgramError};

/// Name of a machine's only interface, as the engine gives it.
const INTERFACE: &str = "eth0";
/// Name of a second one, which only machines of the provider's own have.
const LINK: &str = "link0";
/// How long a packet may wait for its turn.
const LATENCY: &str = "100ms";
/// What may pass at once, as a part of a second and at least in bytes.
const BURST_PART: u64 = 50;
const LEAST_BURST: u64 = 32 * 1024;

/// Makes the host's end an isolated port of the bridge: frames pass between it and the host only,
/// whatever their protocol is.
pub(super) async fn isolate(pid: u32) -> Result<(), ProgramError> {
    let port = host_end(pid).await?;
    let arguments = ["link", "set", "dev", &port, "type", "bridge_slave", "isolated", "on"];
    program::run("ip", &arguments).await.map(drop)
}

/// Limits the rate, each way. The machine has no right to change either end.
pub(super) async fn limit(pid: u32, kbit_per_sec: u32) -> Result<(), ProgramError> {
    let port = host_end(pid).await?;
    let (rate, burst) = (format!("{kbit_per_sec}kbit"), burst(kbit_per_sec).to_string());
    program::run("tc", &shape(&port, &rate, &burst)[1..]).await?;
    inside(pid, &shape(INTERFACE, &rate, &burst)).await.map(drop)
}

/// Makes a link of its own between a machine and this host, of this rate each way, and gives the
/// address of this end. It is gone with the machine.
pub(super) async fn join(pid: u32, kbit_per_sec: u32) -> Result<Ipv4Addr, ProgramError> {
    let port = format!("zb-{pid}");
    let (here, there) = ends(pid);
    let (own, its) = (format!("{here}/30"), format!("{there}/30"));
    let machine = pid.to_string();
    let add = ["link", "add", &port, "type", "veth", "peer", "name", LINK, "netns", &machine];
    program::run("ip", &add).await?;
    program::run("ip", &["address", "add", &own, "dev", &port]).await?;
    program::run("ip", &["link", "set", "dev", &port, "up"]).await?;
    inside(pid, &["ip", "address", "add", &its, "dev", LINK]).await?;
    inside(pid, &["ip", "link", "set", "dev", LINK, "up"]).await?;
    let (rate, burst) = (format!("{kbit_per_sec}kbit"), burst(kbit_per_sec).to_string());
    program::run("tc", &shape(&port, &rate, &burst)[1..]).await?;
    inside(pid, &shape(LINK, &rate, &burst)).await?;
    Ok(here)
}

/// Addresses of both ends of a machine's link: two of those that are valid on one link only, another
/// pair for each of many machines.
fn ends(pid: u32) -> (Ipv4Addr, Ipv4Addr) {
    // Not 169, where clouds have their metadata.
    let [third, fourth] = [1 + pid / 64 % 168, pid % 64 * 4].map(|n| n as u8);
    (Ipv4Addr::new(169, 254, third, fourth + 1), Ipv4Addr::new(169, 254, third, fourth + 2))
}

/// The command that gives an interface its rate.
fn shape<'a>(interface: &'a str, rate: &'a str, burst: &'a str) -> Vec<&'a str> {
    let replace = ["tc", "qdisc", "replace", "dev", interface, "root", "tbf"];
    [&replace[..], &["rate", rate, "burst", burst, "latency", LATENCY]].concat()
}

/// Bytes that may pass at once at a rate.
fn burst(kbit_per_sec: u32) -> u64 {
    (u64::from(kbit_per_sec) * 1000 / 8 / BURST_PART).max(LEAST_BURST)
}

/// Runs a program of the host in the machine's network, and in nothing else of it.
async fn inside(pid: u32, command: &[&str]) -> Result<String, ProgramError> {
    let network = format!("--net=/proc/{pid}/ns/net");
    program::run("nsenter", &[&[network.as_str()], command].concat()).await
}

/// Name of the other end of a machine's interface.
async fn host_end(pid: u32) -> Result<String, ProgramError> {
    let said = inside(pid, &["ip", "-o", "link", "show", "dev", INTERFACE]).await?;
    // Not in /sys, which shows the network that it was mounted in.
    let all = program::run("ip", &["-o", "link", "show"]).await?;
    let found = peer(&said).and_then(|index| named(&all, index));
    found.ok_or_else(|| ProgramError::Failed {
        program: "ip",
        arguments: format!("link show dev {INTERFACE}"),
        said: format!("no other end on this host: {}", said.trim()),
    })
}

/// The other end's number in a line like `7: eth0@if8: <BROADCAST,…`.
fn peer(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("@if")?;
    rest.split(':').next()?.parse().ok()
}

/// The interface that has a number, in lines like `18: veth12@if7: <BROADCAST,…`.
fn named(lines: &str, index: u32) -> Option<String> {
    lines.lines().find_map(|line| {
        let (number, rest) = line.split_once(": ")?;
        let name = rest.split(['@', ':']).next()?;
        (number.parse() == Ok(index)).then(|| name.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_is_found_by_its_number() {
        assert_eq!(peer("7: eth0@if18: <BROADCAST,UP> mtu 1500"), Some(18));
        assert_eq!(peer("7: eth0: <BROADCAST,UP> mtu 1500"), None);
        let all = "1: lo: <LOOPBACK>\n18: veth1@if7: <BROADCAST>\n118: veth2@if9: <BROADCAST>\n";
        assert_eq!(named(all, 18).as_deref(), Some("veth1"));
        assert_eq!(named(all, 1).as_deref(), Some("lo"));
        assert_eq!(named(all, 8), None);
    }

    #[test]
    fn the_ends_of_a_link_are_two_hosts_of_one_network() {
        for pid in [0, 63, 64, 12_345, u32::MAX] {
            let (here, there) = ends(pid);
            let bits = |address: Ipv4Addr| u32::from(address);
            assert_eq!(bits(here) & !3, bits(there) & !3, "{here} {there}");
            assert_eq!((bits(here) & 3, bits(there) & 3), (1, 2));
            assert!(here.is_link_local() && here.octets()[2] != 169);
        }
    }

    #[test]
    fn a_burst_is_never_smaller_than_a_large_packet() {
        assert_eq!(burst(64), 32 * 1024);
        assert_eq!(burst(1_000_000), 2_500_000);
    }
}
