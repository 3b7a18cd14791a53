//! Programs of the host that this one calls, each with arguments of its own.

use std::{env, ffi::OsString, io, process::Stdio, time::Duration};

use thiserror::Error;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where programs of the system are besides `PATH`, which has them for root only on some systems.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Why a program did not do its work.
#[derive(Debug, Error)]
pub(crate) enum ProgramError {
    #[error("{program} cannot be run: {source}")]
    Missing { program: &'static str, source: io::Error },
    #[error("{program} {arguments}: {said}")]
    Failed { program: &'static str, arguments: String, said: String },
    #[error("{program} did not end within {} s", PATIENCE.as_secs())]
    Late { program: &'static str },
}

/// Runs a program to its end and gives what it printed.
pub(crate) async fn run(program: &'static str, arguments: &[&str]) -> Result<String, ProgramError> {
    run_with(program, arguments, "").await
}

/// Runs a program that reads `input`.
pub(crate) async fn run_with(
    program: &'static str,
    arguments: &[&str],
    input: &str,
) -> Result<String, ProgramError> {
    let missing = |source| ProgramError::Missing { program, source };
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", search_path()).env("LC_ALL", "C").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why when it ends.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.map_err(|_| ProgramError::Late { program })?.map_err(missing)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = match said.trim() {
        "" => output.status.to_string(),
        said => said.replace('\n', "; "),
    };
    Err(ProgramError::Failed { program, arguments: arguments.join(" "), said })
}

fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    for folder in SYSTEM {
        path.push(if path.is_empty() { "" } else { ":" });
        path.push(folder);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_reads_its_input_and_its_failure_is_named() {
        assert_eq!(run_with("cat", &[], "words").await.unwrap(), "words");
        let error = run("ls", &["/no/such/file"]).await.unwrap_err().to_string();
        assert!(error.starts_with("ls /no/such/file: ") && error.contains("No such"), "{error}");
        let error = run("zennet-no-such-program", &[]).await.unwrap_err();
        assert!(matches!(error, ProgramError::Missing { .. }), "{error}");
    }
}
