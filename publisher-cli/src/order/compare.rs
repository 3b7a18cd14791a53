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
        if let Err(error) = self.order.store.put_odd(&to_blame(&results, &odd)) {
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

/// Of the leases whose results differ, those whose machines were made of the same image as all that
/// agree: of another image a command may come to something else by rights.
fn to_blame(results: &[Ran], odd: &[u64]) -> Vec<u64> {
    let image = |status: &Status| status.terms.as_ref().map(|terms| terms.quote.image_digest);
    let agrees = |ran: &&Ran| ran.1.is_ok() && !odd.contains(&ran.0.lease);
    let is_comparable = |status: &Status| {
        results.iter().filter(agrees).all(|(other, _)| image(other) == image(status))
    };
    let differ = results.iter().filter(|(status, _)| odd.contains(&status.lease));
    differ.filter(|(status, _)| is_comparable(status)).map(|(status, _)| status.lease).collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::tests::terms;

    fn ran(lease: u64, image: u8, result: u8) -> Ran {
        let mut terms = terms();
        terms.quote.image_digest = [image; 32];
        let status = Status { terms: Some(terms), ..Status::new(lease) };
        let done = Done { exit_code: 0, stdout: 1, took: Duration::from_secs(1) };
        (status, Ok((Answer { exit_code: 0, stdout_sha256: [result; 32] }, done)))
    }

    #[test]
    fn who_had_another_image_is_not_blamed() {
        let same = [ran(1, 1, 1), ran(2, 1, 1), ran(3, 1, 9)];
        assert_eq!(to_blame(&same, &[3]), [3]);
        let other = [ran(1, 1, 1), ran(2, 1, 1), ran(3, 2, 9)];
        assert_eq!(to_blame(&other, &[3]), Vec::<u64>::new());
        let both = [ran(1, 1, 1), ran(2, 1, 1), ran(3, 1, 1), ran(4, 2, 9), ran(5, 1, 9)];
        assert_eq!(to_blame(&both, &[4, 5]), [5]);
        assert_eq!(to_blame(&same, &[]), Vec::<u64>::new());
    }
}
