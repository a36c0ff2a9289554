//! A feed against a host that fails as told, and notes what it is sent.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Arc, OnceLock};

use flights::{Feed, FeedError, Timeline};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const TAKEN: &str = r#"{"first_position":0,"last_position":0,"duplicate":false}"#;
const KNOWN: &str = r#"{"first_position":0,"last_position":0,"duplicate":true}"#;

/// How the host answers a request.
#[derive(Clone, Copy)]
enum Answer {
    Say(&'static str, &'static str),
    HangUp,
}

use Answer::{HangUp, Say};

fn timeline() -> Arc<Timeline> {
    static TIMELINE: OnceLock<Arc<Timeline>> = OnceLock::new();
    Arc::clone(TIMELINE.get_or_init(|| Arc::new(Timeline::load().unwrap())))
}

/// A host that answers these requests, one connection each, and returns their bodies.
async fn host(answers: Vec<Answer>) -> (String, JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = async move {
        let mut bodies = Vec::new();
        for answer in answers {
            let mut connection = BufReader::new(listener.accept().await.unwrap().0);
            bodies.push(request(&mut connection).await);
            if let Say(status, body) = answer {
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        bodies
    };
    (url, tokio::spawn(serve))
}

async fn request(connection: &mut BufReader<TcpStream>) -> Value {
    let (mut line, mut length) = (String::new(), 0);
    connection.read_line(&mut line).await.unwrap();
    assert_eq!(line, "POST /v1/transactions HTTP/1.1\r\n");
    while line != "\r\n" {
        line.clear();
        connection.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn ids(bodies: &[Value]) -> Vec<&str> {
    let appends = bodies.iter().flat_map(|body| body["appends"].as_array().unwrap());
    appends.map(|append| append["events"][0]["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_are_sent_in_order_and_those_the_host_had_are_counted() {
    let (url, host) = host(vec![Say("201 Created", KNOWN), Say("201 Created", TAKEN), Say("201 Created", TAKEN)]).await;
    let mut seen = Vec::new();
    let feed = Feed { url: format!("{url}/"), batch: 4, limit: 10 };
    let fed = feed.run(timeline(), |done| seen.push(done)).await.unwrap();
    assert_eq!((fed.events, fed.duplicates, seen), (10, 4, vec![4, 8, 10]));

    let bodies = host.await.unwrap();
    let expected: Vec<String> = timeline().events().take(10).map(|event| event.id.to_string()).collect();
    assert_eq!(ids(&bodies), expected);
    let first = &bodies[0]["appends"][0];
    assert_eq!(first["stream"], "flight-2013-01-01-UA-1545-EWR");
    assert_eq!((&first["events"][0]["type"], &first["events"][0]["schema"]), (&"FlightScheduled".into(), &1.into()));
}

#[tokio::test]
async fn a_batch_that_does_not_get_through_is_sent_again_with_the_same_ids() {
    let answers = vec![Say("503 Service Unavailable", ""), HangUp, Say("201 Created", TAKEN)];
    let (url, host) = host(answers).await;
    let fed = Feed { url, batch: 3, limit: 3 }.run(timeline(), |_| {}).await.unwrap();
    let bodies = host.await.unwrap();
    assert_eq!((fed.events, bodies.len()), (3, 3));
    assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2]);
}

#[tokio::test]
async fn a_refusal_is_passed_on_and_not_tried_again() {
    let (url, host) = host(vec![Say("409 Conflict", r#"{"title":"id reused"}"#)]).await;
    let error = Feed { url, batch: 3, limit: 9 }.run(timeline(), |_| {}).await.unwrap_err();
    assert_eq!(error.to_string(), r#"the host refused the events (409 Conflict): {"title":"id reused"}"#);
    assert_eq!(host.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_no_host_is_told_from_one_that_is_away() {
    let (url, _host) = host(vec![Say("200 OK", "<html>")]).await;
    let error = Feed { url, batch: 3, limit: 3 }.run(timeline(), |_| {}).await.unwrap_err();
    assert!(matches!(error, FeedError::Answer { .. }), "{error}");

    // Its port is free again as soon as the listener is dropped.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Feed { url: format!("http://{away}"), batch: 3, limit: 3 }.run(timeline(), |_| {}).await.unwrap_err();
    assert!(matches!(error, FeedError::Unreachable { .. }), "{error}");
}
