//! The threads of a mix.

use std::{
    fmt,
    str::FromStr,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc, Arc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    tasks::{self, memory, Work},
    Mix, Place, Task, TaskError,
};

/// How long a thread keeps to one task at least: so short that even a short mix has its parts, so
/// long that caches fill.
const SLICE: Duration = Duration::from_millis(5);

/// Units that were done of each task.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts([u64; Task::COUNT]);

impl Counts {
    /// Units of a task.
    pub fn get(&self, task: Task) -> u64 {
        self.0[task as usize]
    }

    /// The tasks of which there are units.
    pub fn iter(&self) -> impl Iterator<Item = (Task, u64)> + '_ {
        Task::ALL.into_iter().zip(self.0).filter(|(_, units)| *units > 0)
    }

    fn add(&mut self, other: &Counts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (task, units)) in self.iter().enumerate() {
            write!(f, "{}{task}={units}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut counts = Counts::default();
        for word in text.split_whitespace() {
            let pair = word.split_once('=').and_then(|(name, units)| {
                Some((name.parse::<Task>().ok()?, units.parse::<u64>().ok()?))
            });
            let short = || word.chars().take(60).collect::<String>();
            let (task, units) = pair.ok_or_else(|| format!("{:?} is no count", short()))?;
            counts.0[task as usize] = units;
        }
        Ok(counts)
    }
}

/// A mix whose threads are prepared, or at work.
pub struct Running {
    threads: Vec<JoinHandle<Result<Counts, TaskError>>>,
    starts: Vec<mpsc::Sender<()>>,
    over: Arc<AtomicBool>,
    _held: Vec<u8>,
}

impl Running {
    /// Prepares every thread: files, arrays, connections, and the memory that is held.
    pub fn prepare(mix: &Mix, place: &Place) -> Result<Self, TaskError> {
        let over = Arc::new(AtomicBool::new(false));
        let (ready, prepared) = mpsc::channel();
        let mut running = Running {
            threads: Vec::new(),
            starts: Vec::new(),
            over: over.clone(),
            _held: memory::held(mix.held_bytes()),
        };
        for number in 0..mix.threads {
            let (start, started) = mpsc::channel();
            let (mix, place, over, ready) =
                (mix.clone(), place.clone(), over.clone(), ready.clone());
            let body = move || {
                let worker = Worker::prepare(&mix, number, &place);
                // Whoever prepares waits for it.
                let _ = ready.send(worker.is_ok());
                let worker = worker?;
                // No start comes when another thread could not be prepared.
                if started.recv().is_err() {
                    return Ok(Counts::default());
                }
                worker.work(&over)
            };
            let spawned = thread::Builder::new().name(format!("mix-{number}")).spawn(body);
            let task = Task::Fork;
            let thread =
                spawned.map_err(|source| TaskError { task, what: "starting a thread", source })?;
            running.threads.push(thread);
            running.starts.push(start);
        }
        drop(ready);
        if prepared.iter().take(mix.threads.into()).all(|ready| ready) {
            return Ok(running);
        }
        running.starts.clear();
        match running.stop() {
            Err(error) => Err(error),
            Ok(_) => unreachable!("a thread that was not ready has an error; qed"),
        }
    }

    /// Sets every thread to work.
    pub fn go(&self) {
        for start in &self.starts {
            // One that is gone says why at the end.
            let _ = start.send(());
        }
    }

    /// Ends the work after the units under way, and gives what was done; without a start, nothing.
    pub fn stop(mut self) -> Result<Counts, TaskError> {
        self.over.store(true, Ordering::Relaxed);
        self.starts.clear();
        let mut sum = Counts::default();
        let mut failure = None;
        for thread in std::mem::take(&mut self.threads) {
            match thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok(counts) => sum.add(&counts),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(sum), Err)
    }
}

