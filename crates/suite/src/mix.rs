//! What is to run: parts of the time for each task, as a line of text.

use std::{fmt, net::SocketAddr, str::FromStr};

use thiserror::Error;

use crate::{Task, UnknownTask};

/// The parts of a mix add up to this.
pub const WHOLE: u32 = 1000;
/// Threads of a mix at most.
pub const MOST_THREADS: u16 = 1024;

/// Why a text is no mix.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MixError {
    /// A word is not `name=value`.
    #[error("{0:?} is not like sha256=500")]
    NotAPair(String),
    /// A value is no number, or none in its range.
    #[error("{0} has an impossible value")]
    Value(String),
    /// A name that is none.
    #[error(transparent)]
    Task(#[from] UnknownTask),
    /// The parts add up to something else.
    #[error("the parts add up to {0}, not {WHOLE}")]
    Parts(u32),
    /// There is no peer to send to.
    #[error("{0} needs a peer")]
    NoPeer(Task),
}

/// Which part of the time each task gets, on how many threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mix {
    parts: [u32; Task::COUNT],
    /// Threads that work at once.
    pub threads: u16,
    /// What answers and places in memory follow from.
    pub seed: u64,
    /// Memory that is held where all of the time is given to [`Task::Hold`], MiB.
    pub hold_mib: u32,
    /// The peer of [`Task::Send`] and [`Task::Receive`].
    pub peer: Option<SocketAddr>,
}

impl Mix {
    /// A mix of parts in thousandths of the time.
    pub fn new(threads: u16, parts: &[(Task, u32)]) -> Result<Self, MixError> {
        let mut mix = Mix { parts: [0; Task::COUNT], threads, seed: 0, hold_mib: 0, peer: None };
        for (task, part) in parts {
            mix.parts[*task as usize] += part.min(&WHOLE);
        }
        mix.check_sum()?;
        Ok(mix)
    }

    /// One task alone.
    pub fn pure(threads: u16, task: Task) -> Self {
        let mut parts = [0; Task::COUNT];
        parts[task as usize] = WHOLE;
        Mix { parts, threads, seed: 0, hold_mib: 0, peer: None }
    }

    /// Other parts on the same threads, with the same seed, memory and peer.
    pub fn with_parts(&self, parts: &[(Task, u32)]) -> Result<Self, MixError> {
        let Mix { parts, .. } = Mix::new(self.threads, parts)?;
        Ok(Mix { parts, ..self.clone() })
    }

    /// The tasks that get time, with their parts in thousandths.
    pub fn parts(&self) -> impl Iterator<Item = (Task, u32)> + '_ {
        Task::ALL.into_iter().zip(self.parts).filter(|(_, part)| *part > 0)
    }

    /// A task's part of the time, in thousandths.
    pub fn part(&self, task: Task) -> u32 {
        self.parts[task as usize]
    }

    /// Memory that is held all the time, bytes.
    pub fn held_bytes(&self) -> u64 {
        (u64::from(self.hold_mib) << 20) * u64::from(self.part(Task::Hold)) / u64::from(WHOLE)
    }

    fn check_sum(&self) -> Result<(), MixError> {
        match self.parts.iter().sum() {
            WHOLE => Ok(()),
            sum => Err(MixError::Parts(sum)),
        }
    }

    fn check(self) -> Result<Self, MixError> {
        self.check_sum()?;
        if !(1..=MOST_THREADS).contains(&self.threads) {
            return Err(MixError::Value("threads".into()));
        }
        let lonely = self.parts().map(|(task, _)| task).find(|task| task.needs_peer());
        match lonely.filter(|_| self.peer.is_none()) {
            Some(task) => Err(MixError::NoPeer(task)),
            None => Ok(self),
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threads={} seed={} hold-mib={}", self.threads, self.seed, self.hold_mib)?;
        if let Some(peer) = self.peer {
            write!(f, " peer={peer}")?;
        }
        self.parts().try_for_each(|(task, part)| write!(f, " {task}={part}"))
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut mix = Mix { parts: [0; Task::COUNT], threads: 1, seed: 0, hold_mib: 0, peer: None };
        for word in text.split_whitespace() {
            let short = || word.chars().take(60).collect::<String>();
            let (name, value) = word.split_once('=').ok_or_else(|| MixError::NotAPair(short()))?;
            let bad = || MixError::Value(short());
            match name {
                "threads" => mix.threads = value.parse().map_err(|_| bad())?,
                "seed" => mix.seed = value.parse().map_err(|_| bad())?,
                "hold-mib" => mix.hold_mib = value.parse().map_err(|_| bad())?,
                "peer" => mix.peer = Some(value.parse().map_err(|_| bad())?),
                name => {
                    let task: Task = name.parse()?;
                    let part: u32 = value.parse().map_err(|_| bad())?;
                    mix.parts[task as usize] =
                        Some(part).filter(|p| *p <= WHOLE).ok_or_else(bad)?;
                }
            }
        }
        mix.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_mix_is_refused_by_its_reason() {
        let refused = |text: &str| text.parse::<Mix>().unwrap_err();
        assert_eq!(refused("sha256"), MixError::NotAPair("sha256".into()));
        assert_eq!(refused("sha256=999"), MixError::Parts(999));
        assert_eq!(refused("sha256=1001"), MixError::Value("sha256=1001".into()));
        assert_eq!(refused("sha256=1000 threads=0"), MixError::Value("threads".into()));
        assert_eq!(refused("send=1000"), MixError::NoPeer(Task::Send));
        assert!(matches!(refused("sha1=1000"), MixError::Task(_)));
    }

    #[test]
    fn memory_is_held_by_its_part() {
        let mix: Mix = "hold-mib=1000 hold=250 sha256=750".parse().unwrap();
        assert_eq!(mix.held_bytes(), 250 << 20);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            threads in 1..=MOST_THREADS, seed: u64, hold_mib: u32, first in 0..Task::COUNT,
            second in 0..Task::COUNT, part in 0..=WHOLE
        ) {
            let (first, second) = (Task::ALL[first], Task::ALL[second]);
            let mix = Mix::new(threads, &[(first, part), (second, WHOLE - part)]).unwrap();
            let peer = Some("127.0.0.1:7".parse().unwrap());
            let mix = Mix { seed, hold_mib, peer, ..mix };
            prop_assert_eq!(mix.to_string().parse(), Ok(mix));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = text.parse::<Mix>();
        }
    }
}
