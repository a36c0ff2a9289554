//! Target of an attack, as attackers see it: an address, connections to it, and what they did there.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

/// Addresses that attackers come from. On Linux all of 127.0.0.0/8 is this machine; elsewhere they have no choice.
const SOURCES: u8 = 3;

/// The least that the system takes as a buffer: whoever does not read has it full at once.
const DEAF_BYTES: u32 = 4_096;

/// Who the attackers say they are, where they come from the same address as others.
pub const CLIENT: &str = "attacker";

#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    done: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Target {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, done: Arc::default() }
    }

    /// Counts what was done.
    pub fn did(&self, what: impl Into<String>, more: u64) {
        *self.done.lock().unwrap().entry(what.into()).or_default() += more;
    }

    /// All that was done, as the table shows it.
    pub fn told(&self) -> String {
        let done = self.done.lock().unwrap();
        let each: Vec<_> = done.iter().map(|(what, count)| format!("{} {what}", grouped(*count))).collect();
        each.join(", ")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A connection from one of the addresses.
    pub async fn connect(&self, number: usize) -> io::Result<TcpStream> {
        self.connect_with(number, None).await
    }

    /// One that takes as little as can be of what is sent to it.
    pub async fn connect_deaf(&self, number: usize) -> io::Result<TcpStream> {
        self.connect_with(number, Some(DEAF_BYTES)).await
    }

    async fn connect_with(&self, number: usize, receives: Option<u32>) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receives {
            socket.set_recv_buffer_size(bytes)?;
        }
        let last = u8::try_from(number % usize::from(SOURCES)).unwrap_or_default() + 2;
        let _ = socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into());
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.did("connections", 1);
        Ok(stream)
    }

    /// Waits for an answer and counts it by its status. Gives whether there was one.
    pub async fn answered(&self, stream: &mut TcpStream) -> bool {
        let mut head = [0; 64];
        let read = stream.read(&mut head).await.unwrap_or(0);
        let status = std::str::from_utf8(&head[..read.min(12)]).ok().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        match status {
            Some(status) => self.did(format!("answered {status}"), 1),
            None => self.did("ended by the host", 1),
        }
        status.is_some()
    }
}

/// `12345` as `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}
