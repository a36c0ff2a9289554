//! The program as a service: what keeps it from starting, what others may do meanwhile, what it takes of disk and
//! memory.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use kinora_log::{AppendRequest, Claim, ClaimKey, Claims, Log};
use kinora_tests::tokens::{AUDIENCE, ISSUER, key_set, token};
use kinora_tests::{Api, Message, Program, delete_raw, event, open, to, until};
use kinora_types::ExpectedRevision::Any;
use kinora_types::Progress;
use serde_json::json;

/// Ten events in two streams, as one append of four with a claim and six of one.
async fn filled(dir: &Path) {
    let log = open(dir);
    let claim = |value| Claim { key: ClaimKey::new("seat", value).unwrap(), owner: "a".parse().unwrap() };
    let claims = Claims { take: vec![claim("1"), claim("2")], ..Claims::default() };
    let first = vec![to("a", Any, (0..4).map(|n| event(n + 1, 7)).collect())];
    log.append(AppendRequest { claims, ..first.into() }).await.unwrap();
    for n in 4..10 {
        log.append(vec![to("ab", Any, vec![event(n + 1, n as u64)])].into()).await.unwrap();
    }
    let claims = Claims { release: vec![claim("2")], ..Claims::default() };
    log.append(AppendRequest { claims, ..vec![to("a", Any, vec![event(11, 7)])].into() }).await.unwrap();
}

fn assert_sound(log: &Log, events: u64) {
    let report = log.verify(|_| {}).unwrap();
    assert_eq!((report.events, report.faults), (events, 0), "{:?}", report.named);
    assert_eq!(log.progress(), Progress(events));
}

async fn append(api: &Api, stream: &str, numbers: std::ops::Range<u64>) {
    let event =
        |n| json!({"type": if n % 2 == 0 { "Even" } else { "Odd" }, "data": {"n": n}, "tags": [format!("n:{n}")]});
    let answer = api.post(&format!("streams/{stream}/events"), json!(numbers.map(event).collect::<Vec<_>>())).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn the_commands_show_the_log_and_its_faults_and_leave_a_running_host_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(&dir.path().join("log")).await;
    let run = |command: &str| {
        let mut kinora = Command::new(Program::path());
        let output = kinora.args(["log", command, "--data"]).arg(dir.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, said, _) = run("verify");
    assert!(code == 0 && said.starts_with("11 events in 2 streams, 1 claims: 0 faults"), "{code} {said}");
    let (code, said, _) = run("stats");
    assert!(code == 0 && said.starts_with("11 events") && said.contains("11  Counted schema 1"), "{code} {said}");

    delete_raw(&dir.path().join("log"), "streams", b"ab");
    let (code, said, error) = run("verify");
    let missing = "streams: ab is missing for the event at position 4\n";
    assert!(code == 1 && said.starts_with(missing), "{code} {said}");
    assert!(error.contains("1 faults") && error.contains("backup"), "{error}");

    let host = tempfile::tempdir().unwrap();
    let running = Program::start(host.path());
    append(&running.api(), "s", 0..5).await;
    for (command, code, words) in [
        (&["log", "verify"][..], 0, "0 events in 0 streams, 0 claims: 0 faults"),
        (&["log", "stats"], 0, "5 more events are whole in the journal"),
        (&["doctor"], 0, "a host is at work here"),
        (&["log", "repair"], 1, "another process has the log"),
    ] {
        let mut kinora = Command::new(Program::path());
        let output = kinora.args(command).arg("--data").arg(host.path()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.code() == Some(code) && said.contains(words), "{command:?}: {said}");
    }
    append(&running.api(), "s", 5..6).await;
    drop(running);
}

#[tokio::test]
async fn the_journal_goes_round_and_stays_within_its_limit() {
    const LIMIT: u64 = 128 << 20;
    let dir = tempfile::tempdir().unwrap();
    let filler = "x".repeat(1_000_000);
    for round in 1..=3 {
        let host = Program::start(dir.path());
        let api = host.api();
        for n in 0..150 {
            let event = json!({"type": "Large", "data": {"n": n, "filler": filler}});
            assert_eq!(api.post("streams/s/events", event).await.status, 201);
        }
        host.kill();
        let bytes = std::fs::metadata(dir.path().join("log/JOURNAL")).unwrap().len();
        assert!(bytes <= LIMIT && bytes > LIMIT / 2, "{bytes} bytes");
        assert_sound(&open(&dir.path().join("log")), round * 150);
    }
}

/// Answers each request with this, until the process ends.
fn publisher(text: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        }
    });
    address
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_and_known_while_it_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let start = |from: SocketAddr| {
        let mut command = Program::command(dir.path());
        let url = format!("http://{from}/keys");
        command.args(["--token-issuer", ISSUER, "--token-audience", AUDIENCE, "--token-keys", &url]);
        command.args(["--listen", "127.0.0.1:0"]);
        Program::start_command(command)
    };
    let (from, nobody) = (publisher(key_set("one")), SocketAddr::from(([127, 0, 0, 1], 1)));
    let status = async |host: &Program, key: &str| host.api().with_key(key).get("limits").await.status;
    let key = token("one", "ada", "reader", &json!({}));

    let away = start(nobody);
    assert_eq!(status(&away, &key).await, 401);
    assert!(away.said().iter().any(|line| line.contains("keys were not fetched")), "{:?}", away.said());
    away.stop();
    let host = start(from);
    assert_eq!(status(&host, &key).await, 200);
    host.stop();
    let host = start(nobody);
    assert_eq!(status(&host, &key).await, 200);
    host.stop();
    let host = start(publisher("<html>".into()));
    assert_eq!(status(&host, &key).await, 200);
    host.stop();

    let mut refused = Program::command(dir.path());
    refused.args(["--token-issuer", ISSUER, "--token-audience", AUDIENCE, "--token-keys", "http://example.org/keys"]);
    let output = refused.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("by https only"), "{said}");
}

