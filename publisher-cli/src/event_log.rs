//! The events of a folder's orders, kept in `events.jsonl`: what `logs` shows, and what the command
//! that started an order in the background, and the one that stops it, follow.
//!
//! Each line is an event as `--json` prints it, with when it was told (`at_ms`, Unix milliseconds)
//! and in words (`text`). A full file becomes `events.1.jsonl`, in place of the one before it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// Length above which a file is full, bytes.
const FULL: u64 = 16 << 20;

/// Longest line that is taken for one, bytes.
const LONGEST: usize = 1 << 20;

/// What is read at once, bytes.
const CHUNK: u64 = 1 << 20;

/// Where the events of a data folder are.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("events.jsonl")
}

/// Where those before them are.
fn earlier(data_dir: &Path) -> PathBuf {
    data_dir.join("events.1.jsonl")
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    at_ms: u64,
    text: String,
}

/// What every reader needs of a line; the rest depends on the event.
#[derive(Clone, Deserialize, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// Name of the event.
    pub(crate) event: String,
    /// When it was told, Unix milliseconds.
    pub(crate) at_ms: u64,
    /// In words.
    pub(crate) text: String,
    /// Machines, of events that tell of several.
    #[serde(default)]
    pub(crate) machines: usize,
    /// Machines that are missing all the same, where the order is called complete.
    #[serde(default)]
    pub(crate) missing: usize,
    /// Exit code of an order that is over.
    #[serde(default)]
    pub(crate) exit_code: u8,
    /// Why it is not zero.
    #[serde(default)]
    pub(crate) error: Option<String>,
    /// The line itself.
    #[serde(skip)]
    pub(crate) json: String,
}

/// Where events are written; clones share the file.
#[derive(Clone)]
pub(crate) struct EventLog {
    data_dir: PathBuf,
    open: Arc<Mutex<Open>>,
}

struct Open {
    file: File,
    length: u64,
    /// The last line may have been written in part.
    torn: bool,
}

impl EventLog {
    /// Goes on with the file of a data folder.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        let path = path(data_dir);
        let open = Open::at(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(EventLog { data_dir: data_dir.to_owned(), open: Arc::new(Mutex::new(open)) })
    }

    /// Adds an event.
    pub(crate) fn add(&self, event: &Event) -> io::Result<()> {
        let line = Line { event, at_ms: zennet_time::unix_ms(), text: event.to_string() };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        self.write(bytes, FULL)
    }

    fn write(&self, mut bytes: Vec<u8>, full: u64) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if open.length > 0 && open.length.saturating_add(bytes.len() as u64) > full {
            let path = path(&self.data_dir);
            match fs::rename(&path, earlier(&self.data_dir)) {
                // It was moved before, and the next one could not be opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
            *open = Open::at(&path)?;
        }
        if open.torn {
            bytes.insert(0, b'\n');
        }
        open.torn = true;
        open.file.write_all(&bytes)?;
        open.torn = false;
        open.length = open.length.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        // A run that was killed may have left part of a line; an empty one is passed over.
        Ok(Open { file, length, torn: length > 0 })
    }
}

/// Reads events as they are told.
pub(crate) struct Follower {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end was not there yet.
    rest: Vec<u8>,
}

impl Follower {
    /// Reads what is told from now on.
    pub(crate) fn from_now(data_dir: &Path) -> io::Result<Self> {
        let mut follower = Follower { path: path(data_dir), file: None, rest: Vec::new() };
        follower.file = existing(&follower.path)?;
        if let Some(file) = &mut follower.file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(follower)
    }

    /// Reads what was told, the oldest that is kept first, and then what is told.
    pub(crate) fn from_begin(data_dir: &Path) -> io::Result<Self> {
        let file = existing(&earlier(data_dir))?;
        Ok(Follower { path: path(data_dir), file, rest: Vec::new() })
    }

    /// What has come since the last call.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Told>> {
        let mut told = Vec::new();
        loop {
            while self.read_some(&mut told)? > 0 {}
            // Looked for first: what this file still gets before it is replaced is not missed.
            let Some(newest) = existing(&self.path)? else { return Ok(told) };
            let same = match &self.file {
                Some(file) => file.metadata()?.ino() == newest.metadata()?.ino(),
                None => false,
            };
            if same {
                return Ok(told);
            }
            while self.read_some(&mut told)? > 0 {}
            self.file = Some(newest);
            self.rest.clear();
        }
    }

    fn read_some(&mut self, told: &mut Vec<Told>) -> io::Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let count = file.take(CHUNK).read_to_end(&mut self.rest)?;
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            told.extend(parsed(&self.rest[begin..begin + length]));
            begin += length + 1;
        }
        self.rest.drain(..begin);
        if self.rest.len() > LONGEST {
            self.rest.clear();
        }
        Ok(count)
    }
}

