//! Open descriptors of the kernel's files, and one raw reading of all of them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use codec::{Decode, Encode};
use rustix::io::Errno;
use thiserror::Error;

use crate::{
    devices::Devices,
    parse::{self, Malformed, Transfer},
    paths::{CgroupPaths, Group},
    Counter, Usage,
};

/// Bytes that one kernel file may have; `net/dev` of a host with many interfaces is the longest.
const MAX_TEXT: usize = 256 * 1024;

/// Bytes that the kernel has room for when it writes a text: up to there it hands out all at once.
const PIECE: usize = 4096;
/// How long after a group has run the kernel's statistics of it may still change: it gathers those
/// of its processors every two seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error("{path} is gone: the container has ended; what was read before stays valid")]
    Gone { path: PathBuf },
    #[error("cannot read {path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("cannot understand {path}: {error}")]
    Malformed { path: PathBuf, error: Malformed },
}

/// A file that is kept open and read from its start each time.
struct Text {
    path: PathBuf,
    file: File,
}

impl Text {
    /// Opens a file; one that is not there or not for us gives no figure.
    fn open(path: PathBuf) -> Result<Option<Text>, SourceError> {
        match File::open(&path) {
            Ok(file) => Ok(Some(Text { path, file })),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(SourceError::Io { path, error }),
        }
    }

