//! Leases under way as tasks, each with the seat that it holds. A seat is given back exactly once,
//! whether its task ends or panics.

use std::{collections::HashMap, future::Future};

use tokio::task::{Id, JoinSet};
use tracing::error;

/// Tasks that come to `T`, with their seats.
pub(crate) struct Meetings<S, T> {
    tasks: JoinSet<T>,
    seats: HashMap<Id, S>,
}

impl<S, T: Send + 'static> Meetings<S, T> {
    pub(crate) fn new() -> Self {
        Meetings { tasks: JoinSet::new(), seats: HashMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Begins a task that holds a seat.
    pub(crate) fn begin(&mut self, seat: S, task: impl Future<Output = T> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.seats.insert(id, seat);
    }

    /// Waits for the next end: its seat, and what came of the task, which is nothing where it failed.
    /// None where no task is under way.
    pub(crate) async fn next(&mut self) -> Option<(S, Option<T>)> {
        loop {
            let (id, outcome) = match self.tasks.join_next_with_id().await? {
                Ok((id, outcome)) => (id, Some(outcome)),
                Err(error) => {
                    error!(%error, "a lease's task failed");
                    (error.id(), None)
                }
            };
            if let Some(seat) = self.seats.remove(&id) {
                return Some((seat, outcome));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_gives_its_seat_back_once() {
        let mut meetings = Meetings::new();
        meetings.begin("well", async { 7 });
        meetings.begin("ill", async { panic!("on purpose") });
        assert_eq!(meetings.len(), 2);
        let mut ended = Vec::new();
        while let Some(end) = meetings.next().await {
            ended.push(end);
        }
        ended.sort_unstable();
        assert_eq!(ended, [("ill", None), ("well", Some(7))]);
        assert!(meetings.seats.is_empty());
    }
}
