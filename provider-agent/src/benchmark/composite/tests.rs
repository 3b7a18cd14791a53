use roxmltree::{Document, Node};
use zennet_primitives::usage::Counter;

use super::*;
use crate::benchmark::report::{tests::host, Figures, Kind};

const REAL: &str = include_str!("composite.xml");

fn record(status: i32) -> String {
    let record = Record {
        command: vec!["phoronix-test-suite".into()],
        status,
        ended_at: 1,
        millis: 102_900,
        usage: Figures::from([(Counter::CpuMicros, 101_000_000)]),
    };
    serde_json::to_string(&record).unwrap()
}

#[test]
fn results_with_their_recorded_usage_are_benchmarks() {
    let usage = format!("{}\n\n{}\n", record(0), record(0));
    let benchmarks = read(REAL, &usage).unwrap();
    let names: Vec<_> = benchmarks.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "pts/compress-gzip-1.2.0 Linux Source Tree Archiving To .tar.gz",
            "pts/openssl-3.1.0 Algorithm: SHA256 & friends",
        ]
    );
    let (usage, millis) = benchmarks[0].total();
    assert_eq!((usage.get(Counter::CpuMicros), millis), (Some(101_000_000), 102_900));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let error = |xml: &str, usage: &str| read(xml, usage).unwrap_err().to_string();
    assert!(error(REAL, &record(0)).contains("2 results and 1 lines"));
    let failed = format!("{}\n{}", record(0), record(3));
    assert!(error(REAL, &failed).contains("line 2") && error(REAL, &failed).contains("status 3"));
    assert!(error(REAL, "{}").contains("line 1 of the usage"));
    assert!(error("<svg/>", "").contains("its root is svg"));
    assert!(error("<PhoronixTestSuite/>", "").contains("0 results"));
    assert!(error("not xml", "").contains("no composite.xml"));
}

#[test]
fn a_document_cannot_grow_by_its_entities() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\
                <PhoronixTestSuite><Result><Identifier>&b;</Identifier></Result></PhoronixTestSuite>";
    assert!(matches!(read(bomb, ""), Err(CompositeError::Parse(ParseError::Xml(_)))));
}

#[test]
fn what_we_write_has_the_suites_structure() {
    let mut report = Report::new(1_767_323_045, Kind::Full, 7, host());
    let run = |units: u64| Run {
        usage: Figures::from([(Counter::CpuMicros, 3)]),
        millis: 1000,
        units: BTreeMap::from([("direct-read".into(), units)]),
        worked_millis: 2000,
        beside_micros: 0,
    };
    let pure = Mix::pure(2, Task::DirectRead).to_string();
    let benchmark = |name: &str, mix| Benchmark {
        name: name.into(),
        mix: Some(mix),
        runs: vec![run(1024), run(2048)],
    };
    let mixed = "direct-read=500 sha256=500".to_owned();
    report.benchmarks = vec![benchmark("direct-read", pure), benchmark("mix-01", mixed)];
    let text = write(&report);
    assert_eq!(
        results(&text).unwrap(),
        ["zennet/direct-read-0.1.0 direct-read", "zennet/mix-01-0.1.0 a mix at random"]
    );
    let document = Document::parse(&text).unwrap();
    let all = |tag: &str| -> Vec<String> {
        let nodes = document.descendants().filter(|node| node.has_tag_name(tag));
        nodes.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    };
    // 1024 and 2048 units of a MiB in two seconds each.
    assert_eq!(all("Value"), ["0.7500", "768.0000"]);
    assert_eq!(all("RawString")[0], "0.5000:1.0000");
    assert_eq!(all("Scale"), ["GiB/s", "Units/s"]);
    assert_eq!(all("LastModified"), all("TimeStamp"));
    assert!(all("Hardware")[0].contains("a <processor> & more (2 threads)"));
    let json: serde_json::Value = serde_json::from_str(&all("JSON")[0]).unwrap();
    assert_eq!(json["test-run-times"], "2.000:2.000");
    assert_eq!(json["zennet"][0]["usage"]["cpu_micros"], 3);
    // Its elements are those of a real one, in the same order.
    let order = |text: &str| -> Vec<String> {
        let document = Document::parse(text).unwrap();
        let result = document.descendants().find(|node| node.has_tag_name("Result")).unwrap();
        let inside = result.descendants().filter(Node::is_element);
        inside.map(|node| node.tag_name().name().to_owned()).collect()
    };
    assert_eq!(order(&text), order(REAL));
}
