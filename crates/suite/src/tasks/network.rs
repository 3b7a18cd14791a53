//! The network, to a peer that takes and gives whatever is wanted.
//!
//! The first byte of a connection says which way it goes; then bytes follow until either end closes.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::Work;
use crate::Peer;

/// Bytes of one unit.
pub(crate) const PIECE: usize = 128 << 10;
/// How long the other end may take for a piece.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that a peer serves at once.
const MOST: usize = 256;
/// Who is to receive.
const TO_PEER: u8 = b's';
const FROM_PEER: u8 = b'r';

/// A connection to a peer, one way.
pub(crate) struct Stream {
    stream: TcpStream,
    sends: bool,
    buffer: Vec<u8>,
}

impl Stream {
    pub(crate) fn send(peer: Peer) -> io::Result<Self> {
        Self::connect(peer, true)
    }

    pub(crate) fn receive(peer: Peer) -> io::Result<Self> {
        Self::connect(peer, false)
    }

    fn connect(peer: Peer, sends: bool) -> io::Result<Self> {
        let peer = peer.ok_or_else(|| io::Error::other("none was named"))?;
        let mut stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&[if sends { TO_PEER } else { FROM_PEER }])?;
        Ok(Stream { stream, sends, buffer: vec![0x5a; PIECE] })
    }
}

impl Work for Stream {
    fn unit(&mut self) -> io::Result<()> {
        if self.sends {
            self.stream.write_all(&self.buffer)
        } else {
            self.stream.read_exact(&mut self.buffer)
        }
    }
}

/// A peer in the background; it ends when dropped.
pub struct Sink {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Serves on an address; port 0 is any that is free.
    pub fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        let serving = move || accept(&listener, &told);
        let thread = thread::Builder::new().name("sink".into()).spawn(serving)?;
        Ok(Sink { address, ended, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes it, so that it sees the end.
        let woken = TcpStream::connect_timeout(&self.address, PATIENCE);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            // What a panic there said is said.
            let _ = thread.join();
        }
    }
}

/// Serves on an address until something fails.
pub fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    accept(&listener, &AtomicBool::new(false));
    Ok(())
}

fn accept(listener: &TcpListener, ended: &AtomicBool) {
    let live = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if live.load(Ordering::Relaxed) >= MOST {
            continue;
        }
        live.fetch_add(1, Ordering::Relaxed);
        let counted = live.clone();
        let serving = thread::Builder::new().name("sink".into()).spawn(move || {
            // The other end went, which is how it ends.
            let _ = serve_one(&stream);
            let _ = stream.shutdown(Shutdown::Both);
            counted.fetch_sub(1, Ordering::Relaxed);
        });
        if serving.is_err() {
            live.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn serve_one(mut stream: &TcpStream) -> io::Result<()> {
    // A machine may do other work between two pieces.
    stream.set_read_timeout(Some(10 * PATIENCE))?;
    stream.set_write_timeout(Some(10 * PATIENCE))?;
    let mut way = [0];
    stream.read_exact(&mut way)?;
    let mut buffer = vec![0x5a; PIECE];
    match way[0] {
        TO_PEER => while stream.read(&mut buffer)? > 0 {},
        FROM_PEER => loop {
            stream.write_all(&buffer)?;
        },
        _ => (),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_gives_and_takes_until_it_ends() {
        let sink = Sink::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let peer = Some(sink.address());
        Stream::send(peer).unwrap().unit().unwrap();
        Stream::receive(peer).unwrap().unit().unwrap();
        let address = sink.address();
        drop(sink);
        assert!(TcpStream::connect(address).is_err(), "it no longer listens");
    }

    #[test]
    fn a_peer_that_is_not_there_is_an_error() {
        assert!(Stream::send(None).is_err());
        assert!(Stream::send(Some("127.0.0.1:1".parse().unwrap())).is_err());
    }
}
