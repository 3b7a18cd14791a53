//! `guest suite`: the embedded benchmarks inside a machine.
//!
//! A machine of its own runs them for the provider's agent (`serve`, as process 1); in any machine a
//! publisher may run them by hand, and compare answers and times with what its own computer says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use zennet_suite::{
    answer, serve_peer,
    wire::{Answer, Request, MOST_LINE},
    Mix, Place, Running,
};

use crate::{BUNDLE, LEASE};

pub(crate) const HELP: &str = "usage: guest suite task sha256|matmul --units N [--seed N]
                                        print the answer and how long it took
       guest suite mix 'threads=2 sha256=600 triad=400' [--secs N] [--folder DIR]
                                        run tasks by their parts, in thousandths, and count units
       guest suite peer ADDRESS:PORT    be what the tasks send and receive talk to
       guest suite serve                do what the agent asks for (process 1 of its machine)";

/// Longest run by hand, seconds.
const MOST_SECS: u64 = 3600;

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    match words {
        ["serve"] => serve(),
        ["peer", address] => {
            let address: SocketAddr = address.parse().map_err(|_| HELP.to_owned())?;
            serve_peer(address).map_err(|e| format!("listening on {address} failed: {e}"))
        }
        ["task", task, options @ ..] => by_hand(task, options),
        ["mix", mix, options @ ..] => mix_by_hand(mix, options),
        _ => Err(HELP.to_owned()),
    }
}

/// The value of an option, where it is given.
fn option<'a>(options: &[&'a str], name: &str) -> Option<&'a str> {
    options.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1).copied())
}

fn number(options: &[&str], name: &str) -> Result<Option<u64>, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("{name} takes a number\n{HELP}"));
    option(options, name).map(parse).transpose()
}

fn by_hand(task: &str, options: &[&str]) -> Result<(), String> {
    let units = number(options, "--units")?.ok_or(HELP)?;
    let seed = number(options, "--seed")?.unwrap_or(0);
    let began = Instant::now();
    let answer = match task {
        "sha256" => answer::sha256(seed, units),
        "matmul" => answer::matmul(seed, units),
        _ => return Err(format!("{task} has no answer that can be checked\n{HELP}")),
    };
    let millis = began.elapsed().as_millis();
    print(&format!("{{\"task\":\"{task}\",\"seed\":{seed},\"units\":{units},\"millis\":{millis},\"answer\":\"{answer}\"}}"))
}

fn mix_by_hand(mix: &str, options: &[&str]) -> Result<(), String> {
    let mix: Mix = mix.parse().map_err(|e| format!("{e}"))?;
    let secs = number(options, "--secs")?.unwrap_or(10).min(MOST_SECS);
    let folder = option(options, "--folder").unwrap_or("/");
    let running = Running::prepare(&mix, &place(folder)).map_err(|e| e.to_string())?;
    let began = Instant::now();
    running.go();
    std::thread::sleep(Duration::from_secs(secs));
    let counts = running.stop().map_err(|e| e.to_string())?;
    let took = began.elapsed().as_secs_f64();
    for (task, units) in counts.iter() {
        let (size, what) = task.unit();
        print(&format!("{task}  {:.3} {what} a second", units as f64 * size / took))?;
    }
    Ok(())
}

fn print(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| format!("printing failed: {e}"))
}

fn place(folder: &str) -> Place {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(format!("{BUNDLE}/guest")));
    Place { folder: folder.into(), nothing: (own, "nothing") }
}

/// Does what the agent asks for until it closes the connection.
fn serve() -> Result<(), String> {
    let failed = |e: std::io::Error| format!("talking to the agent failed: {e}");
    let stream = dial().map_err(failed)?;
    let mut lines = BufReader::new(stream.try_clone().map_err(failed)?);
    let mut agent = Agent { stream, prepared: None };
    loop {
        let mut line = String::new();
        let read = (&mut lines).take(MOST_LINE as u64).read_line(&mut line).map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        let answer = match line.trim_end().parse() {
            Ok(request) => agent.obey(request),
            Err(reason) => Some(Answer::Failed(reason)),
        };
        if let Some(answer) = answer {
            // As a whole: the agent may be waiting for other things as well.
            agent.stream.write_all(format!("{answer}\n").as_bytes()).map_err(failed)?;
        }
    }
}

fn dial() -> std::io::Result<UnixStream> {
    UnixStream::connect(format!("{LEASE}/agent.sock"))
}

struct Agent {
    stream: UnixStream,
    prepared: Option<Running>,
}

impl Agent {
    fn obey(&mut self, request: Request) -> Option<Answer> {
        match request {
            Request::Mix(mix) => {
                // What was prepared before is given up first, with its memory.
                self.prepared = None;
                Some(match Running::prepare(&mix, &place("/")) {
                    Ok(running) => {
                        self.prepared = Some(running);
                        Answer::Ready
                    }
                    Err(error) => Answer::Failed(error.to_string()),
                })
            }
            Request::Go => {
                self.prepared.as_ref().inspect(|running| running.go());
                None
            }
            Request::Stop => Some(match self.prepared.take().map(Running::stop) {
                Some(Ok(counts)) => Answer::Done(counts),
                Some(Err(error)) => Answer::Failed(error.to_string()),
                None => Answer::Failed("nothing was prepared".into()),
            }),
            Request::Run(words) => Some(match command(&words) {
                Ok(status) => Answer::Ended(status),
                Err(error) => Answer::Failed(error.to_string()),
            }),
        }
    }
}

/// Runs a command to its end, its output on a connection of its own.
fn command(words: &[std::ffi::OsString]) -> std::io::Result<i32> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(std::io::Error::other("there is no command"));
    };
    let output = dial()?;
    let errors = output.try_clone()?;
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::from(OwnedFd::from(errors)))
        .status()
        .map_err(|e| std::io::Error::new(e.kind(), format!("{}: {e}", program.display())))?;
    Ok(code(status))
}

/// The status of an ended program, as shells give it.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_by_its_name() {
        let options = ["--units", "3", "--seed", "x"];
        assert_eq!(number(&options, "--units"), Ok(Some(3)));
        assert_eq!(number(&options, "--secs"), Ok(None));
        assert!(number(&options, "--seed").is_err());
        assert!(run(&["task", "fork", "--units", "1"]).is_err());
    }

    #[test]
    fn the_status_of_a_command_is_what_a_shell_gives() {
        let status = |script: &str| code(Command::new("sh").args(["-c", script]).status().unwrap());
        assert_eq!((status("exit 3"), status("kill -9 $$")), (3, 137));
    }
}
