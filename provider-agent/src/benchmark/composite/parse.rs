//! Results of the Phoronix Test Suite, and what was recorded of their use, as somebody's files have
//! them.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zennet_primitives::usage::Counter;

/// Most nodes of a document.
const MOST_NODES: u32 = 1 << 20;
/// Most results of a document.
const MOST_RESULTS: usize = 200;
/// Longest text of an element that is kept, characters.
const MOST_TEXT: usize = 200;

/// Why a text is not what it is taken for.
#[derive(Debug, Error)]
pub(crate) enum ParseError {
    #[error("this is no composite.xml: {0}")]
    Xml(#[from] roxmltree::Error),
    #[error("this is no composite.xml: its root is {0}, not PhoronixTestSuite")]
    Root(String),
    #[error("there are {0} results; 1 to {MOST_RESULTS} can be read")]
    Results(usize),
    #[error("line {line} of the usage is not what `provider-agent record` prints: {reason}")]
    Usage { line: usize, reason: String },
    #[error("line {line} of the usage is of a command that ended with status {status}")]
    Failed { line: usize, status: i32 },
}

/// A line that `provider-agent record` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) command: Vec<String>,
    pub(crate) status: i32,
    /// Unix time of its end, seconds.
    pub(crate) ended_at: u64,
    pub(crate) millis: u64,
    pub(crate) usage: BTreeMap<Counter, u64>,
}

/// Name of each result: its test, and what it was run with where that is said.
pub(crate) fn results(xml: &str) -> Result<Vec<String>, ParseError> {
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..Default::default() };
    let document = Document::parse_with_options(xml, options)?;
    let root = document.root_element();
    if !root.has_tag_name("PhoronixTestSuite") {
        let name = root.tag_name().name().chars().take(MOST_TEXT).collect();
        return Err(ParseError::Root(name));
    }
    let found: Vec<String> =
        root.children().filter(|node| node.has_tag_name("Result")).map(name).collect();
    match found.len() {
        1..=MOST_RESULTS => Ok(found),
        count => Err(ParseError::Results(count)),
    }
}

fn name(result: Node<'_, '_>) -> String {
    let text = |tag: &str| {
        let child = result.children().find(|node| node.has_tag_name(tag));
        let text = child.and_then(|node| node.text()).unwrap_or_default().trim();
        text.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect::<String>()
    };
    let (test, title, with) = (text("Identifier"), text("Title"), text("Description"));
    let test = if test.is_empty() { title } else { test };
    if with.is_empty() {
        test
    } else {
        format!("{test} {with}")
    }
}

/// The lines of usage; one more than there may be results, so that too many are seen.
pub(crate) fn records(text: &str) -> Result<Vec<Record>, ParseError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let record = |(number, line): (usize, &str)| {
        let line_number = number + 1;
        let unread =
            |e: serde_json::Error| ParseError::Usage { line: line_number, reason: e.to_string() };
        let record: Record = serde_json::from_str(line).map_err(unread)?;
        match record.status {
            0 => Ok(record),
            status => Err(ParseError::Failed { line: line_number, status }),
        }
    };
    lines.take(MOST_RESULTS + 1).map(record).collect()
}
