//! Answers that follow from the seed and the number of units alone.
//!
//! A publisher has a machine do a number of units, does them itself, and compares: the time says how
//! fast the machine is, the answer that it did the work. The matrix product is exact too: each number
//! is computed by the same operations in the same order everywhere (IEEE 754, nothing fused).

use std::fmt::Write;

use crate::tasks::processor::{Matrices, ShaChain};

/// The last hash of a chain of SHA-256 that a seed begins.
pub fn sha256(seed: u64, units: u64) -> String {
    let mut chain = ShaChain::new(seed);
    (0..units).for_each(|_| chain.unit());
    hex(&chain.answer())
}

/// The hash of the matrix to which products with the matrices of a seed lead.
pub fn matmul(seed: u64, units: u64) -> String {
    let mut matrices = Matrices::new(seed);
    (0..units).for_each(|_| matrices.unit());
    hex(&matrices.answer())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_follow_from_the_seed_and_the_units() {
        for answer in [sha256, matmul] {
            assert_eq!(answer(7, 2), answer(7, 2));
            assert_ne!(answer(7, 2), answer(7, 3));
            assert_ne!(answer(7, 2), answer(8, 2));
        }
    }

    #[test]
    fn answers_are_the_same_on_every_machine() {
        // Computed by another program: Python's hashlib, and the same products of its floats.
        assert_eq!(
            sha256(1, 0),
            "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8"
        );
        assert_eq!(
            sha256(1, 1),
            "9408c70b508e77ec97a3417edf29e62760936233f15a9addb71118c77d15ae7e"
        );
        assert_eq!(
            matmul(1, 2),
            "830511d6e5eead34c191f056798057e4eee4fbce8173db15eedbc190245110f5"
        );
    }
}
