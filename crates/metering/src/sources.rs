//! Open descriptors of the kernel's files, and one raw reading of all of them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
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
                Ok(n) => filled += n,
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
        Ok(Sources { cpu, memory, memory_stat, oom, disk, devices, net, buffer: Vec::new() })
    }

    pub(crate) fn sample(&mut self) -> Result<Sample, SourceError> {
        let buffer = &mut self.buffer;
        let mut counters = Usage::default();
        let mut set = |counter, value: Option<u64>| {
            if let Some(value) = value {
                counters.set(counter, value);
            }
        };
        match &self.cpu {
            Some(Cpu::V1 { total, user, system }) => {
                for (counter, nanos) in [
                    (Counter::CpuMicros, total),
                    (Counter::CpuUserMicros, user),
                    (Counter::CpuSystemMicros, system),
                ] {
                    if let Some(nanos) = nanos {
                        set(counter, Some(nanos.read(buffer, parse::single)? / 1000));
                    }
                }
            }
            Some(Cpu::V2(Some(stat))) => {
                let keys = ["usage_usec", "user_usec", "system_usec"];
                let [total, user, system] = stat.read(buffer, |text| parse::keyed(text, keys))?;
                set(Counter::CpuMicros, total);
                set(Counter::CpuUserMicros, user);
                set(Counter::CpuSystemMicros, system);
            }
            Some(Cpu::V2(None)) | None => {}
        }
        if let Some(stat) = &self.memory_stat {
            // v1 counts groups below under `total_`; v2 always counts them.
            let keys = ["total_pgfault", "pgfault"];
            let [total, own] = stat.read(buffer, |text| parse::keyed(text, keys))?;
            set(Counter::PageFaults, total.or(own));
        }
        let devices = &mut self.devices;
        let disk: Option<Transfer> = match &self.disk {
            Some(Disk::V1(file)) => {
                file.read(buffer, |text| parse::blkio(text, |device| devices.counts(device)))?
            }
            Some(Disk::V2(file)) => {
                Some(file.read(buffer, |text| parse::io_stat(text, |d| devices.counts(d)))?)
            }
            None => None,
        };
        set(Counter::DiskReadBytes, disk.map(|moved| moved.input));
        set(Counter::DiskWriteBytes, disk.map(|moved| moved.output));
        if let Some(net) = &self.net {
            let moved = net.read(buffer, parse::net_dev)?;
            set(Counter::NetRxBytes, Some(moved.input));
            set(Counter::NetTxBytes, Some(moved.output));
        }
        let memory = match &self.memory {
            Some(memory) => Some(memory.read(buffer, parse::single)?),
            None => None,
        };
        Ok(Sample { counters, memory })
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