#[test]
fn a_host_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let complaint = |data: &std::path::Path, listen: &str| {
        let output = Program::command(data).args(["--listen", listen]).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (data, foreign) = (dir.path().join("data"), dir.path().join("foreign"));
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "precious").unwrap();
    assert!(complaint(&foreign, "127.0.0.1:0").contains("is not empty and not a data folder of Kinora"));
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);

    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 100; exec \"$0\" serve --data \"$1\" --listen 127.0.0.1:0"]);
    let output = few.arg(Program::path()).arg(&data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("may open 100 files at once, and a host needs 512"), "{said}");
    assert!(!data.exists(), "nothing was begun");

    let host = Program::start(&data);
    assert!(complaint(&data, "127.0.0.1:0").contains("another process has the log"));
    let taken = host.url.strip_prefix("http://").unwrap();
    assert!(complaint(&dir.path().join("other"), taken).contains("cannot listen on"));
}

#[tokio::test]
async fn a_slow_subscriber_is_told_that_it_fell_behind_and_misses_nothing() {
    const LATER: u64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    append(&api, "a", 0..1).await;
    let mut followed = api.follow(api.client.get(api.at("events"))).await;
    let mut found = followed.until(|message| message.kind == "caught-up").await;
    // Nothing is taken while these are appended, so they wait in the log and not in the host.
    for n in 0..LATER / 5_000 {
        append(&api, "a", 1 + n * 5_000..1 + (n + 1) * 5_000).await;
    }
    let before = host.peak_memory();
    let end = json!({"head": LATER, "position": LATER});
    found.extend(followed.until(|message| message.data == end).await);
    assert!(found.iter().any(|message| message.kind == "fell-behind"), "it was told");
    // What is said of the subscription itself goes by the id of the event before it.
    let events = found.iter().filter(|message| !["caught-up", "fell-behind"].contains(&message.kind.as_str()));
    let ids: Vec<u64> = events.map(Message::position).collect();
    let wrong = ids.iter().zip(0..).find(|(id, wanted)| *id != wanted);
    assert_eq!((wrong, ids.len() as u64), (None, LATER + 1));
    if let (Some(before), Some(after)) = (before, host.peak_memory()) {
        assert!(after < before + 48.0, "{before} MiB, then {after} MiB");
    }
}

#[test]
fn options_that_make_no_sense_are_refused_with_what_would() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |option: &str, value: &str| {
        let output = Program::command(dir.path()).args([option, value]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    for wrong in ["never", "interval:0", "interval:x"] {
        assert!(refused("--durability", wrong).contains("interval:MILLISECONDS"));
    }
    let said = refused("--limit", "sandbox.speed=1");
    assert!(said.contains("there is no limit \"sandbox.speed\"") && said.contains("sandbox.event_fuel"), "{said}");
}

#[tokio::test]
async fn slow_reads_are_named_and_readers_that_do_not_read_do_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Program::command(dir.path());
    command.args(["--listen", "127.0.0.1:0", "--limit", "queries.slow_milliseconds=0"]);
    let host = Program::start_command(command);
    let api = host.api();
    append(&api, "a", 0..1_000).await;
    assert_eq!(api.get("events?limit=7&types=Even").await.status, 200);
    let named = |line: &String| {
        let (slow, asked) = (line.contains("slow: a read was slow"), line.contains("/v1/events?limit=7&types=Even"));
        slow && asked && line.contains("looked_at=7")
    };
    until("the read is named", async || host.said().iter().any(named)).await;
    let lines = api.client.get(api.at("events")).header("accept", "application/x-ndjson").send().await.unwrap();
    let followed = api.follow(api.client.get(api.at("events"))).await;
    host.stop();
    drop((lines, followed));
}
