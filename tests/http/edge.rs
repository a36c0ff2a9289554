//! The edge of the HTTP interface: requests that no client library would send, and bodies in other shapes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kinora_tests::{Api, Host};
use serde_json::{Value, json};

/// What the host says to these bytes, up to the end of its answer's body. It has less time than a body that is thrown
/// away may take.
fn answer(host: &Host, request: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(host.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(request).unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece).expect("an answer in time");
        text.extend_from_slice(&piece[..read]);
        let answer = String::from_utf8_lossy(&text);
        if let Some((head, body)) = answer.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            assert!(head.contains("application/problem+json"), "{answer}");
            return (head.split(' ').nth(1).unwrap().parse().unwrap(), body);
        }
        assert!(read > 0, "{answer}");
    }
}

#[test]
fn a_request_that_names_no_host_is_refused_on_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let body = r#"{"type":"T","data":1}"#;
    for request in [
        "GET /v1/log HTTP/1.1\r\n\r\n".to_owned(),
        format!("POST /v1/streams/a/events HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
    ] {
        let (status, problem) = answer(&host, request.as_bytes());
        assert_eq!((status, &problem["detail"]), (400, &json!("the header Host is missing")), "{request}");
    }
}

#[test]
fn an_address_that_is_not_utf8_is_a_problem_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    for (path, part) in [
        ("/v1/streams/%ff/events", "path"),
        ("/v1/projections/%C3", "path"),
        ("/v1/read-models/a/b/%80", "path"),
        ("/nowhere/%ff", "path"),
        ("/v1/events?types=%ff", "query"),
    ] {
        let (status, problem) = answer(&host, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes());
        assert_eq!(
            (status, &problem["type"]),
            (400, &json!("https://kinora.dev/problems/invalid-parameter")),
            "{path}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(part), "{path}: {problem}");
    }
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    for more in ["", "expect: 100-continue\r\n"] {
        let head =
            format!("POST /v1/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n{more}\r\n");
        let (status, problem) = answer(&host, head.as_bytes());
        assert_eq!((status, &problem["actual"]), (413, &json!(99_999_999_999_u64)), "{more}");
    }
}

async fn packed(api: &Api, encoding: &str, body: Vec<u8>) -> (u16, Value) {
    let request = api.client.post(api.at("streams/a/events")).header("content-encoding", encoding).body(body);
    let answer = api.send(request).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn packed_bodies_are_unpacked_within_the_limits_of_what_they_unpack_to() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
    let event = br#"{"type":"T","data":{"n":1}}"#;
    assert_eq!(packed(&api, "gzip", gzip(event)).await.0, 201);
    assert_eq!(packed(&api, "zstd", zstd(event)).await.0, 201);

    // Small on its way, and larger than any body may be.
    let large = [&br#"{"type":"T","data":""#[..], &vec![b' '; 200 << 20], br#""}"#].concat();
    for (encoding, body) in [("gzip", gzip(&large)), ("zstd", zstd(&large))] {
        let (status, problem) = packed(&api, encoding, body).await;
        assert_eq!(status, 413, "{encoding}: {problem}");
    }
    for (encoding, body, status) in [
        ("br", event.to_vec(), 415),
        ("gzip, gzip", gzip(event), 415),
        ("gzip", event.to_vec(), 400),
        ("zstd", zstd(event)[..10].to_vec(), 400),
    ] {
        assert_eq!(packed(&api, encoding, body).await.0, status, "{encoding}");
    }
    assert_eq!(api.get("events").await.body["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn requests_are_objects_and_not_their_members_in_some_order() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let event = json!({"type": "T", "data": 1});
    for (path, body) in [
        ("streams/a/events", json!([[null, "T", 1, {}]])),
        ("transactions", json!([[{"stream": "a", "events": [event]}]])),
        ("transactions", json!({"appends": [["a", "any", [event]]]})),
        ("transactions", json!({"appends": [{"stream": "a", "events": [[null, "T", 1, {}]]}]})),
        (
            "transactions",
            json!({"appends": [{"stream": "a", "events": [event]}], "claims": {"take": [["a", "s", "v"]]}}),
        ),
        ("transactions", json!({"appends": [{"stream": "a", "events": [event]}], "condition": [[{"types": ["T"]}]]})),
    ] {
        let answer = api.post(path, body.clone()).await;
        assert_eq!(answer.status, 400, "{path} {body}: {answer:?}");
    }
    assert_eq!(api.get("events").await.body["events"], json!([]));
}

#[tokio::test]
async fn names_with_commas_can_be_selected() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    for (kind, tag) in [("Moved, twice", "Smith, \"Ann\""), ("Moved", "Lee")] {
        let answer = api.post("streams/a/events", json!({"type": kind, "data": 1, "tags": [tag]})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let found = async |parameter: &str, value: &str| {
        let answer = api.get_with("events", &[(parameter, value)]).await;
        let events = answer.body["events"].as_array().map(Vec::len);
        (answer.status, events)
    };
    assert_eq!(found("types", "\"Moved, twice\"").await, (200, Some(1)));
    assert_eq!(found("types", "\"Moved, twice\",Moved").await, (200, Some(2)));
    assert_eq!(found("tags", r#""Smith, \"Ann\"""#).await, (200, Some(1)));
    assert_eq!(found("tags", r#""Smith"#).await, (400, None));
}

#[tokio::test]
async fn the_log_says_how_much_its_folder_holds() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let said = host.api().get("log").await.body["bytes_on_disk"].as_u64().unwrap();
    let files = std::fs::read_dir(dir.path().join("log")).unwrap();
    let found: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(found > 256 * 1024 && said.abs_diff(found) < 64 * 1024, "{said} said, {found} found");
}
