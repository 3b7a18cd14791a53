//! The processor: integers and floating-point numbers.

use std::io;

use sha2::{Digest, Sha256};

use super::{Random, Work};

/// Hashes of one unit.
pub(crate) const LINKS: u32 = 8192;
/// Rows and columns of a matrix.
const SIDE: usize = 192;
/// Operations of one unit.
pub(crate) const MATMUL_FLOP: f64 = 2.0 * (SIDE * SIDE * SIDE) as f64;

/// Hashes, each of the one before.
pub(crate) struct ShaChain([u8; 32]);

impl ShaChain {
    pub(crate) fn new(seed: u64) -> Self {
        ShaChain(Sha256::digest(seed.to_le_bytes()).into())
    }

    pub(crate) fn unit(&mut self) {
        for _ in 0..LINKS {
            self.0 = Sha256::digest(self.0).into();
        }
    }

    pub(crate) fn answer(&self) -> [u8; 32] {
        self.0
    }
}

impl Work for ShaChain {
    fn unit(&mut self) -> io::Result<()> {
        ShaChain::unit(self);
        Ok(())
    }
}

/// `C = A · B`, of which a row, brought back between -1 and 1, goes into `A`: so each product hangs
/// on those before it.
pub(crate) struct Matrices {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
    row: usize,
}

impl Matrices {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut matrix = || (0..SIDE * SIDE).map(|_| random.fraction()).collect::<Vec<_>>();
        Matrices { a: matrix(), b: matrix(), c: vec![0.0; SIDE * SIDE], row: 0 }
    }

    pub(crate) fn unit(&mut self) {
        self.c.fill(0.0);
        for (a, c) in self.a.chunks_exact(SIDE).zip(self.c.chunks_exact_mut(SIDE)) {
            for (a, b) in a.iter().zip(self.b.chunks_exact(SIDE)) {
                c.iter_mut().zip(b).for_each(|(c, b)| *c += a * b);
            }
        }
        let row = self.row * SIDE..(self.row + 1) * SIDE;
        for (a, c) in self.a[row.clone()].iter_mut().zip(&self.c[row]) {
            *a = c / (1.0 + c.abs());
        }
        self.row = (self.row + 1) % SIDE;
    }

    pub(crate) fn answer(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        self.a.iter().for_each(|number| hasher.update(number.to_le_bytes()));
        hasher.finalize().into()
    }
}

impl Work for Matrices {
    fn unit(&mut self) -> io::Result<()> {
        Matrices::unit(self);
        Ok(())
    }
}
