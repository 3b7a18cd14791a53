//! Failures with an exit code of their own.

use std::path::PathBuf;

use thiserror::Error;

/// Exit code of an order that was left to `resume`.
pub(crate) const LEFT: u8 = 9;

/// What a script can tell apart by the exit code; everything else exits with 1.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(
        "no configuration at {0}: run `publisher-cli init`, or name its folder with --dir or \
         ZENNET_PUBLISHER_DIR"
    )]
    NoConfig(PathBuf),
    #[error("cannot use {path}: {why}")]
    BadConfig { path: PathBuf, why: String },
    #[error("{0}")]
    Node(String),
    #[error("{0}")]
    NoCoin(String),
    #[error(
        "only {ready} of {wanted} machines were ready within {secs} s: raise --timeout or \
         --max-price, or ask for less"
    )]
    NotEnough { ready: usize, wanted: usize, secs: u64 },
    #[error(
        "{0} leases did not settle: their deposits return when their channels end; the next \
         `publisher-cli submit` or `publisher-cli recover` goes on with it"
    )]
    Unsettled(usize),
    #[error(
        "another `publisher-cli submit` works in {0}: use `publisher-cli list` to see it, or \
         another --dir"
    )]
    Locked(PathBuf),
    #[error(
        "{missing} of {wanted} machines are not there yet: `publisher-cli list` shows how far they \
         are, `publisher-cli logs` what happened"
    )]
    NotBack { missing: usize, wanted: usize },
    #[error("left as it was, {0} machines with it: `publisher-cli resume` goes on")]
    Left(usize),
    #[error("{agreed} of {machines} machines agree on the result")]
    Differ { agreed: usize, machines: usize },
    #[error("{why}")]
    Other { code: u8, why: String },
    #[error("left at once, as asked twice: run `publisher-cli recover` to settle what is open")]
    Interrupted,
    #[error("ended before anything was ordered")]
    Early,
}

impl Failure {
    /// The documented exit code; 1 and 2 belong to other errors and to usage errors.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::NoConfig(_) | Failure::BadConfig { .. } => 3,
            Failure::Node(_) => 4,
            Failure::NoCoin(_) => 5,
            Failure::NotEnough { .. } | Failure::NotBack { .. } => 6,
            Failure::Unsettled(_) => 7,
            Failure::Locked(_) => 8,
            Failure::Left(_) => LEFT,
            Failure::Differ { .. } => 10,
            Failure::Other { code, .. } => *code,
            Failure::Interrupted | Failure::Early => 130,
        }
    }
}

/// What the program exits with on an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(1, Failure::code)
}

/// The exit codes, for the help.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0    done; for submit: every lease was settled, with --detach every machine is ready
  1    failed otherwise; the message says why
  2    wrong usage
  3    no or bad configuration or key file
  4    the node cannot be reached or follows another chain
  5    the account has not enough coin
  6    not enough machines in time
  7    a lease did not settle
  8    another submit uses the same folder
  9    ended by SIGTERM or with its terminal; `resume` goes on with the order
  10   verify: not all machines came to the same
  130  interrupted twice, or before anything was ordered";
