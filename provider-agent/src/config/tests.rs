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
