//! The same command on several machines, and whether they come to the same.

use anyhow::Result;
use sp_crypto_hashing::sha2_256;
use tokio::task::JoinError;

use super::{report::Report, run::Running};
use crate::{
    choice::majority::{judge, Answer, Verdict},
    events::Event,
    failure::Failure,
    lease::status::Status,
    ssh::remote::{Bounds, Done, Remote, RunError},
};

/// A command that every machine of an order runs once, after which the order ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Job {
    /// A line for the machine's shell.
    pub(crate) command: String,
    /// What it may take.
    pub(crate) bounds: Bounds,
}

/// How far the job of an order is.
#[derive(Default)]
pub(super) struct Comparing {
    begun: bool,
    /// Whether the results were compared.
    judged: bool,
    results: Vec<Ran>,
}

/// What a job came to on one machine.
pub(super) type Ran = (Status, Result<(Answer, Done), RunError>);

impl Running {
    /// All machines are there: each gets the job, where the order has one.
    pub(super) fn begin_job(&mut self, report: &Report) {
        let Some(job) = &self.order.job else { return };
        if std::mem::replace(&mut self.comparing.begun, true) {
            return;
        }
        for lease in &self.ready {
            let Some((remote, status)) = self.order.registry.remote(*lease) else { continue };
            let (job, status) = (job.clone(), status.borrow().clone());
            self.jobs.spawn(async move {
                let result = run(&remote, &status, &job).await;
                (status, result)
            });
        }
        if self.jobs.is_empty() {
            self.compare(report);
        }
    }

    /// An order that ended before its results were compared has none.
    pub(super) fn miss_job(&mut self) {
        if self.order.job.is_some() && !self.comparing.judged {
            self.failure
                .get_or_insert(Failure::Differ { agreed: 0, machines: self.order.machines });
        }
    }

    /// A machine has done the job, or failed to.
    pub(super) fn ran(&mut self, ran: Result<Ran, JoinError>, report: &Report) {
        match ran {
            Ok(ran) => self.comparing.results.push(ran),
            Err(error) => tracing::error!(%error, "a machine's job broke"),
        }
        if self.jobs.is_empty() {
            self.compare(report);
        }
    }

    /// Whose results differ is stored before it is told; then everything ends.
    fn compare(&mut self, report: &Report) {
        self.comparing.judged = true;
        let mut results = std::mem::take(&mut self.comparing.results);
        results.sort_by_key(|(status, _)| status.lease);
        let answer = |ran: &Ran| (ran.0.lease, ran.1.as_ref().ok().map(|(answer, _)| *answer));
        let mut answers: Vec<_> = results.iter().map(answer).collect();
        // Machines that are gone by now count as well.
        answers.resize(answers.len().max(self.order.machines), (0, None));
        let Verdict { agreed, odd } = judge(&answers);
        if let Err(error) = self.order.store.put_odd(&odd) {
            tracing::error!(error = format!("{error:#}"), "cannot store whose results differ");
        }
        for (status, result) in &results {
            report.result(status, result, odd.contains(&status.lease));
        }
        let differ = results.iter().filter(|(status, _)| odd.contains(&status.lease));
        let odd: Vec<_> = differ.map(|(status, _)| report.provider(status)).collect();
        let machines = self.order.machines;
        if agreed < machines {
            self.failure.get_or_insert(Failure::Differ { agreed, machines });
        }
        report.tell(&Event::Verdict { machines, agreed, odd });
        self.end();
    }
}

/// Runs the job on one machine.
async fn run(remote: &Remote, status: &Status, job: &Job) -> Result<(Answer, Done), RunError> {
    let gone = || RunError::Login("its lease has ended".into());
    let host_key = status.terms.as_ref().map(|terms| terms.quote.host_key).ok_or_else(gone)?;
    let mut stdout = Vec::new();
    let take = |bytes: &[u8]| stdout.extend_from_slice(bytes);
    let done = remote.run(&host_key, &job.command, job.bounds, take).await?;
    Ok((Answer { exit_code: done.exit_code, stdout_sha256: sha2_256(&stdout) }, done))
}
