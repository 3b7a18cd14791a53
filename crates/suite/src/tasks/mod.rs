//! The tasks, by what they use. Each is prepared once and then works in units of a few
//! milliseconds.

pub(crate) mod disk;
pub(crate) mod kernel;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod processor;

use std::io;

use crate::{Mix, Place, Task, TaskError};

/// A task that is ready.
pub(crate) trait Work: Send {
    /// Does one unit.
    fn unit(&mut self) -> io::Result<()>;
}

/// Prepares a task for the thread number `thread` of a mix.
pub(crate) fn prepare(
    task: Task,
    mix: &Mix,
    thread: u16,
    place: &Place,
) -> Result<Box<dyn Work>, TaskError> {
    let seed = mix.seed.wrapping_add(u64::from(thread));
    let failed = |what| move |source| TaskError { task, what, source };
    let file = |kind| disk::File::make(&place.folder, task, thread, kind);
    Ok(match task {
        Task::Sha256 => Box::new(processor::ShaChain::new(seed)),
        Task::Matmul => Box::new(processor::Matrices::new(seed)),
        Task::Triad => Box::new(memory::Triad::new()),
        Task::Chase => Box::new(memory::Chase::new(seed)),
        Task::Touch => Box::new(memory::Touch),
        Task::DirectRead => Box::new(file(disk::Kind::Read).map_err(failed("making a file"))?),
        Task::DirectWrite => Box::new(file(disk::Kind::Write).map_err(failed("making a file"))?),
        Task::SyncWrite => Box::new(file(disk::Kind::Sync).map_err(failed("making a file"))?),
        Task::Syscall => Box::new(kernel::Calls),
        Task::Fork => Box::new(kernel::Fork(place.nothing.clone())),
        Task::Send => Box::new(network::Stream::send(mix.peer).map_err(failed("the peer"))?),
        Task::Receive => Box::new(network::Stream::receive(mix.peer).map_err(failed("the peer"))?),
        Task::Hold => Box::new(memory::Rest),
    })
}

/// Numbers that follow from a seed: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound; the bias is below the bound divided by 2⁶⁴.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from -1 to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_does_units() {
        let folder = tempfile::tempdir().unwrap();
        let sink = network::Sink::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let peer = Some(sink.address());
        let place = Place { folder: folder.path().into(), nothing: ("/bin/true".into(), "") };
        for task in Task::ALL {
            let mut mix = Mix::pure(1, task);
            mix.peer = peer;
            let mut work = match prepare(task, &mix, 0, &place) {
                // Not every file system of a folder for temporary files knows O_DIRECT.
                Err(error) if error.source.kind() == io::ErrorKind::InvalidInput => continue,
                work => work.unwrap(),
            };
            (0..3).for_each(|_| work.unit().unwrap_or_else(|e| panic!("{task}: {e}")));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file stays");
    }

    #[test]
    fn random_numbers_are_those_of_the_publication() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        let mut random = Random::new(3);
        assert!((0..1000).map(|_| random.fraction()).all(|x| (-1.0..1.0).contains(&x)));
        assert!((0..1000).all(|_| random.below(7) < 7));
    }
}
