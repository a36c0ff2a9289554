//! Connections: those that take room and give nothing, and whoever comes meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinora_engine::limits::{HttpLimits, Limits};
use kinora_server::serve::{Doors, Options};
use kinora_server::tls::Files;
use kinora_tests::Host;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// How long a connection may take that the host has to end.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(dir: &std::path::Path, http: HttpLimits, doors: Doors) -> Host {
    let limits = Limits { http, ..Limits::default() };
    Host::run(Options { limits, doors, ..Host::options(dir) })
}

/// A client that sends this, and then waits.
fn connected(host: &Host, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Whether something comes right away.
fn has_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let came = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    came
}

/// What comes until the host ends the connection.
fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(cause) => assert_eq!(cause.kind(), ErrorKind::ConnectionReset, "the host does not end the connection"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn whoever_sends_nothing_or_half_a_request_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let host =
        start(dir.path(), HttpLimits { head_seconds: 1, idle_seconds: 2, ..HttpLimits::default() }, Doors::default());
    for sent in ["", "GET /v1/log HTT", "GET /v1/log HTTP/1.1\r\nhost: localhost\r\nx: "] {
        until_closed(&mut connected(&host, sent));
    }
    // One that has asked is kept for longer, and then let go as well.
    let asked = Instant::now();
    let answer = until_closed(&mut connected(&host, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /v1/lo"));
    assert!(answer.starts_with("HTTP/1.1 200") && asked.elapsed() >= Duration::from_millis(1_500), "{answer}");
    assert_eq!(host.api().get("log").await.status, 200);
}

#[tokio::test]
async fn idle_connections_make_room_for_those_that_ask() {
    let dir = tempfile::tempdir().unwrap();
    let http = HttpLimits { connections: 20, address_connections: 20, head_seconds: 600, ..HttpLimits::default() };
    let host = start(dir.path(), http, Doors::default());
    let _silent: Vec<_> = (0..200).map(|_| connected(&host, "GET /")).collect();
    let api = host.api();
    for _ in 0..5 {
        assert_eq!(api.get("log").await.status, 200);
        assert_eq!(host.api().get("log").await.status, 200, "a new connection, too");
    }
}

#[tokio::test]
async fn operators_have_connections_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let http = HttpLimits { connections: 4, address_connections: 4, ..HttpLimits::default() };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let host = start(dir.path(), http, Doors { operators: Some(port), ..Doors::default() });
    let follow = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
    let mut busy: Vec<_> = (0..4).map(|_| connected(&host, follow)).collect();
    for stream in &mut busy {
        let mut piece = [0; 12];
        stream.read_exact(&mut piece).unwrap();
        assert_eq!(&piece, b"HTTP/1.1 200");
    }
    let refused = until_closed(&mut connected(&host, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 503"), "{refused}");
    let mut operator = TcpStream::connect(port).unwrap();
    operator.set_read_timeout(Some(PATIENCE)).unwrap();
    operator.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let answer = until_closed(&mut operator);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("http_requests"), "{answer}");
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let http = HttpLimits { body_seconds: 2, client_body_bytes: 512 << 20, ..HttpLimits::default() };
    let host = start(dir.path(), http, Doors::default());
    let head = "POST /v1/modules HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n";
    let mut stalled: Vec<_> =
        (0..8).map(|_| connected(&host, &format!("{head}content-length: 33554432\r\n\r\n0"))).collect();
    let events: Vec<_> =
        (0..100).map(|n| json!({"type": "T", "data": {"n": n, "filler": "x".repeat(1_000)}})).collect();
    assert_eq!(host.api().post("streams/a/events", json!(events)).await.status, 201, "small bodies have a part");
    for stream in &mut stalled {
        let answer = until_closed(stream);
        assert!(answer.starts_with("HTTP/1.1 408") || answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    assert_eq!(host.api().post("streams/a/events", json!(events)).await.status, 201);
}

#[tokio::test]
async fn one_client_fills_its_part_of_the_memory_for_bodies_only() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(
        dir.path(),
        HttpLimits { body_seconds: 60, client_body_bytes: 512 << 10, ..HttpLimits::default() },
        Doors::default(),
    );
    let head = |name: &str| {
        format!(
            "POST /v1/transactions HTTP/1.1\r\nhost: localhost\r\nkinora-client: {name}\r\n\
             content-type: application/json\r\ncontent-length: 262144\r\n\r\n{{"
        )
    };
    let api = host.api();
    let post = |name: &'static str| {
        let events: Vec<_> =
            (0..100).map(|n| json!({"type": "T", "data": {"n": n, "filler": "x".repeat(1_000)}})).collect();
        api.client.post(api.at("streams/a/events")).header("kinora-client", name).json(&events)
    };
    // One that comes while another body of this client is in memory is refused at once, and comes again.
    let mut held: Vec<_> = (0..2).map(|_| connected(&host, &head("a"))).collect();
    kinora_tests::until("its part is full", async || {
        for stream in &mut held {
            if has_answer(stream) {
                *stream = connected(&host, &head("a"));
            }
        }
        api.send(post("a")).await.status == 503
    })
    .await;
    assert_eq!(api.send(post("b")).await.status, 201);
}

#[tokio::test]
async fn what_has_no_body_takes_no_memory_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    assert_eq!(host.api().post("streams/a/events", json!({"type": "T", "data": {}})).await.status, 201);
    let wait = "HEAD /v1/read-models/none/rows?min_position=1000000&timeout=60 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let _waiting: Vec<_> = (0..64).map(|_| connected(&host, wait)).collect();
    let events: Vec<_> =
        (0..100).map(|n| json!({"type": "T", "data": {"n": n, "filler": "x".repeat(1_000)}})).collect();
    assert_eq!(host.api().post("streams/a/events", json!(events)).await.status, 201);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(dir.path(), HttpLimits { send_seconds: 1, ..HttpLimits::default() }, Doors::default());
    let events: Vec<_> =
        (0..200).map(|n| json!({"type": "T", "data": {"n": n, "filler": "x".repeat(50_000)}})).collect();
    for _ in 0..4 {
        assert_eq!(host.api().post("streams/a/events", json!(events)).await.status, 201);
    }
    let ask = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\naccept: application/x-ndjson\r\n\r\n";
    let mut deaf = connected(&host, ask);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let came = until_closed(&mut deaf);
    assert!(!came.contains("\r\n0\r\n\r\n"), "what came is not all: the host has ended it");
}

struct Certificates {
    dir: tempfile::TempDir,
    root: CertificateDer<'static>,
}

impl Certificates {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Self::write(dir.path());
        Self { dir, root }
    }

    /// A certificate that is its own authority.
    fn write(dir: &std::path::Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(dir.join("certificate.pem"), made.cert.pem()).unwrap();
        made.cert.der().clone()
    }

    fn files(&self) -> Files {
        let path = |name: &str| self.dir.path().join(name);
        Files { certificate: path("certificate.pem"), key: path("key.pem"), clients: None }
    }
}

