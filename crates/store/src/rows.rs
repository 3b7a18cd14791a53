//! Group commit: rows that wait at the same time are put by one durable transaction.
//!
//! ```text
//!  put ─┐
//!  put ─┼─► queue ─► writer: takes all that wait ─► one commit ─► answers all
//!  put ─┘
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

use redb::{Error, TableDefinition};
use thiserror::Error as ThisError;
use tokio::sync::{mpsc, oneshot};

use crate::Durable;

/// Rows that may wait; whoever comes later waits with its own.
const QUEUE: usize = 1024;

/// Rows of one commit at most.
const MOST: usize = 1024;

/// Time from one commit's beginning to the next one's. A row that comes alone waits for nothing.
const GAP: Duration = Duration::from_millis(25);

/// A table of rows by number.
pub type RowTable = TableDefinition<'static, u64, &'static [u8]>;

/// Why a row was not put.
#[derive(Clone, Debug, ThisError)]
pub enum PutError {
    /// The transaction failed, with every row in it.
    #[error(transparent)]
    Failed(Arc<Error>),
    /// The thread that writes has ended.
    #[error("the store's writer has ended")]
    Ended,
}

struct Job {
    key: u64,
    row: Vec<u8>,
    reply: oneshot::Sender<Result<(), PutError>>,
}

/// Puts rows into one table. When this is dropped, what waits is written first.
pub struct Rows {
    /// Absent only while this is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Rows {
    /// Starts the thread that writes.
    pub fn start(database: Arc<Durable>, table: RowTable) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let writer = thread::Builder::new()
            .name("store".into())
            .spawn(move || write_all(&database, table, waiting))?;
        Ok(Rows { jobs: Some(jobs), writer: Some(writer) })
    }

    /// Puts a row; it is there for good when this returns without an error.
    ///
    /// Rows of one key are written in the order of the calls. A call that is given up may still be
    /// carried out.
    pub async fn put(&self, key: u64, row: Vec<u8>) -> Result<(), PutError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(PutError::Ended)?;
        jobs.send(Job { key, row, reply }).await.map_err(|_| PutError::Ended)?;
        answer.await.unwrap_or(Err(PutError::Ended))
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // It has told whoever waited for it.
            let _ = writer.join();
        }
    }
}

fn write_all(database: &Durable, table: RowTable, mut waiting: mpsc::Receiver<Job>) {
    let mut not_before = Instant::now();
    while let Some(first) = waiting.blocking_recv() {
        thread::sleep(not_before.saturating_duration_since(Instant::now()));
        not_before = Instant::now() + GAP;
        let mut group = vec![first];
        while group.len() < MOST {
            let Ok(job) = waiting.try_recv() else { break };
            group.push(job);
        }
        let written = database.write(|write| {
            let mut rows = write.open_table(table)?;
            for job in &group {
                rows.insert(job.key, job.row.as_slice())?;
            }
            Ok(())
        });
        let written = written.map_err(|error| PutError::Failed(Arc::new(error)));
        for job in group {
            // Whoever gave up has no use for the answer.
            let _ = job.reply.send(written.clone());
        }
    }
}
