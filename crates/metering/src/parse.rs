//! Pure parsers of the kernel's texts. Everything is found by its key, never by its place.

use std::path::PathBuf;

use thiserror::Error;

/// A kernel text that does not have the form that its documentation gives.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected {expected}, found {found:?}")]
pub struct Malformed {
    expected: &'static str,
    found: String,
}

impl Malformed {
    fn new(expected: &'static str, found: &str) -> Self {
        Malformed { expected, found: found.chars().take(80).collect() }
    }
}

fn number(text: &str) -> Result<u64, Malformed> {
    text.parse().map_err(|_| Malformed::new("a number", text))
}

/// A file that holds one number.
pub(crate) fn single(text: &str) -> Result<u64, Malformed> {
    number(text.trim())
}

/// The values of some keys in a file of `key value` lines, where they are there.
pub(crate) fn keyed<const N: usize>(
    text: &str,
    keys: [&str; N],
) -> Result<[Option<u64>; N], Malformed> {
    let mut values = [None; N];
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            values[place] = Some(number(value.trim())?);
            if values.iter().all(Option::is_some) {
                break;
            }
        }
    }
    Ok(values)
}

/// Read and written bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Transfer {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

impl Transfer {
    /// The greater figure of each direction.
    pub(crate) fn greater(self, other: Transfer) -> Transfer {
        Transfer { input: self.input.max(other.input), output: self.output.max(other.output) }
    }

    pub(crate) fn add(&mut self, input: u64, output: u64) -> Result<(), Malformed> {
        let sum = |a: u64, b: u64| {
            a.checked_add(b).ok_or_else(|| Malformed::new("a sum below 2^64", &b.to_string()))
        };
        self.input = sum(self.input, input)?;
        self.output = sum(self.output, output)?;
        Ok(())
    }
}

/// The devices, `<major>:<minor>`, that v2 `io.stat` or v1 `blkio.throttle.*` names.
pub(crate) fn devices(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace().filter(|word| word.contains(':'))
}

/// v2 `io.stat`: `rbytes` and `wbytes` of the devices that count. An empty file means that nothing
/// moved.
pub(crate) fn io_stat(text: &str, counts: impl Fn(&str) -> bool) -> Result<Transfer, Malformed> {
    let mut sum = Transfer::default();
    for line in text.lines() {
        // Some kernels name devices of which nothing was counted on the line of the next one.
        let mut counting = false;
        for word in line.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("rbytes", bytes)) if counting => sum.add(number(bytes)?, 0)?,
                Some(("wbytes", bytes)) if counting => sum.add(0, number(bytes)?)?,
                None if word.contains(':') => counting = counts(word),
                _ => {}
            }
        }
    }
    Ok(sum)
}

/// v1 `blkio.throttle.io_service_bytes`: `Read` and `Write` of the devices that count.
///
/// A file without any device means that the kernel does not count, which it starts to do when a
/// throttle is set: nothing is known then.
pub(crate) fn blkio(
    text: &str,
    counts: impl Fn(&str) -> bool,
) -> Result<Option<Transfer>, Malformed> {
    let mut sum = None;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        // The last line is `Total` and a number.
        let (Some(device), Some(operation), Some(bytes)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if !device.contains(':') {
            return Err(Malformed::new("<major>:<minor>", device));
        }
        if !counts(device) {
            continue;
        }
        let sum = sum.get_or_insert_with(Transfer::default);
        match operation {
            "Read" => sum.add(number(bytes)?, 0)?,
            "Write" => sum.add(0, number(bytes)?)?,
            _ => {}
        }
    }
    Ok(sum)
}

/// `/proc/<pid>/net/dev`: received and sent bytes of every interface but `lo`.
pub(crate) fn net_dev(text: &str) -> Result<Transfer, Malformed> {
    let header = text.lines().nth(1).unwrap_or_default();
    let malformed = || Malformed::new("the column names of net/dev", header);
    let groups: Vec<_> = header.split('|').collect();
    let [_, receive, transmit] = groups[..] else { return Err(malformed()) };
    let bytes_at = |group: &str| group.split_ascii_whitespace().position(|name| name == "bytes");
    let rx = bytes_at(receive).ok_or_else(malformed)?;
    let tx = receive.split_ascii_whitespace().count() + bytes_at(transmit).ok_or_else(malformed)?;

    let mut sum = Transfer::default();
    for line in text.lines().skip(2).filter(|line| !line.trim().is_empty()) {
        // An alias may have a colon in its name; the last one ends it.
        let (name, figures) =
            line.rsplit_once(':').ok_or_else(|| Malformed::new("<interface>:", line))?;
        if name.trim() == "lo" {
            continue;
        }
        let figures: Vec<_> = figures.split_ascii_whitespace().collect();
        match (figures.get(rx), figures.get(tx)) {
            (Some(rx), Some(tx)) => sum.add(number(rx)?, number(tx)?)?,
            _ => return Err(Malformed::new("bytes received and sent", line)),
        }
    }
    Ok(sum)
}

/// `/proc/sys/kernel/random/boot_id`.
pub(crate) fn boot_id(text: &str) -> Result<[u8; 16], Malformed> {
    let malformed = || Malformed::new("a boot id", text);
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 {
        return Err(malformed());
    }
    let id = u128::from_str_radix(&digits, 16).map_err(|_| malformed())?;
    Ok(id.to_be_bytes())
}

/// One line of `/proc/<pid>/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Empty for v2.
    pub(crate) controllers: Vec<String>,
    pub(crate) path: String,
}

/// `/proc/<pid>/cgroup`.
pub(crate) fn memberships(text: &str) -> Result<Vec<Membership>, Malformed> {
    text.lines()
        .map(|line| {
            let mut parts = line.splitn(3, ':');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(id), Some(controllers), Some(path)) if path.starts_with('/') => {
                    number(id)?;
                    let controllers =
                        controllers.split(',').filter(|c| !c.is_empty()).map(String::from);
                    Ok(Membership { controllers: controllers.collect(), path: path.to_owned() })
                }
                _ => Err(Malformed::new("<id>:<controllers>:/<path>", line)),
            }
        })
        .collect()
}

/// A mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The controllers of a v1 hierarchy; nothing for v2.
    pub(crate) v1: Option<Vec<String>>,
    /// The group that stands at the mount point.
    pub(crate) root: String,
    pub(crate) point: PathBuf,
}

/// The cgroup hierarchies in `/proc/<pid>/mountinfo`.
pub(crate) fn mounts(text: &str) -> Result<Vec<Mount>, Malformed> {
    let mut mounts = Vec::new();
    for line in text.lines() {
        let malformed = || Malformed::new("a mountinfo line", line);
        let (mount, filesystem) = line.split_once(" - ").ok_or_else(malformed)?;
        let mut filesystem = filesystem.split(' ');
        let kind = filesystem.next().unwrap_or_default();
        if kind != "cgroup" && kind != "cgroup2" {
            continue;
        }
        let options = filesystem.nth(1).unwrap_or_default();
        let mut mount = mount.split(' ').skip(3);
        let root = mount.next().ok_or_else(malformed)?;
        let point = mount.next().ok_or_else(malformed)?;
        mounts.push(Mount {
            v1: (kind == "cgroup").then(|| options.split(',').map(String::from).collect()),
            root: unescape(root),
            point: PathBuf::from(unescape(point)),
        });
    }
    Ok(mounts)
}

/// Undoes mountinfo's `\ooo` for blanks and backslashes.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) if code.is_ascii() => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            _ => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests;
