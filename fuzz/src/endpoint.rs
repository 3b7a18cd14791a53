//! Endpoints: text that a stranger wrote and that a provider would dial.

use zennet_transport::{parse_endpoint, EndpointError, MAX_ENDPOINT};

use crate::sample::ENDPOINT;

/// Any text is read or refused; what may be dialed from a public network may be dialed from a
/// private one; what was read is written so that it reads the same.
pub fn run(data: &[u8]) {
    let private = parse_endpoint(data, true);
    let public = parse_endpoint(data, false);
    if data.len() > MAX_ENDPOINT {
        assert_eq!(public, Err(EndpointError::TooLong(data.len())));
    }
    for error in [private.as_ref().err(), public.as_ref().err()].into_iter().flatten() {
        assert!(!error.to_string().is_empty());
    }
    if public.is_ok() {
        assert_eq!(public, private);
    }
    if let Ok(address) = private {
        let written = address.to_string();
        if written.len() <= MAX_ENDPOINT {
            assert_eq!(parse_endpoint(&written, true).as_ref(), Ok(&address), "{written}");
            assert_eq!(parse_endpoint(&written, false).is_ok(), public.is_ok(), "{written}");
        }
    }
}

/// Each kind of host, and what is none.
pub fn seeds() -> Vec<Vec<u8>> {
    let peer = ENDPOINT.rsplit('/').next().unwrap_or_default();
    let hosts = [
        "ip4/8.8.8.8/tcp/4001",
        "ip4/127.0.0.1/tcp/1",
        "ip4/100.64.0.1/tcp/65535",
        "ip4/0.0.0.0/tcp/1",
        "ip4/8.8.8.8/tcp/0",
        "ip4/8.8.8.8/udp/1",
        "ip6/2606:4700::1/tcp/1",
        "ip6/::ffff:127.0.0.1/tcp/1",
        "ip6/2002:7f00:1::/tcp/1",
        "dns/host.example.org/tcp/9",
        "dns4/printer.local/tcp/9",
        "dns6/a-b.example.org./tcp/9",
        "dns/-a..b/tcp/9",
        "unix/tmp",
    ];
    let mut seeds: Vec<Vec<u8>> =
        hosts.iter().map(|host| format!("/{host}/p2p/{peer}").into_bytes()).collect();
    seeds.push(format!("{ENDPOINT}/p2p-circuit").into_bytes());
    seeds.push(b"/ip4/8.8.8.8/tcp/1".to_vec());
    seeds.push(b"/ip4/8.8.8.8/tcp/1/ipfs/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".to_vec());
    seeds.push(vec![b'/'; MAX_ENDPOINT + 1]);
    seeds
}
