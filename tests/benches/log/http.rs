//! Load over HTTP/1.1 with as little work on this side as there can be: it runs on the same cores as what it measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Measured {
    /// Requests a second that were done.
    pub rate: f64,
    /// In milliseconds, of those that were done.
    pub p99: f64,
    /// The share of requests that the host turned away.
    pub refused: f64,
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

pub fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let kind = "content-type: application/json";
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::with_capacity(64 << 10) }
    }

    /// Sends a request, reads the whole answer, and says its status.
    async fn ask(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.unwrap();
        self.received.clear();
        loop {
            assert!(self.stream.read_buf(&mut self.received).await.unwrap() > 0, "the host closed the connection");
            let Some(head) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.received[..head]).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let whole = head + 4 + length.parse::<usize>().unwrap();
            let status = text[9..12].parse().unwrap();
            while self.received.len() < whole {
                assert!(self.stream.read_buf(&mut self.received).await.unwrap() > 0);
            }
            return status;
        }
    }
}

/// Asks with so many connections at once, each as fast as it is answered. `request` gets the number of its connection.
pub async fn load<R>(address: &str, clients: usize, span: Duration, request: R) -> Measured
where
    R: Fn(usize) -> Vec<u8> + Clone + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Connection::open(address).await);
    }
    let started = Instant::now();
    let client = |(number, mut connection): (usize, Connection)| {
        let (stop, request) = (Arc::clone(&stop), request.clone());
        tokio::spawn(async move {
            let (mut took, mut refused) = (Vec::new(), 0);
            while !stop.load(Ordering::Relaxed) {
                let (asked, request) = (Instant::now(), request(number));
                match connection.ask(&request).await {
                    200 | 201 => took.push(asked.elapsed()),
                    429 | 503 => refused += 1,
                    status => panic!("{status}: {}", String::from_utf8_lossy(&connection.received)),
                }
            }
            (took, refused)
        })
    };
    let running: Vec<_> = connections.into_iter().enumerate().map(client).collect();
    tokio::time::sleep(span).await;
    stop.store(true, Ordering::Relaxed);
    let (mut took, mut refused) = (Vec::new(), 0);
    for client in running {
        let (of_client, refused_of_client) = client.await.unwrap();
        took.extend(of_client);
        refused += refused_of_client;
    }
    let rate = took.len() as f64 / started.elapsed().as_secs_f64();
    took.sort_unstable();
    let p99 = took.get(took.len() * 99 / 100).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    Measured { rate, p99, refused: f64::from(refused) / (took.len() as f64 + f64::from(refused)).max(1.0) }
}

/// Reads an answer of lines to its end: bytes and lines.
pub async fn lines(address: &str, path: &str) -> (usize, usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/x-ndjson\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut bytes, mut lines, mut piece) = (0, 0, vec![0; 256 << 10]);
    loop {
        let read = stream.read(&mut piece).await.unwrap();
        if read == 0 {
            return (bytes, lines);
        }
        bytes += read;
        // Each event ends so; the frames around pieces do not.
        lines += piece[..read].windows(2).filter(|two| two == b"}\n").count();
    }
}