    /// Opens the first of several files that is there.
    fn first(directory: &Path, names: &[&str]) -> Result<Option<Text>, SourceError> {
        for name in names {
            if let Some(text) = Text::open(directory.join(name))? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn read<T>(
        &self,
        buffer: &mut Vec<u8>,
        parse: impl FnOnce(&str) -> Result<T, Malformed>,
    ) -> Result<T, SourceError> {
        let io = |error| SourceError::Io { path: self.path.clone(), error };
        buffer.resize(buffer.capacity().max(8 * 1024), 0);
        let mut filled = 0;
        loop {
            if filled == buffer.len() {
                if filled >= MAX_TEXT {
                    return Err(io(io::Error::other(format!("longer than {MAX_TEXT} bytes"))));
                }
                buffer.resize(filled * 2, 0);
            }
            match self.file.read_at(&mut buffer[filled..], filled as u64) {
                Ok(0) => break,
                Ok(n) => {
                    filled += n;
                    // Only a longer text may go on, and asking for its end is not free.
                    if filled < PIECE {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // What the kernel says of an open file whose group or process was removed.
                Err(e) if [Errno::NODEV, Errno::SRCH].iter().any(|gone| is(&e, *gone)) => {
                    return Err(SourceError::Gone { path: self.path.clone() });
                }
                Err(e) => return Err(io(e)),
            }
        }
        let text = std::str::from_utf8(&buffer[..filled]).map_err(|e| io(io::Error::other(e)))?;
        parse(text).map_err(|error| SourceError::Malformed { path: self.path.clone(), error })
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

enum Cpu {
    V1 { total: Option<Text>, user: Option<Text>, system: Option<Text> },
    V2(Option<Text>),
}

enum Disk {
    V1(Text),
    V2(Text),
}

fn micros(nanos: &Option<Text>, buffer: &mut Vec<u8>) -> Result<Option<u64>, SourceError> {
    match nanos {
        Some(nanos) => nanos.read(buffer, parse::single).map(|nanos| Some(nanos / 1000)),
        None => Ok(None),
    }
}

/// What grows only while processes run.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    /// Microseconds of processor time.
    total: Option<u64>,
    user: Option<u64>,
    system: Option<u64>,
    faults: Option<u64>,
}

/// One raw reading, as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sample {
    /// Every cumulative counter; memory is not among them.
    pub(crate) counters: Usage,
    /// Bytes in use at the moment.
    pub(crate) memory: Option<u64>,
}

/// Which container's counters these are: the same group of another boot is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Identity {
    boot: [u8; 16],
    inode: u64,
}

impl Identity {
    pub(crate) fn of(paths: &CgroupPaths) -> Result<Option<Identity>, SourceError> {
        let Some(directory) = paths.identity() else { return Ok(None) };
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| SourceError::Io { path, error }
        };
        let inode = match fs::metadata(directory) {
            Ok(metadata) => metadata.ino(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(SourceError::Gone { path: directory.to_owned() });
            }
            Err(e) => return Err(io(directory)(e)),
        };
        let path = paths.root.join("proc/sys/kernel/random/boot_id");
        let text = fs::read_to_string(&path).map_err(io(&path))?;
        let boot = parse::boot_id(&text).map_err(|error| SourceError::Malformed { path, error })?;
        Ok(Some(Identity { boot, inode }))
    }
}

/// The open files of one container.
pub(crate) struct Sources {
    cpu: Option<Cpu>,
    memory: Option<Text>,
    memory_stat: Option<Text>,
    oom: Option<Text>,
    disk: Option<Disk>,
    devices: Devices,
    net: Option<Text>,
    /// The newest one, and when its total was first seen, since boot.
    work: Option<(Work, Duration)>,
    buffer: Vec<u8>,
}

impl Sources {
    pub(crate) fn open(paths: &CgroupPaths, init_pid: u32) -> Result<Self, SourceError> {
        let cpu = match &paths.cpu {
            Some(Group::V1(dir)) => Some(Cpu::V1 {
                total: Text::first(dir, &["cpuacct.usage"])?,
                user: Text::first(dir, &["cpuacct.usage_user"])?,
                system: Text::first(dir, &["cpuacct.usage_sys"])?,
            }),
            Some(Group::V2(dir)) => Some(Cpu::V2(Text::first(dir, &["cpu.stat"])?)),
            None => None,
        };
        let (memory, memory_stat, oom) = match &paths.memory {
            Some(group) => {
                let dir = group.directory();
                let (now, oom) = match group {
                    Group::V1(_) => ("memory.usage_in_bytes", "memory.oom_control"),
                    Group::V2(_) => ("memory.current", "memory.events"),
                };
                (
                    Text::first(dir, &[now])?,
                    Text::first(dir, &["memory.stat"])?,
                    Text::first(dir, &[oom])?,
                )
            }
            None => (None, None, None),
        };
        let disk = match &paths.io {
            // The recursive file also counts groups below, which a lease's parent group has.
            Some(Group::V1(dir)) => Text::first(
                dir,
                &["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"],
            )?
            .map(Disk::V1),
            Some(Group::V2(dir)) => Text::first(dir, &["io.stat"])?.map(Disk::V2),
            None => None,
        };
        let net = Text::open(paths.root.join(format!("proc/{init_pid}/net/dev")))?;
        let devices = Devices::new(&paths.root);
        let (work, buffer) = (None, Vec::new());
        Ok(Sources { cpu, memory, memory_stat, oom, disk, devices, net, work, buffer })
    }

    pub(crate) fn sample(&mut self, now: Duration) -> Result<Sample, SourceError> {
        let mut counters = Usage::default();
        self.read_work(now, &mut counters)?;
        let (buffer, devices) = (&mut self.buffer, &mut self.devices);
        let disk: Option<Transfer> = match &self.disk {
            Some(Disk::V1(file)) => file.read(buffer, |text| {
                devices.total(parse::devices(text), |asked| parse::blkio(text, asked))
            })?,
            Some(Disk::V2(file)) => file.read(buffer, |text| {
                devices.total(parse::devices(text), |asked| parse::io_stat(text, asked).map(Some))
            })?,
            None => None,
        };
        if let Some(moved) = disk {
            counters.set(Counter::DiskReadBytes, moved.input);
            counters.set(Counter::DiskWriteBytes, moved.output);
        }
        if let Some(net) = &self.net {
            let moved = net.read(buffer, parse::net_dev)?;
            counters.set(Counter::NetRxBytes, moved.input);
            counters.set(Counter::NetTxBytes, moved.output);
        }
        let memory = match &self.memory {
            Some(memory) => Some(memory.read(buffer, parse::single)?),
            None => None,
        };
        Ok(Sample { counters, memory })
    }

    /// Reads what grows only while processes run: processor time and page faults. Of a group that
    /// has not run for a while the total time says that the rest is as it was: it is not read then.
    fn read_work(&mut self, now: Duration, counters: &mut Usage) -> Result<(), SourceError> {
        let mut set = |counter, value: Option<u64>| {
            if let Some(value) = value {
                counters.set(counter, value);
            }
        };
        let buffer = &mut self.buffer;
        let mut work = Work::default();
        match &self.cpu {
            Some(Cpu::V1 { total, .. }) => work.total = micros(total, buffer)?,
            Some(Cpu::V2(Some(stat))) => {
                let keys = ["usage_usec", "user_usec", "system_usec"];
                [work.total, work.user, work.system] =
                    stat.read(buffer, |text| parse::keyed(text, keys))?;
            }
            Some(Cpu::V2(None)) | None => {}
        }
        match self.work {
            Some((known, changed)) if known.total.is_some() && known.total == work.total => {
                if now.saturating_sub(changed) >= SETTLED {
                    work = known;
                } else {
                    self.read_rest(&mut work)?;
                    self.work = Some((work, changed));
                }
            }
            _ => {
                self.read_rest(&mut work)?;
                self.work = Some((work, now));
            }
        }
        set(Counter::CpuMicros, work.total);
        set(Counter::CpuUserMicros, work.user);
        set(Counter::CpuSystemMicros, work.system);
        set(Counter::PageFaults, work.faults);
        Ok(())
    }

    /// Reads what the total time does not say.
    fn read_rest(&mut self, work: &mut Work) -> Result<(), SourceError> {
        let buffer = &mut self.buffer;
        if let Some(Cpu::V1 { user, system, .. }) = &self.cpu {
            work.user = micros(user, buffer)?;
            work.system = micros(system, buffer)?;
        }
        if let Some(stat) = &self.memory_stat {
            // v1 counts groups below under `total_`; v2 always counts them.
            let keys = ["total_pgfault", "pgfault"];
            let [total, own] = stat.read(buffer, |text| parse::keyed(text, keys))?;
            work.faults = total.or(own);
        }
        Ok(())
    }

    /// Processes that were killed for want of memory, where the kernel counts them.
    pub(crate) fn oom_kills(&mut self) -> Result<Option<u64>, SourceError> {
        match &self.oom {
            Some(oom) => {
                let [kills] =
                    oom.read(&mut self.buffer, |text| parse::keyed(text, ["oom_kill"]))?;
                Ok(kills)
            }
            None => Ok(None),
        }
    }
}