/// A line that is none is passed over.
fn parsed(line: &[u8]) -> Option<Told> {
    let json = std::str::from_utf8(line).ok()?;
    let told = serde_json::from_str::<Told>(json).ok()?;
    Some(Told { json: json.to_owned(), ..told })
}

fn existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(due: u128) -> Event {
        Event::Frozen { machine: "zn-1".into(), due }
    }

    fn names(told: &[Told]) -> Vec<&str> {
        told.iter().map(|told| told.event.as_str()).collect()
    }

    #[test]
    fn a_line_is_the_event_with_its_time_and_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let log = EventLog::open(dir.path()).unwrap();
        log.add(&frozen(u128::MAX)).unwrap();
        let told = Follower::from_begin(dir.path()).unwrap().read().unwrap();
        assert_eq!(names(&told), ["frozen"]);
        assert_eq!(told[0].text, frozen(u128::MAX).to_string());
        assert!(told[0].at_ms > 1_600_000_000_000);
        let plain = serde_json::to_string(&frozen(u128::MAX)).unwrap();
        assert!(told[0].json.starts_with(plain.trim_end_matches('}')), "{}", told[0].json);
    }

    #[test]
    fn a_follower_reads_each_event_once_and_through_a_change_of_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut early = Follower::from_now(dir.path()).unwrap();
        let log = EventLog::open(dir.path()).unwrap();
        log.add(&frozen(1)).unwrap();
        let mut late = Follower::from_now(dir.path()).unwrap();
        assert_eq!(early.read().unwrap().len(), 1);
        log.add(&frozen(2)).unwrap();
        let line = |event: &str| format!("{{\"event\":{event:?},\"at_ms\":1,\"text\":\"\"}}\n");
        // Full already: it goes into a new file.
        log.write(line("third").into_bytes(), 1).unwrap();
        assert_eq!(names(&early.read().unwrap()), ["frozen", "third"]);
        assert_eq!(names(&late.read().unwrap()), ["frozen", "third"]);
        assert!(late.read().unwrap().is_empty());
        let all = Follower::from_begin(dir.path()).unwrap().read().unwrap();
        assert_eq!(names(&all), ["frozen", "frozen", "third"]);
        // Two files are kept, not three.
        log.write(line("fourth").into_bytes(), 1).unwrap();
        let all = Follower::from_begin(dir.path()).unwrap().read().unwrap();
        assert_eq!(names(&all), ["third", "fourth"]);
    }

    #[test]
    fn a_change_of_files_that_failed_halfway_does_not_silence_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = EventLog::open(dir.path()).unwrap();
        log.add(&frozen(1)).unwrap();
        fs::rename(path(dir.path()), earlier(dir.path())).unwrap();
        let line = "{\"event\":\"next\",\"at_ms\":1,\"text\":\"\"}\n";
        log.write(line.as_bytes().to_vec(), 1).unwrap();
        let all = Follower::from_begin(dir.path()).unwrap().read().unwrap();
        assert_eq!(names(&all), ["frozen", "next"]);
    }

    #[test]
    fn part_of_a_line_costs_no_other_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(dir.path()), "{\"event\":\"fro").unwrap();
        EventLog::open(dir.path()).unwrap().add(&frozen(1)).unwrap();
        let mut follower = Follower::from_begin(dir.path()).unwrap();
        assert_eq!(names(&follower.read().unwrap()), ["frozen"]);
        let mut file = OpenOptions::new().append(true).open(path(dir.path())).unwrap();
        file.write_all(b"{\"event\":\"half\",").unwrap();
        assert!(follower.read().unwrap().is_empty());
        file.write_all(b"\"at_ms\":5,\"text\":\"t\",\"exit_code\":7,\"error\":\"e\"}\n").unwrap();
        let told = follower.read().unwrap();
        assert_eq!((told[0].exit_code, told[0].error.as_deref()), (7, Some("e")));
    }
}
