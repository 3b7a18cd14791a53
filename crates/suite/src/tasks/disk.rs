//! The disk: past the page cache, and through it.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

use super::{Random, Work};
use crate::Task;

/// Bytes of one unit.
pub(crate) const PIECE: usize = 1 << 20;
/// Pieces of a file.
const PIECES: u64 = 48;
/// What addresses and lengths must be multiples of, past the page cache.
const ALIGNED: usize = 4096;

/// How a file is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Read,
    Write,
    Sync,
}

/// A MiB of memory that can go past the page cache; random, since some file systems do not write
/// zeros.
pub struct Aligned {
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    /// The same for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut memory = vec![0; PIECE + ALIGNED];
        memory.chunks_mut(8).for_each(|chunk| {
            chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
        });
        let start = memory.as_ptr().align_offset(ALIGNED);
        Aligned { memory, start }
    }

    /// What is written.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + PIECE]
    }

    /// Where is read to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + PIECE]
    }
}

/// A file that its name is taken from as soon as it is open: nothing stays, however this ends.
pub(crate) struct File {
    file: fs::File,
    kind: Kind,
    buffer: Aligned,
    next: u64,
}

impl File {
    pub(crate) fn make(folder: &Path, task: Task, thread: u16, kind: Kind) -> io::Result<Self> {
        let path = folder.join(format!("zennet-{task}-{thread}-{}", std::process::id()));
        let direct = if kind == Kind::Sync { OFlags::empty() } else { OFlags::DIRECT };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(direct.bits() as i32)
            .open(&path);
        // Some file systems make it before they refuse the flag.
        let unlinked = fs::remove_file(&path);
        let file = file?;
        unlinked?;
        let buffer = Aligned::new(u64::from(thread));
        let mut made = File { file, kind, buffer, next: 0 };
        // The room on the disk is found once, not in what is measured.
        (0..PIECES).try_for_each(|_| made.write())?;
        made.file.sync_data()?;
        Ok(made)
    }

    fn place(&mut self) -> u64 {
        let at = self.next % PIECES;
        self.next += 1;
        at * PIECE as u64
    }

    fn write(&mut self) -> io::Result<()> {
        let at = self.place();
        self.file.write_all_at(self.buffer.bytes(), at)
    }
}

impl Work for File {
    fn unit(&mut self) -> io::Result<()> {
        match self.kind {
            Kind::Read => {
                let at = self.place();
                self.file.read_exact_at(self.buffer.bytes_mut(), at)
            }
            Kind::Write => self.write(),
            Kind::Sync => {
                self.write()?;
                self.file.sync_data()
            }
        }
    }
}