/// The answer to this over TLS, and what both sides have agreed to speak.
async fn over_tls(host: &Host, root: &CertificateDer<'static>, protocol: &[u8]) -> std::io::Result<(String, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(host.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    let mut text = Vec::new();
    if protocol == b"h2" {
        // What a connection of HTTP/2 begins with; its first answer is a frame of settings.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await?;
        return Ok((format!("frame {}", frame[3]), agreed));
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let _ = stream.read_to_end(&mut text).await;
    Ok((String::from_utf8_lossy(&text).into_owned(), agreed))
}

#[tokio::test]
async fn tls_is_spoken_with_the_certificate_that_is_there_now() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::new();
    let doors = Doors { tls: Some(certificates.files()), ..Doors::default() };
    let host = start(dir.path(), HttpLimits { head_seconds: 1, ..HttpLimits::default() }, doors);
    let (answer, agreed) = over_tls(&host, &certificates.root, b"http/1.1").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && agreed == b"http/1.1", "{answer}");
    let (frame, agreed) = over_tls(&host, &certificates.root, b"h2").await.unwrap();
    assert_eq!((frame.as_str(), agreed.as_slice()), ("frame 4", b"h2".as_slice()));

    // Whoever speaks plainly, or not at all, is let go.
    for sent in ["", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        assert!(!until_closed(&mut connected(&host, sent)).starts_with("HTTP/1.1 200"));
    }

    let other = Certificates::write(certificates.dir.path());
    kinora_tests::until("the new one is shown", async || over_tls(&host, &other, b"http/1.1").await.is_ok()).await;
    assert!(over_tls(&host, &certificates.root, b"http/1.1").await.is_err(), "the old one is not");
    std::fs::write(certificates.dir.path().join("key.pem"), "no key").unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(over_tls(&host, &other, b"http/1.1").await.is_ok(), "a broken one changes nothing");
}
