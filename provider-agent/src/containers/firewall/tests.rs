//! The rules as text; `containers/tests.rs` has them in a kernel.

use super::*;

fn names() -> Names {
    Names::of("zennet-0102")
}

fn four(network: Network, resolvers: &[&str], denied: &[&str], connected: &str) -> Vec<String> {
    let parse = |all: &[&str]| all.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let connected = rules::subnets(connected);
    let text = names().ipv4(network, &parse(resolvers), &parse(denied), &connected);
    text.lines().map(String::from).collect()
}

fn position(rules: &[String], part: &str) -> usize {
    rules.iter().position(|rule| rule.contains(part)).unwrap_or_else(|| panic!("no {part}"))
}

#[test]
fn names_fit_the_kernel_and_differ_between_providers() {
    let (one, other) = (names(), Names::of("zennet-0103"));
    assert!(one.bridge.len() <= 15 && one.input.len() <= 28 && one.forward.len() <= 28);
    assert_ne!(one.bridge, other.bridge);
    assert_ne!(one.input, other.input);
    assert_eq!(one.bridge, names().bridge);
}

#[test]
fn a_machine_reaches_neither_the_host_nor_private_networks_nor_its_neighbours() {
    let rules = four(Network::Internet, &["9.9.9.9"], &[], "");
    let (input, bridge) = (names().input, names().bridge);
    assert!(rules.iter().any(|rule| rule.starts_with(&format!("-A {input} -j REJECT"))));
    assert!(rules.iter().any(|r| r.contains(&format!("-i {bridge} -o {bridge} -j REJECT"))));
    for network in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"] {
        position(&rules, &format!(" -d {network} -j REJECT"));
    }
    for network in ["169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4", "168.63.129.16/32"] {
        position(&rules, &format!(" -d {network} -j REJECT"));
    }
    assert!(!rules.iter().any(|rule| rule.contains("-d 0.0.0.0/0")));
}

#[test]
fn a_resolver_in_a_private_network_is_reached_for_names_only() {
    let rules = four(Network::Internet, &["10.1.1.53"], &[], "");
    let allowed = position(&rules, "-d 10.1.1.53/32 -p udp -m udp --dport 53 -j RETURN");
    position(&rules, "-d 10.1.1.53/32 -p tcp -m tcp --dport 53 -j RETURN");
    assert!(allowed < position(&rules, "-d 10.0.0.0/8 -j REJECT"));
}

#[test]
fn what_the_operator_denies_and_where_the_host_is_are_refused_once() {
    let routes = "default via 198.51.7.1 dev eth0\n198.51.7.0/24 dev eth0 src 198.51.7.9\n\
                  172.17.0.0/16 dev docker0\n";
    let rules = four(Network::Internet, &[], &["8.8.8.0/24", "10.0.0.0/8"], routes);
    for network in ["8.8.8.0/24", "198.51.7.0/24", "172.17.0.0/16", "10.0.0.0/8"] {
        let part = format!(" -d {network} -j REJECT");
        assert_eq!(rules.iter().filter(|rule| rule.contains(&part)).count(), 1, "{network}");
    }
    assert!(!rules.iter().any(|rule| rule.contains("198.51.7.1/32")));
}

#[test]
fn without_a_network_nothing_leaves_the_bridge() {
    let rules = four(Network::None, &["9.9.9.9"], &[], "");
    assert!(!rules.iter().any(|rule| rule.contains("9.9.9.9")));
    let last = &rules[rules.len() - 2];
    assert!(last.starts_with(&format!("-A {} -j REJECT", names().forward)), "{last}");
}

#[test]
fn a_hook_behind_anothers_rule_does_not_lead() {
    let names = names();
    let docker = "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n";
    let hooks = names.hooks(docker);
    let all = hooks.iter().map(|hook| hook.arguments("-A").join(" ")).collect::<Vec<_>>();
    let listing = format!("{docker}{}\n-A INPUT -j ACCEPT\n", all.join("\n"));
    assert!(hooks.iter().all(|hook| leads(&listing, hook)));
    let behind = format!("-A INPUT -j ACCEPT\n{}\n", all.join("\n"));
    assert!(!leads(&behind, &hooks[0]) && leads(&behind, &hooks[1]));
    assert!(!leads(docker, &hooks[0]));
    assert_eq!(names.hooks("").len(), 3);
}

#[test]
fn chains_that_were_emptied_do_not_stand() {
    let names = names();
    let text = names.ipv6();
    let made = format!("-N {}\n-N {}\n", names.input, names.forward);
    assert!(names.stand_in(&format!("{made}{text}"), &text));
    assert!(!names.stand_in(&made, &text));
    assert!(!names.stand_in("", &text));
}
