//! An order in the background: this program once more, in a session of its own, and what starts and
//! follows it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::{kill_process, setsid, Pid, Signal};
use tokio::{
    signal::unix::{signal, SignalKind},
    task::JoinSet,
    time::sleep,
};

use crate::{
    context::Lock,
    event_log::{Follower, Told},
    events::is_data,
    failure::Failure,
    output::Out,
    teller::timed,
};

/// How often the events of the daemon are looked at.
const POLL: Duration = Duration::from_millis(50);

/// Length above which the file of warnings is full, bytes.
const FULL: u64 = 8 << 20;

/// How often that length is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// What the daemon writes to stderr.
fn log(data_dir: &Path) -> PathBuf {
    data_dir.join("daemon.log")
}

/// Leaves the session of whoever started this, so that neither the end of its terminal nor Ctrl-C
/// there is heard.
pub(crate) fn leave_session() {
    if let Err(error) = setsid() {
        // It leads one already: somebody started it by hand.
        eprintln!("no session of its own: {error}");
    }
}

/// Keeps the file of warnings from growing without end, until dropped. What is in a full one moves
/// to `daemon.1.log`; the file stays the same, since stderr is open on it.
pub(crate) fn bound_log(data_dir: &Path) -> JoinSet<()> {
    let (path, earlier) = (log(data_dir), data_dir.join("daemon.1.log"));
    let mut bounded = JoinSet::new();
    bounded.spawn(async move {
        loop {
            if let Err(error) = make_room(&path, &earlier, FULL) {
                tracing::warn!(%error, "cannot bound the file of warnings");
            }
            sleep(LOOK).await;
        }
    });
    bounded
}

fn make_room(path: &Path, earlier: &Path, full: u64) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(file) if file.len() > full => {
            fs::copy(path, earlier)?;
            OpenOptions::new().write(true).open(path)?.set_len(0)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Starts the command that was given in the background, and follows it until its order is complete
/// or over.
///
/// Ctrl-C goes to the daemon, where it ends the order as in the foreground. If this is killed, the
/// daemon goes on.
pub(crate) async fn start(lock: Lock, data_dir: &Path, out: Out) -> Result<()> {
    let mut follower = Follower::from_now(data_dir).context("cannot read the events")?;
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
    // It is the daemon's from now on.
    drop(lock);
    let mut daemon = spawn(data_dir)?;
    let begin = Instant::now();
    let (mut ending, mut last) = (false, None);
    loop {
        // Before the events are read, so that none of a daemon that is over is missed.
        let over = daemon.try_wait().context("cannot watch the daemon")?;
        for told in follower.read().context("cannot read the events")? {
            show(&told, out, begin.elapsed());
            match told.event.as_str() {
                "complete" if !ending => return complete(&told, out),
                "finished" => last = Some(told),
                _ => {}
            }
        }
        if let Some(status) = over {
            return ended(status, last, data_dir);
        }
        tokio::select! {
            () = sleep(POLL) => {}
            _ = interrupts.recv() => {
                ending = true;
                interrupt(&daemon)?;
                timed(begin.elapsed().as_secs_f64(), "ending the order; once more leaves at once");
            }
        }
    }
}

fn spawn(data_dir: &Path) -> Result<Child> {
    let path = log(data_dir);
    let stderr = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let stderr = stderr.with_context(|| format!("cannot open {}", path.display()))?;
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let arguments = std::env::args_os().skip(1).map(|argument| {
        if argument == "--detach" {
            "--daemon".into()
        } else {
            argument
        }
    });
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

fn interrupt(daemon: &Child) -> Result<()> {
    let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("the daemon has no process id")?;
    kill_process(pid, Signal::INT).context("cannot interrupt the daemon")
}

fn complete(told: &Told, out: Out) -> Result<()> {
    if !out.json {
        eprintln!(
            "the order goes on in the background: `publisher-cli list` shows it, `publisher-cli \
             stop` ends it"
        );
    }
    match told.missing {
        0 => Ok(()),
        missing => Err(Failure::NotBack { missing, wanted: told.machines + missing }.into()),
    }
}

/// What became of a daemon that ended before its order was complete.
fn ended(status: ExitStatus, last: Option<Told>, data_dir: &Path) -> Result<()> {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    let why = last.and_then(|told| told.error);
    match (code, why) {
        (Some(0), _) => Ok(()),
        (Some(code), Some(why)) => Err(Failure::Other { code, why }.into()),
        // It was interrupted before it listened to signals.
        (None, _) if status.signal() == Some(Signal::INT.as_raw()) => Err(Failure::Early.into()),
        (code, _) => {
            let how = status.signal().map_or_else(
                || format!("status {}", code.unwrap_or(1)),
                |signal| format!("signal {signal}"),
            );
            let path = log(data_dir);
            let why = format!("the daemon ended with {how}: see {}", path.display());
            Err(Failure::Other { code: code.unwrap_or(1), why }.into())
        }
    }
}

/// Prints an event of a daemon as the order itself would.
pub(crate) fn show(told: &Told, out: Out, since: Duration) {
    // A reader that is gone is no reason to stop.
    let _ = match (out.json, is_data(&told.event)) {
        (true, _) => writeln!(io::stdout(), "{}", told.json),
        (false, true) => writeln!(io::stdout(), "{}", told.text),
        (false, false) => {
            timed(since.as_secs_f64(), &told.text);
            Ok(())
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(machines: usize, missing: usize) -> Told {
        Told {
            event: "complete".into(),
            at_ms: 0,
            text: String::new(),
            machines,
            missing,
            exit_code: 0,
            error: Some("why".into()),
            json: String::new(),
        }
    }

    fn code(outcome: Result<()>) -> u8 {
        outcome.err().map_or(0, |error| crate::failure::exit_code(&error))
    }

    #[test]
    fn a_daemon_that_fails_gives_its_exit_code_and_its_reason() {
        let dir = Path::new("/d");
        assert_eq!(code(ended(ExitStatus::from_raw(0), None, dir)), 0);
        let failed = ended(ExitStatus::from_raw(6 << 8), Some(told(0, 0)), dir);
        assert_eq!(failed.as_ref().unwrap_err().to_string(), "why");
        assert_eq!(code(failed), 6);
        let silent = ended(ExitStatus::from_raw(3 << 8), None, dir);
        assert!(silent.as_ref().unwrap_err().to_string().contains("/d/daemon.log"));
        assert_eq!(code(silent), 3);
        assert_eq!(code(ended(ExitStatus::from_raw(9), Some(told(0, 0)), dir)), 1);
        assert_eq!(code(ended(ExitStatus::from_raw(2), None, dir)), 130);
    }

    #[test]
    fn an_order_is_complete_only_with_every_machine() {
        let out = Out { json: true };
        assert_eq!(code(complete(&told(3, 0), out)), 0);
        let some = complete(&told(2, 1), out);
        assert!(some.as_ref().unwrap_err().to_string().starts_with("1 of 3 machines"));
        assert_eq!(code(some), 6);
    }

    #[test]
    fn a_full_file_of_warnings_begins_anew_and_is_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, earlier) = (log(dir.path()), dir.path().join("daemon.1.log"));
        make_room(&path, &earlier, 3).unwrap();
        let mut open = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        open.write_all(b"full").unwrap();
        make_room(&path, &earlier, 4).unwrap();
        assert!(!earlier.exists());
        make_room(&path, &earlier, 3).unwrap();
        open.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&earlier).unwrap(), b"full");
    }
}
