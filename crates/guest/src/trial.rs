//! `guest trial`: known work, which shows the agent what this host's counters are worth.
//!
//! In a container of the agent's own, instead of a machine. It dials the same socket, and does what it
//! reads there, one word a line. The answer is a line with what it did by its own account, in the
//! units of the counters, or `error: …`. It ends with the connection.
//!
//! | word | work | answer |
//! |---|---|---|
//! | `compute` | processor time in user mode, then in kernel mode | microseconds of both |
//! | `write` | half of a file directly, half with fsync | bytes |
//! | `write-later` | a file that the kernel writes back when it is told to write everything | bytes |
//! | `read` | a file that was written, directly | bytes |
//! | `hold` | memory, page by page | bytes, page faults |
//! | `release` | gives it back | – |
//! | `send` | datagrams to the gateway | bytes of frames |
//! | `listen` | binds a port | its address |
//! | `receive` | reads datagrams until no more come | bytes of frames |

use std::{
    fs::{self, File, OpenOptions},
    hint::black_box,
    io::{self, BufRead, BufReader, Read, Seek, Write},
    net::{Ipv4Addr, UdpSocket},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    time::{Duration, Instant},
};

use nix::{libc::O_DIRECT, sys::prctl, unistd::syncfs};
use zennet_suite::Aligned;

use crate::LEASE;

/// Processor time of either mode, clock ticks: a quarter of a second.
const TICKS: u64 = 25;
/// The kernel's clock tick in procfs.
const TICK_MICROS: u64 = 10_000;
/// How long work may take that is done until it has had an effect.
const PATIENCE: Duration = Duration::from_secs(8);
/// Bytes written, and read.
const MOVED: usize = 8 << 20;
const PIECE: usize = 1 << 20;
const HELD: usize = 32 << 20;
const PAGE: usize = 4096;
const DATAGRAMS: usize = 200;
const PAYLOAD: usize = 1400;
/// Headers of a datagram in its frame: Ethernet, IPv4, UDP.
const HEADERS: usize = 14 + 20 + 8;
/// A port on which nobody listens: discard.
const DISCARD: u16 = 9;
const SILENCE: Duration = Duration::from_millis(500);
const FILE: &str = "/zennet-trial";
/// Longest word, bytes.
const MOST: u64 = 64;

/// Works for the agent until it has enough.
pub(crate) fn run() -> Result<(), String> {
    // Each page is to be a fault of its own.
    prctl::set_thp_disable(true).map_err(|e| format!("switching huge pages off failed: {e}"))?;
    let path = format!("{LEASE}/agent.sock");
    let stream = UnixStream::connect(&path).map_err(|e| format!("dialling {path} failed: {e}"))?;
    serve(stream).map_err(|e| format!("the agent's connection failed: {e}"))
}

fn serve(stream: UnixStream) -> io::Result<()> {
    let mut words = BufReader::new(stream.try_clone()?);
    let mut answers = stream;
    let mut trial = Trial::default();
    loop {
        let mut line = String::new();
        if words.by_ref().take(MOST).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = trial.work(line.trim()).unwrap_or_else(|error| format!("error: {error}"));
        answers.write_all(format!("{answer}\n").as_bytes())?;
    }
}

#[derive(Default)]
struct Trial {
    held: Vec<u8>,
    socket: Option<UdpSocket>,
}

impl Trial {
    fn work(&mut self, word: &str) -> io::Result<String> {
        match word {
            "compute" => compute(),
            "write" => write(),
            "write-later" => write_later(),
            "read" => read(),
            "hold" => self.hold(),
            "release" => {
                self.held = Vec::new();
                Ok(String::new())
            }
            "send" => send(),
            "listen" => self.listen(),
            "receive" => self.receive(),
            other => Err(io::Error::other(format!("no work is called {other:?}"))),
        }
    }

    fn hold(&mut self) -> io::Result<String> {
        let before = Own::now()?.faults;
        self.held = vec![0; HELD];
        self.held.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        black_box(&self.held);
        Ok(format!("{HELD} {}", Own::now()?.faults - before))
    }

    fn listen(&mut self) -> io::Result<String> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(SILENCE))?;
        let port = socket.local_addr()?.port();
        // Connecting sends nothing; it chooses the address that the gateway knows.
        let outward = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        outward.connect((own_gateway()?, DISCARD))?;
        let address = outward.local_addr()?.ip();
        self.socket = Some(socket);
        Ok(format!("{address}:{port}"))
    }

    fn receive(&mut self) -> io::Result<String> {
        let socket = self.socket.take().ok_or_else(|| io::Error::other("nothing listens"))?;
        let mut buffer = [0; 2048];
        let mut bytes = 0;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match socket.recv(&mut buffer) {
                Ok(length) => bytes += length + HEADERS,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Silence.
                Err(_) => break,
            }
        }
        Ok(bytes.to_string())
    }
}

