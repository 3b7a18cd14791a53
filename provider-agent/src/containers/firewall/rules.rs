//! The text of the rules. No input or output here.

use std::net::Ipv4Addr;

use sp_crypto_hashing::blake2_64;

use crate::config::{Network, Subnet};

/// What is never the internet: this host, private and shared networks, links with the metadata
/// addresses of clouds, benchmarks and documentation, multicast and what is reserved.
const NEVER: [Subnet; 15] = [
    Subnet::new(Ipv4Addr::new(0, 0, 0, 0), 8),
    Subnet::new(Ipv4Addr::new(10, 0, 0, 0), 8),
    Subnet::new(Ipv4Addr::new(100, 64, 0, 0), 10),
    Subnet::new(Ipv4Addr::new(127, 0, 0, 0), 8),
    Subnet::new(Ipv4Addr::new(169, 254, 0, 0), 16),
    Subnet::new(Ipv4Addr::new(172, 16, 0, 0), 12),
    Subnet::new(Ipv4Addr::new(192, 0, 0, 0), 24),
    Subnet::new(Ipv4Addr::new(192, 0, 2, 0), 24),
    Subnet::new(Ipv4Addr::new(192, 168, 0, 0), 16),
    Subnet::new(Ipv4Addr::new(198, 18, 0, 0), 15),
    Subnet::new(Ipv4Addr::new(198, 51, 100, 0), 24),
    // The metadata address of one cloud is a public one.
    Subnet::new(Ipv4Addr::new(168, 63, 129, 16), 32),
    Subnet::new(Ipv4Addr::new(203, 0, 113, 0), 24),
    Subnet::new(Ipv4Addr::new(224, 0, 0, 0), 4),
    Subnet::new(Ipv4Addr::new(240, 0, 0, 0), 4),
];

const REFUSE: &str = "-j REJECT --reject-with icmp-admin-prohibited";

/// Of which rules a program takes care.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    Four,
    Six,
}

impl Family {
    pub(super) fn program(self) -> &'static str {
        match self {
            Family::Four => "iptables",
            Family::Six => "ip6tables",
        }
    }

    pub(super) fn restore(self) -> &'static str {
        match self {
            Family::Four => "iptables-restore",
            Family::Six => "ip6tables-restore",
        }
    }
}

/// Names on this host of what belongs to one provider.
pub(super) struct Names {
    /// An interface's name has 15 bytes at most.
    pub(super) bridge: String,
    pub(super) input: String,
    pub(super) forward: String,
}

/// A jump from a chain that all packets pass into one of ours.
pub(super) struct Hook<'a> {
    pub(super) parent: &'a str,
    direction: &'a str,
    bridge: &'a str,
    chain: &'a str,
}

impl Hook<'_> {
    /// What makes (`-I`, at the head) or removes (`-D`) it.
    pub(super) fn arguments<'a>(&'a self, order: &'a str) -> [&'a str; 6] {
        [order, self.parent, self.direction, self.bridge, "-j", self.chain]
    }

    fn listed(&self) -> String {
        self.arguments("-A").join(" ")
    }
}

impl Names {
    pub(super) fn of(network: &str) -> Names {
        let tag = hex::encode(&blake2_64(network.as_bytes())[..5]);
        Names {
            bridge: format!("zn-{tag}"),
            input: format!("ZENNET-IN-{tag}"),
            forward: format!("ZENNET-FWD-{tag}"),
        }
    }

    /// The rules for IPv4, as `iptables-restore` takes and `iptables -S` gives them.
    pub(super) fn ipv4(
        &self,
        network: Network,
        resolvers: &[Subnet],
        denied: &[Subnet],
        connected: &[Subnet],
    ) -> String {
        let Names { bridge, input, forward } = self;
        let mut rules = vec![format!("-A {input} {REFUSE}")];
        let mut rule = |rest: String| rules.push(format!("-A {forward} {rest}"));
        rule(format!("-i {bridge} -o {bridge} {REFUSE}"));
        // No connection into a machine begins elsewhere: its shell comes through a socket.
        rule(format!("-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"));
        rule(format!("-o {bridge} -j DROP"));
        if network == Network::Internet {
            // Before what is refused: the operator may have named one of its own network.
            for resolver in resolvers {
                for protocol in ["udp", "tcp"] {
                    rule(format!("-d {resolver} -p {protocol} -m {protocol} --dport 53 -j RETURN"));
                }
            }
            let mut refused = [&NEVER, denied, connected].concat();
            refused.sort_unstable();
            refused.dedup();
            for subnet in refused {
                rule(format!("-d {subnet} {REFUSE}"));
            }
        } else {
            rule(REFUSE.into());
        }
        self.table(&rules)
    }

    /// The rules for IPv6: nothing passes.
    pub(super) fn ipv6(&self) -> String {
        let rules = [&self.input, &self.forward].map(|chain| format!("-A {chain} -j DROP"));
        self.table(&rules)
    }

    /// Replaces the content of both chains, and nothing else, in one step.
    fn table(&self, rules: &[String]) -> String {
        let Names { input, forward, .. } = self;
        let rules = rules.join("\n");
        format!("*filter\n:{input} - [0:0]\n:{forward} - [0:0]\n{rules}\nCOMMIT\n")
    }

    /// Whether a listing of all rules holds both chains with as many rules as `text` has.
    ///
    /// They are counted, not compared: versions write the same rule in different ways.
    pub(super) fn stand_in(&self, listing: &str, text: &str) -> bool {
        [&self.input, &self.forward].into_iter().all(|chain| {
            let made = format!("-N {chain}");
            let rule = format!("-A {chain} ");
            let count = |text: &str| text.lines().filter(|line| line.starts_with(&rule)).count();
            listing.lines().any(|line| line == made) && count(listing) == count(text)
        })
    }

    /// The jumps into the chains. The engine keeps `DOCKER-USER` at the head of `FORWARD`, before
    /// its own rules, when it starts again; without such an engine's chain `FORWARD` is enough.
    pub(super) fn hooks(&self, listing: &str) -> Vec<Hook<'_>> {
        let Names { bridge, input, forward } = self;
        let hook = |parent, direction, chain| Hook { parent, direction, bridge, chain };
        let mut hooks = vec![
            hook("INPUT", "-i", input),
            hook("FORWARD", "-o", forward),
            hook("FORWARD", "-i", forward),
        ];
        if listing.lines().any(|line| line == "-N DOCKER-USER") {
            hooks.push(hook("DOCKER-USER", "-o", forward));
            hooks.push(hook("DOCKER-USER", "-i", forward));
        }
        hooks
    }
}

/// Whether a jump comes before everything in its chain that is not such a jump, or the engine's
/// own first one.
pub(super) fn leads(listing: &str, hook: &Hook<'_>) -> bool {
    let (own, parent) = (hook.listed(), format!("-A {} ", hook.parent));
    listing
        .lines()
        .filter(|line| line.starts_with(&parent))
        .take_while(|line| line.contains(" -j ZENNET-") || line.ends_with(" -j DOCKER-USER"))
        .any(|line| line == own)
}

/// Networks in a listing of routes, one a line, the default left out.
pub(super) fn subnets(routes: &str) -> Vec<Subnet> {
    let networks = routes.lines().filter_map(|line| line.split_whitespace().next());
    networks.filter_map(|network| network.parse().ok()).collect()
}
