use std::collections::HashSet;

use zennet_primitives::{usage::Counter, Hash};

use super::*;
use crate::{
    status::tests::{lease, source},
    store::Store,
    trial::{Finding, Trial, Verdict},
};

/// A daemon with one lease, and one that ended.
fn daemon(dir: &std::path::Path) -> Source {
    let source = source(Store::open(dir).unwrap());
    let gone = crate::status::LeaseStatus { vouchers: 41, paid: 5 * XEN, ..lease() };
    source.board.update((Hash::repeat_byte(2), gone));
    source.board.remove(&Hash::repeat_byte(2));
    let paid = crate::status::LeaseStatus {
        paid: XEN / 2,
        due: XEN,
        usage: serde_json::json!({ "cpu_micros": 1_500_000, "net_rx_bytes": 7 }),
        ..lease()
    };
    source.board.update((Hash::repeat_byte(1), paid));
    let right = Finding {
        counter: Counter::CpuMicros,
        verdict: Verdict::Right,
        truth: Some(1),
        counted: Some(1),
    };
    source.trial.set(Trial { findings: vec![right], late_writes_counted: None }).unwrap();
    source
}

const XEN: u128 = zennet_primitives::amount::XEN;

#[tokio::test]
async fn every_figure_has_its_help_and_its_type_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = page::text(&daemon(dir.path())).unwrap();
    for line in [
        "zennet_chain_block{head=\"best\"} 7",
        "zennet_chain_block{head=\"finalized\"} 5",
        "zennet_capacity{resource=\"leases\"} 8",
        "zennet_counter_right{counter=\"cpu_micros\"} 1",
        "zennet_leases{frozen=\"false\",phase=\"serving\"} 1",
        "zennet_leases_ended_total 1",
        "zennet_vouchers_total 42",
        "zennet_paid_xen_total 5.5",
        "zennet_lease_usage_total{counter=\"cpu_micros\",lease=\"010101010101\"} 1500000",
        "zennet_lease_usage_total{counter=\"net_rx_bytes\",lease=\"010101010101\"} 7",
        "zennet_lease_paid_xen_total{lease=\"010101010101\"} 0.5",
        "zennet_lease_vouchers_total{lease=\"010101010101\"} 1",
        "zennet_lease_connected{lease=\"010101010101\"} 1",
        "zennet_lease_frozen{lease=\"010101010101\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("net_tx_bytes"), "a counter that is absent has no sample");
    let mut typed = HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(typed.insert(rest.split(' ').next().unwrap().to_owned()), "{line} again");
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(typed.contains(name), "{line} has no type");
        }
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    // One that is refused before it was read may be reset.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn figures_are_scraped_over_http_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = serve(listener, Arc::new(daemon(dir.path())));
    let scraped = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, body) = scraped.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Type: {TEXT}")), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert!(body.contains("\nzennet_vouchers_total 42\n"), "{body}");
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"hello\r\n\r\n", "400"),
    ] {
        let answer = exchange(address, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let long = [b"GET /metrics HTTP/1.1\r\nX: ", &vec![b'x'; MOST_HEAD][..]].concat();
    assert!(exchange(address, &long).await.starts_with("HTTP/1.1 431 "));
    drop(server);
}

#[test]
fn only_the_path_decides() {
    assert_eq!(request(b"GET /metrics?x=1 HTTP/1.0\r\n\r\n"), Request::Figures);
    assert_eq!(request(b"GET /metricsx HTTP/1.1\r\n\r\n"), Request::Elsewhere);
    assert_eq!(request(b"GET  /metrics HTTP/1.1\r\n\r\n"), Request::Malformed);
    assert_eq!(request(b"GET /metrics HTTP/2\r\n\r\n"), Request::Malformed);
    assert_eq!(request(b"\r\n\r\n"), Request::Malformed);
    assert_eq!(request(b""), Request::Malformed);
}
