//! What an agent and a machine that runs benchmarks say to each other: a line each way.
//!
//! ```text
//!  agent                                  machine (`guest suite serve`, which dials)
//!    mix threads=2 sha256=600 …  ──────►    prepares
//!                                ◄──────    ready
//!    go                          ──────►    works
//!    (reads the counters twice)
//!    stop                        ──────►
//!                                ◄──────    done sha256=1234 …
//!    run 6c73 2d6c               ──────►    starts `ls -l`, its output on a second connection
//!                                ◄──────    ended 0
//! ```
//!
//! Instead of any answer, `failed` and a reason.

use std::{
    ffi::{OsStr, OsString},
    fmt::{self, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    str::FromStr,
};

use crate::{Counts, Mix};

/// Longest line, bytes.
pub const MOST_LINE: usize = 256 << 10;

/// What an agent asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Prepare a mix.
    Mix(Mix),
    /// Begin to work.
    Go,
    /// End it.
    Stop,
    /// Run a command to its end.
    Run(Vec<OsString>),
}

/// What the machine says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The mix is prepared.
    Ready,
    /// The mix has ended.
    Done(Counts),
    /// The command has ended with this status; one that a signal ended, with 128 and its number.
    Ended(i32),
    /// It could not be done.
    Failed(String),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Mix(mix) => write!(f, "mix {mix}"),
            Request::Go => f.write_str("go"),
            Request::Stop => f.write_str("stop"),
            Request::Run(words) => {
                f.write_str("run")?;
                words.iter().try_for_each(|word| write!(f, " {}", Hex(word)))
            }
        }
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (verb, rest) {
            ("mix", rest) => Ok(Request::Mix(rest.parse().map_err(|e| format!("{e}"))?)),
            ("go", "") => Ok(Request::Go),
            ("stop", "") => Ok(Request::Stop),
            ("run", rest) if !rest.is_empty() => {
                let words = rest.split(' ').map(from_hex).collect::<Option<_>>();
                words.map(Request::Run).ok_or_else(|| "the command's words are not hex".into())
            }
            _ => Err(format!("{:?} is no request", line.chars().take(40).collect::<String>())),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ready => f.write_str("ready"),
            Answer::Done(counts) => write!(f, "done {counts}"),
            Answer::Ended(status) => write!(f, "ended {status}"),
            Answer::Failed(reason) => write!(f, "failed {}", reason.replace(['\n', '\r'], " ")),
        }
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let unknown = || format!("{:?} is no answer", line.chars().take(40).collect::<String>());
        match (verb, rest) {
            ("ready", "") => Ok(Answer::Ready),
            ("done", rest) => Ok(Answer::Done(rest.parse()?)),
            ("ended", rest) => Ok(Answer::Ended(rest.parse().map_err(|_| unknown())?)),
            ("failed", rest) => Ok(Answer::Failed(rest.into())),
            _ => Err(unknown()),
        }
    }
}

/// A word in hex digits, the empty one as a dash.
struct Hex<'a>(&'a OsStr);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_char('-');
        }
        self.0.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex(text: &str) -> Option<OsString> {
    if text == "-" {
        return Some(OsString::new());
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty()).map(OsString::from_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_is_understood() {
        let mix = "threads=2 sha256=1000".parse().unwrap();
        for request in [Request::Mix(mix), Request::Go, Request::Stop] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
        let counts = "sha256=3 fork=9".parse().unwrap();
        let failed = Answer::Failed("no disk".into());
        for answer in [Answer::Ready, Answer::Done(counts), Answer::Ended(-1), failed] {
            assert_eq!(answer.to_string().parse(), Ok(answer));
        }
        assert_eq!(Answer::Failed("two\nlines".into()).to_string(), "failed two lines");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for line in ["", "go on", "run", "run 6", "run 6g", "mix sha256=1", "halt"] {
            assert!(line.parse::<Request>().is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn commands_of_any_bytes_arrive(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5)
        ) {
            let request = Request::Run(words.into_iter().map(OsString::from_vec).collect());
            prop_assert_eq!(request.to_string().parse(), Ok(request));
        }

        #[test]
        fn any_line_is_read_or_refused(line in ".{0,80}") {
            let _ = (line.parse::<Request>(), line.parse::<Answer>());
        }
    }
}
