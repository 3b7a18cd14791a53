//! Results of another test suite, which an operator got from anywhere, and the lines that say what
//! they used.

#[path = "../../provider-agent/src/benchmark/composite/parse.rs"]
mod parse;

use self::parse::{records, results, Record};

/// What separates the two texts in an input.
const END: u8 = 0;

/// Names of results are bounded in number and length and have no control characters; lines of usage
/// are of commands that succeeded, bounded in number, and are written as they were read.
pub fn run(data: &[u8]) {
    let mut texts = data.splitn(2, |byte| *byte == END).map(String::from_utf8_lossy);
    let (xml, usage) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    if let Ok(names) = results(&xml) {
        assert!((1..=200).contains(&names.len()));
        for name in names {
            assert!(name.chars().count() <= 401 && !name.chars().any(char::is_control), "{name:?}");
        }
    }
    if let Ok(records) = records(&usage) {
        assert!(records.len() <= 201);
        for record in records {
            assert_eq!(record.status, 0);
            let line = serde_json::to_string(&record).expect("a record is JSON");
            assert_eq!(serde_json::from_str::<Record>(&line).expect("it is read"), record);
        }
    }
}

/// Results as the suite writes them, with what surrounds them, and some that are none.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |xml: &str, usage: &str| [xml.as_bytes(), &[END], usage.as_bytes()].concat();
    let result = |test: &str, with: &str| {
        format!(
            "<Result><Identifier>{test}</Identifier><Title>A &amp; B</Title><AppVersion/>\
             <Description>{with}</Description><Data><Entry/></Data></Result>"
        )
    };
    let suite = |results: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<PhoronixTestSuite><Generated><Title>t</Title></Generated>\
             <!-- c -->{results}</PhoronixTestSuite>"
        )
    };
    let line = |status: i32, usage: &str| {
        format!(
            "{{\"command\":[\"gzip\",\"-9\"],\"status\":{status},\"ended_at\":5,\"millis\":900,\
             \"usage\":{usage}}}\n"
        )
    };
    let used = "{\"cpu_micros\":7,\"disk_read_bytes\":18446744073709551615}";
    let two = suite(&[result("pts/gzip-1.2.0", "with 1"), result("", "")].concat());
    let entity = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>";
    vec![
        of(&two, &[line(0, used), line(0, "{}")].concat()),
        of(&suite(&result("a<b/>c<![CDATA[&]]>", "&#x41;\t")), &line(3, used)),
        of(&suite(""), "\n\n"),
        of(entity, &line(0, "{\"cpu\":-1}")),
        of("<PhoronixTestSuite xmlns=\"u\"><Result/></PhoronixTestSuite>", "[]\n{}"),
        of(&"<a>".repeat(300), "{\"command\":"),
    ]
}