impl Drop for Running {
    /// Threads that nobody waits for end by themselves.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// One task of a thread.
struct Share {
    task: Task,
    part: u32,
    work: Box<dyn Work>,
    spent: Duration,
}

impl Share {
    /// Time that it had, by its part.
    fn due(&self) -> u128 {
        self.spent.as_nanos() / u128::from(self.part)
    }
}

struct Worker(Vec<Share>);

impl Worker {
    fn prepare(mix: &Mix, number: u16, place: &Place) -> Result<Self, TaskError> {
        let share = |(task, part)| {
            let work = tasks::prepare(task, mix, number, place)?;
            Ok(Share { task, part, work, spent: Duration::ZERO })
        };
        Ok(Worker(mix.parts().map(share).collect::<Result<_, TaskError>>()?))
    }

    /// Gives its time to whichever task has had the least of its part.
    fn work(mut self, over: &AtomicBool) -> Result<Counts, TaskError> {
        let mut counts = Counts::default();
        while !over.load(Ordering::Relaxed) {
            let Some(share) = self.0.iter_mut().min_by_key(|share| share.due()) else { break };
            let task = share.task;
            let began = Instant::now();
            loop {
                let failed = |source| TaskError { task, what: "working", source };
                share.work.unit().map_err(failed)?;
                counts.0[task as usize] += 1;
                if began.elapsed() >= SLICE || over.load(Ordering::Relaxed) {
                    break;
                }
            }
            share.spent += began.elapsed();
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &std::path::Path) -> Place {
        Place { folder: folder.into(), nothing: ("/bin/true".into(), "") }
    }

    /// Runs until each task of the mix has done a unit.
    fn until_all_worked(mix: &Mix) -> Counts {
        let folder = tempfile::tempdir().unwrap();
        let mut patience = Duration::from_millis(20);
        loop {
            let running = Running::prepare(mix, &place(folder.path())).unwrap();
            running.go();
            thread::park_timeout(patience);
            let counts = running.stop().unwrap();
            if mix.parts().all(|(task, _)| counts.get(task) > 0) {
                return counts;
            }
            patience *= 2;
            assert!(patience < Duration::from_secs(20), "{counts:?}");
        }
    }

    #[test]
    fn every_task_of_a_mix_gets_its_turn_and_no_other() {
        let mix = "threads=2 sha256=500 syscall=300 hold=200 hold-mib=8".parse().unwrap();
        let counts = until_all_worked(&mix);
        assert_eq!(counts.iter().count(), 3, "{counts}");
        assert_eq!(counts.to_string().parse(), Ok(counts));
    }

    #[test]
    fn a_thread_that_cannot_be_prepared_is_named_and_the_others_end() {
        let mix: Mix = "threads=3 sync-write=1000".parse().unwrap();
        let error = Running::prepare(&mix, &place("/nonexistent".as_ref())).err().unwrap();
        assert_eq!(error.task, Task::SyncWrite);
        assert!(error.to_string().starts_with("sync-write: making a file: "), "{error}");
    }

    #[test]
    fn a_task_that_fails_at_work_is_an_error() {
        let mix = Mix::pure(1, Task::Fork);
        let folder = tempfile::tempdir().unwrap();
        let place = Place { nothing: ("/bin/false".into(), ""), ..place(folder.path()) };
        let running = Running::prepare(&mix, &place).unwrap();
        running.go();
        while !running.threads.iter().all(|thread| thread.is_finished()) {
            thread::yield_now();
        }
        assert!(running.stop().unwrap_err().to_string().contains("fork: working"));
    }

    #[test]
    fn what_was_never_started_has_done_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::prepare(&Mix::pure(2, Task::Sha256), &place(folder.path())).unwrap();
        assert_eq!(running.stop().unwrap(), Counts::default());
    }

    #[test]
    fn counts_that_are_none_are_refused() {
        for text in ["sha256", "sha256=x", "sha1=3"] {
            assert!(text.parse::<Counts>().is_err(), "{text}");
        }
    }
}