fn compute() -> io::Result<String> {
    let start = Own::now()?;
    let deadline = Instant::now() + PATIENCE;
    let mut state = 1_u64;
    while Own::now()?.user < start.user + TICKS && Instant::now() < deadline {
        for _ in 0..2_000_000 {
            state = black_box(state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
        }
    }
    // Reading nothing from the kernel is the kernel's work.
    let mut zero = File::open("/dev/zero")?;
    let mut buffer = vec![0; PIECE];
    while Own::now()?.system < start.system + TICKS && Instant::now() < deadline {
        for _ in 0..16 {
            zero.read_exact(&mut buffer)?;
        }
    }
    let end = Own::now()?;
    let micros = |ticks: u64| ticks * TICK_MICROS;
    Ok(format!("{} {}", micros(end.user - start.user), micros(end.system - start.system)))
}

fn write() -> io::Result<String> {
    let buffer = Aligned::new(0);
    let direct = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(O_DIRECT)
        .open(FILE);
    let mut written = 0;
    // Not every file system writes directly; then all of it is written with fsync.
    if let Ok(mut file) = direct {
        while written < MOVED / 2 {
            file.write_all(buffer.bytes())?;
            written += buffer.bytes().len();
        }
        file.sync_all()?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(FILE)?;
    file.seek(io::SeekFrom::End(0))?;
    while written < MOVED {
        file.write_all(buffer.bytes())?;
        written += buffer.bytes().len();
    }
    file.sync_all()?;
    Ok(written.to_string())
}

fn write_later() -> io::Result<String> {
    let path = format!("{FILE}-later");
    let mut file = File::create(&path)?;
    let buffer = Aligned::new(0);
    for _ in 0..MOVED / PIECE {
        file.write_all(buffer.bytes())?;
    }
    syncfs(&file)?;
    fs::remove_file(&path)?;
    Ok(MOVED.to_string())
}

fn read() -> io::Result<String> {
    let mut file = OpenOptions::new().read(true).custom_flags(O_DIRECT).open(FILE)?;
    let mut buffer = Aligned::new(0);
    let mut bytes = 0;
    loop {
        match file.read(buffer.bytes_mut())? {
            0 => break,
            length => bytes += length,
        }
    }
    fs::remove_file(FILE)?;
    Ok(bytes.to_string())
}

fn send() -> io::Result<String> {
    // One that is not connected: it does not hear that nobody takes its datagrams.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let discard = (own_gateway()?, DISCARD);
    let mut bytes = 0;
    for _ in 0..DATAGRAMS {
        bytes += socket.send_to(&[0x5a; PAYLOAD], discard)? + HEADERS;
    }
    Ok(bytes.to_string())
}

fn own_gateway() -> io::Result<Ipv4Addr> {
    let routes = fs::read_to_string("/proc/net/route")?;
    gateway(&routes).ok_or_else(|| io::Error::other("there is no gateway"))
}

/// The gateway of the default route in `/proc/net/route`.
fn gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (destination, gateway) = (words.next()?, words.next()?);
        let address = u32::from_str_radix(gateway, 16).ok().filter(|address| *address != 0)?;
        // The kernel prints the number as it is in memory.
        (destination == "00000000").then(|| Ipv4Addr::from(address.to_ne_bytes()))
    })
}

/// What this process has used, as the kernel tells it by itself.
struct Own {
    faults: u64,
    /// Clock ticks.
    user: u64,
    system: u64,
}

impl Own {
    fn now() -> io::Result<Own> {
        let text = fs::read_to_string("/proc/self/stat")?;
        Own::of(&text).ok_or_else(|| io::Error::other("/proc/self/stat is not understood"))
    }

    fn of(stat: &str) -> Option<Own> {
        // The second field, the program's name, may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Own { faults: field(10)? + field(12)?, user: field(14)?, system: field(15)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(answer: &str) -> Vec<u64> {
        answer.split(' ').map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn the_gateway_is_that_of_the_default_route() {
        let routes = "Iface Destination Gateway Flags\neth0 0000FEA9 00000000 1\n\
                      eth0 00000000 010011AC 0003\neth0 000011AC 00000000 0001\n";
        assert_eq!(gateway(routes), Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(gateway("Iface Destination Gateway Flags\n"), None);
        assert_eq!(gateway("Iface\neth0 00000000\n"), None);
    }

    #[test]
    fn the_own_use_is_found_behind_any_name() {
        let stat = "7 (a) b (c) R 1 7 7 0 -1 4194560 500 9 3 9 41 42 0 0 20 0 1 0 5 6 7\n";
        let own = Own::of(stat).unwrap();
        assert_eq!((own.faults, own.user, own.system), (503, 41, 42));
        assert!(Own::of("7 (a) R 1\n").is_none());
    }

    #[test]
    fn work_is_done_and_accounted_for() {
        let mut trial = Trial::default();
        let computed = numbers(&trial.work("compute").unwrap());
        assert!(computed.iter().all(|micros| *micros >= TICKS * TICK_MICROS), "{computed:?}");
        let held = numbers(&trial.work("hold").unwrap());
        assert_eq!(held[0], HELD as u64);
        assert!(held[1] > 0, "{held:?}");
        assert_eq!(trial.work("release").unwrap(), "");
        assert!(trial.held.is_empty());
    }

    #[test]
    fn words_are_answered_one_a_line_and_unknown_ones_refused() {
        let (agent, guest) = UnixStream::pair().unwrap();
        let served = std::thread::spawn(|| serve(guest));
        (&agent).write_all(b"release\nplay\n").unwrap();
        let mut answers = BufReader::new(agent.try_clone().unwrap()).lines();
        assert_eq!(answers.next().unwrap().unwrap(), "");
        let refused = answers.next().unwrap().unwrap();
        assert!(refused.starts_with("error: no work is called \"play\""), "{refused}");
        agent.shutdown(std::net::Shutdown::Both).unwrap();
        served.join().unwrap().unwrap();
    }
}
