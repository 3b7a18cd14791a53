//! Group commit: changes that wait at the same time are made by one durable transaction.
//!
//! ```text
//!  write ─┐
//!  write ─┼─► queue ─► writer: takes all that wait ─► one commit ─► answers all
//!  write ─┘
//! ```
//!
//! While a commit waits for the disk, the next group gathers. An answer comes only when the commit
//! is done, so whoever persists before it acts may act on the answer.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redb::{Error, WriteTransaction};
use thiserror::Error as ThisError;
use tokio::sync::{mpsc, oneshot};

use crate::Durable;

/// Changes that may wait; whoever comes later waits with its own.
const QUEUE: usize = 1024;

/// Changes of one commit at most.
const MOST: usize = 1024;

/// Why a change was not made.
#[derive(Clone, Debug, ThisError)]
pub enum WriteError {
    /// The transaction failed, with every change in it.
    #[error(transparent)]
    Failed(Arc<Error>),
    /// The thread that writes has ended.
    #[error("the store's writer has ended")]
    Ended,
}

type Job<C> = (C, oneshot::Sender<Result<(), WriteError>>);

/// Makes changes of one kind. When this is dropped, what waits is written first.
pub struct Writer<C> {
    /// Absent only while this is dropped.
    jobs: Option<mpsc::Sender<Job<C>>>,
    thread: Option<JoinHandle<()>>,
}

impl<C: Send + 'static> Writer<C> {
    /// Starts the thread that writes. `make` makes changes in their order within a transaction.
    /// From one commit's beginning to the next one's there is at least `gap`, so that many share
    /// one; a change that comes alone waits for nothing.
    pub fn start(
        database: Arc<Durable>,
        gap: Duration,
        make: impl Fn(&WriteTransaction, &[C]) -> Result<(), Error> + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || write_all(&database, gap, make, waiting))?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Makes a change; it is there for good when this returns without an error.
    ///
    /// Changes are made in the order of the calls. A call that is given up may still be carried
    /// out.
    pub async fn write(&self, change: C) -> Result<(), WriteError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(WriteError::Ended)?;
        jobs.send((change, reply)).await.map_err(|_| WriteError::Ended)?;
        answer.await.unwrap_or(Err(WriteError::Ended))
    }
}

impl<C> Drop for Writer<C> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has told whoever waited for it.
            let _ = thread.join();
        }
    }
}

fn write_all<C>(
    database: &Durable,
    gap: Duration,
    make: impl Fn(&WriteTransaction, &[C]) -> Result<(), Error>,
    mut waiting: mpsc::Receiver<Job<C>>,
) {
    let mut not_before = Instant::now();
    while let Some(first) = waiting.blocking_recv() {
        thread::sleep(not_before.saturating_duration_since(Instant::now()));
        not_before = Instant::now() + gap;
        let mut group = vec![first];
        while group.len() < MOST {
            let Ok(job) = waiting.try_recv() else { break };
            group.push(job);
        }
        let (changes, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let written = database.write(|write| make(write, &changes));
        let written = written.map_err(|error| WriteError::Failed(Arc::new(error)));
        for reply in replies {
            // Whoever gave up has no use for the answer.
            let _ = reply.send(written.clone());
        }
    }
}
