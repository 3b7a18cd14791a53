//! The standard task: a chain of SHA-256 sums from a fresh seed.
//!
//! One unit is one link: `h ← hex(SHA-256(h))`, where `h` is the text of 64 hexadecimal digits. No
//! link can be had without the one before it, and nobody knows the seed before the task is given.
//! In the machine each link is a program of its own, so that a unit takes its kernel and its memory
//! as well; this side computes the same sums in a thousandth of the time.

use sp_crypto_hashing::sha2_256;

/// A seed as the chain begins with it.
pub(super) type Seed = [u8; 32];

/// The command line of a task of so many units: for any shell, with the usual `sha256sum`.
pub(super) fn command(seed: &Seed, units: u64) -> String {
    format!(
        "h={} n={units}; while [ $n -gt 0 ]; do h=$(printf %s $h | sha256sum) || exit 1; \
         h=${{h%% *}} n=$((n-1)); done; echo $h",
        hex::encode(seed)
    )
}

/// Whether that is what the task comes to.
pub(super) fn is_right(seed: &Seed, units: u64, stdout: &[u8]) -> bool {
    let mut link = hex::encode(seed);
    for _ in 0..units {
        link = hex::encode(sha2_256(link.as_bytes()));
    }
    stdout.trim_ascii() == link.as_bytes()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_comes_to_the_answer_that_is_expected_and_to_no_other() {
        let seed = [0xab; 32];
        let output = Command::new("sh").arg("-c").arg(command(&seed, 5)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(is_right(&seed, 5, &output.stdout), "{output:?}");
        assert!(!is_right(&seed, 4, &output.stdout));
        assert!(!is_right(&[0; 32], 5, &output.stdout));
        assert!(!is_right(&seed, 5, b""));
    }
}
