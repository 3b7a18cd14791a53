//! Figures for Prometheus: the text format 0.0.4 over HTTP, for whoever reaches the address.

#[cfg(test)]
mod tests;

mod page;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{debug, info};

use crate::status::Source;

const PATH: &str = "/metrics";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Longest head of a request, bytes.
const MOST_HEAD: usize = 8 * 1024;
/// How long a request may take with its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that are answered at once.
const CLIENTS: usize = 8;
/// Pause when no connection can be accepted: there may be too many files open.
const PAUSE: Duration = Duration::from_millis(200);

/// The listener; it ends when dropped.
pub(crate) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers every request at an address.
pub(crate) async fn listen(address: SocketAddr, source: Arc<Source>) -> io::Result<Server> {
    Ok(serve(TcpListener::bind(address).await?, source))
}

fn serve(listener: TcpListener, source: Arc<Source>) -> Server {
    if let Ok(address) = listener.local_addr() {
        info!("figures for Prometheus at http://{address}{PATH}");
    }
    Server(tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CLIENTS));
        while let Ok(place) = places.clone().acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let source = source.clone();
            tokio::spawn(async move {
                let answered = timeout(PATIENCE, answer(stream, &source)).await;
                if !matches!(answered, Ok(Ok(()))) {
                    debug!("a request for figures was not answered");
                }
                drop(place);
            });
        }
    }))
}

async fn answer(mut stream: TcpStream, source: &Source) -> io::Result<()> {
    let head = head(&mut stream).await?;
    let (status, kind, body) = match head.as_deref().map(request) {
        None => ("431 Request Header Fields Too Large", "text/plain", String::new()),
        Some(Request::Figures) => match page::text(source) {
            Ok(text) => ("200 OK", TEXT, text),
            Err(error) => ("500 Internal Server Error", "text/plain", format!("{error}\n")),
        },
        Some(Request::Elsewhere) => {
            ("404 Not Found", "text/plain", format!("figures are at {PATH}\n"))
        }
        Some(Request::NotGet) => {
            ("405 Method Not Allowed\r\nAllow: GET", "text/plain", String::new())
        }
        Some(Request::Malformed) => ("400 Bad Request", "text/plain", String::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The head of a request up to the empty line; nothing when it is too long.
async fn head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Some(head));
        }
        if head.len() >= MOST_HEAD {
            return Ok(None);
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Figures,
    Elsewhere,
    NotGet,
    Malformed,
}

fn request(head: &[u8]) -> Request {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    match words[..] {
        [method, target, version] if version.starts_with(b"HTTP/1.") => {
            // A query changes nothing.
            let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
            match (method, path == PATH.as_bytes()) {
                (b"GET", true) => Request::Figures,
                (b"GET", false) => Request::Elsewhere,
                _ => Request::NotGet,
            }
        }
        _ => Request::Malformed,
    }
}
