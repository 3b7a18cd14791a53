use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/zennet/provider.toml"))
}

fn changed(from: &str, to: &str) -> String {
    assert!(DEFAULT.contains(from), "{from} is in the shipped file");
    parse(&DEFAULT.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn the_shipped_file_loads() {
    let config = parse(DEFAULT).unwrap();
    assert_eq!(config.key_file, Path::new("/etc/zennet/key"));
    assert_eq!(config.data_dir, Path::new("/etc/zennet/data"));
    assert!(config.lease.wait_for_finality);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = changed("[floor]", "[floor]\nprecent = 90");
    assert!(error.contains("precent") && error.contains("line "), "{error}");
}

#[test]
fn an_ill_typed_value_is_named_with_its_line() {
    let error = changed("max_leases = 8", "max_leases = \"eight\"");
    assert!(error.contains("max_leases") && error.contains("line "), "{error}");
    let error = changed("max_exposure_xen = \"1\"", "max_exposure_xen = \"much\"");
    assert!(error.contains("max_exposure_xen") && error.contains("line "), "{error}");
}

#[test]
fn values_out_of_range_are_named() {
    assert!(changed("percent = 100", "percent = 0").contains("floor.percent"));
    assert!(changed("memory_mib = 512", "memory_mib = 4096").contains("machine.memory_mib"));
    assert!(changed("cpu_millis = 2000", "cpu_millis = 1").contains("capacity.cpu_millis"));
    assert!(changed("ws://", "http://").contains("node_url"));
    assert!(changed("zennet-os:latest", "other").contains("filter.default_image"));
    assert!(changed("max_lease_secs = 604800", "max_lease_secs = 1").contains("max_lease_secs"));
}

#[test]
fn a_file_without_the_keys_of_records_has_their_defaults() {
    let lines = DEFAULT.lines();
    let without = |line: &&str| !["max_faults", "fault_days"].iter().any(|k| line.starts_with(k));
    let text: Vec<&str> = lines.filter(without).collect();
    let filter = parse(&text.join("\n")).unwrap().filter;
    assert_eq!((filter.max_faults, filter.fault_days, filter.min_settled_xen), (3, 30, Xen(0)));
    assert!(changed("fault_days = 30", "fault_days = 0").contains("filter.fault_days"));
}

#[test]
fn a_missing_section_is_named() {
    let error = changed("[capacity]", "[capacities]");
    assert!(error.contains("capacities") || error.contains("capacity"), "{error}");
}

#[test]
fn images_are_admitted_by_name_or_prefix() {
    let filter = parse(DEFAULT).unwrap().filter;
    assert!(filter.admits_image("zennet-os:latest"));
    assert!(!filter.admits_image("zennet-osx"));
    assert!(!filter.admits_image("registry.example.org/zennet-os:latest"));
}

#[test]
fn the_shipped_isolation_is_the_default_one() {
    let shipped = parse(DEFAULT).unwrap().isolation;
    let (head, _) = DEFAULT.split_once("\n[isolation]").unwrap();
    let absent = parse(head).unwrap().isolation;
    assert_eq!(format!("{shipped:?}"), format!("{absent:?}"));
    assert!(shipped.require_firewall && shipped.disk_quota);
    assert_eq!(shipped.disk_dir.as_deref(), Some(Path::new("/etc/zennet/data/disks")));
}

#[test]
fn figures_are_shown_where_they_are_asked_for_and_nowhere_else() {
    assert_eq!(parse(DEFAULT).unwrap().metrics.listen, None);
    let shown = "# listen = \"127.0.0.1:9955\"";
    assert!(DEFAULT.contains(shown), "the shipped file shows how");
    let asked = parse(&DEFAULT.replace(shown, &shown[2..])).unwrap().metrics.listen;
    assert_eq!(asked, Some("127.0.0.1:9955".parse().unwrap()));
    assert!(changed(shown, "listen = \"localhost\"").contains("listen"));
}

#[test]
fn the_shipped_market_is_the_default_one() {
    let shipped = parse(DEFAULT).unwrap().market;
    let (head, rest) = DEFAULT.split_once("\n[market]").unwrap();
    let (_, tail) = rest.split_once("\n[lease]").unwrap();
    let absent = parse(&format!("{head}\n[lease]{tail}")).unwrap().market;
    assert_eq!(format!("{shipped:?}"), format!("{absent:?}"));
    assert_eq!(shipped.accept, Accept::Auto);
}

#[test]
fn a_market_out_of_range_is_named() {
    assert!(changed("accept = \"auto\"", "accept = \"maybe\"").contains("accept"));
    assert!(changed("gather_ms = 1000", "gather_ms = 60001").contains("market.gather_ms"));
    assert!(changed("max_offers = 20000", "max_offers = 9").contains("market.max_offers"));
    assert!(changed("horizon_secs = 3600", "horizon_secs = 0").contains("market.horizon_secs"));
    assert!(changed("use_percent = 50", "use_percent = 101").contains("market.use_percent"));
    let twice = "[market.cost]\ncpu_hour = 1\ncpu_user_hour = 1";
    assert!(changed("[market.cost]", twice).contains("market.cost"));
}

#[test]
fn a_price_stands_in_for_the_table_of_rates() {
    let priced = |price: &str| {
        let (head, rest) = DEFAULT.split_once("\n[rates]").unwrap();
        let (_, tail) = rest.split_once("\n# Publishers may").unwrap();
        parse(&format!("{head}\n{price}\n# Publishers may{tail}"))
    };
    let config = priced("[price]\nfull_load_hour = \"0.1\"").unwrap();
    let counters = config.price.unwrap().counters;
    assert_eq!(counters.len(), 7, "{counters:?}");
    assert!(priced("[rates]\nvolume_gib_hour = 1\n[price]\nfull_load_hour = 1").is_ok());
    let error = |price: &str| priced(price).unwrap_err().to_string();
    assert!(error("").contains("rates is absent"), "{}", error(""));
    let both = error("[rates]\ncpu_hour = 1\n[price]\nfull_load_hour = 1");
    assert!(both.contains("rates is cpu_hour"), "{both}");
    assert!(error("[price]\nfull_load_hour = 0").contains("price.full_load_hour"));
    let none = error("[price]\nfull_load_hour = 1\ncounters = []");
    assert!(none.contains("price.counters"), "{none}");
    assert!(error("[price]\nfull_load_hour = 1\ncounters = [\"cpu\"]").contains("cpu_micros"));
}

#[test]
fn isolation_out_of_range_is_named() {
    assert!(changed("nice = 0", "nice = 20").contains("isolation.nice"));
    assert!(changed("alone_secs = 3600", "alone_secs = 59").contains("isolation.alone_secs"));
    assert!(changed("# pin_cpus = \"1-3\"", "pin_cpus = \"3-1\"").contains("isolation.pin_cpus"));
    assert!(changed("\"9.9.9.9\"", "\"127.0.0.1\"").contains("isolation.resolvers"));
    assert!(
        changed("deny_networks = []", "deny_networks = [\"10.0.0.0/33\"]").contains("10.0.0.0/33")
    );
    let slow = "bandwidth_kbit_per_sec = 1     # network";
    let error = changed("# bandwidth_kbit_per_sec = 100000     # network", slow);
    assert!(error.contains("isolation.bandwidth_kbit_per_sec"), "{error}");
}

#[test]
fn networks_are_written_without_the_bits_of_hosts() {
    let text = |text: &str| text.parse::<Subnet>().map(|subnet| subnet.to_string()).ok();
    assert_eq!(text("10.1.2.3/8").as_deref(), Some("10.0.0.0/8"));
    assert_eq!(text("192.0.2.7").as_deref(), Some("192.0.2.7/32"));
    assert_eq!(text("1.2.3.4/0").as_deref(), Some("0.0.0.0/0"));
    for bad in ["", "10.0.0.0/-1", "10.0.0/8", "::/0", "10.0.0.0/8/9"] {
        assert_eq!(text(bad), None, "{bad}");
    }
}
