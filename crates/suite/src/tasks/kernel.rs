//! The kernel: calls, and programs that are started.

use std::{
    hint::black_box,
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::process::getppid;

use super::Work;

/// Calls of one unit.
pub(crate) const CALLS: u32 = 20_000;

/// Calls that do nothing.
pub(crate) struct Calls;

impl Work for Calls {
    fn unit(&mut self) -> io::Result<()> {
        (0..CALLS).for_each(|_| {
            black_box(getppid());
        });
        Ok(())
    }
}

/// Starts a program that does nothing.
pub(crate) struct Fork(pub(crate) (PathBuf, &'static str));

impl Work for Fork {
    fn unit(&mut self) -> io::Result<()> {
        let (program, argument) = &self.0;
        let mut command = Command::new(program);
        command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("{} ended with {status}", program.display())))
        }
    }
}
