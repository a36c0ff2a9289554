//! Every kind of problem, as a client gets it: status, detail and hint, compared with those that were
//! reviewed.
//!
//! A change of what a problem says shows as a difference in `snapshots/`. `INSTA_UPDATE=always` takes it over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use kinora_access::{KeyFile, NewKey, Options as AccessOptions, Role, Scope};
use kinora_api::Kind;
use kinora_engine::limits::Limits;
use kinora_server::serve::{Doors, Options};
use kinora_tests::description::Answered;
use kinora_tests::{Answer, Api, Handwritten, Host, delete_raw, module, put_raw};
use serde_json::{Value, json};

/// Problems that it takes more than a request to get, each with the test that names it.
const ELSEWHERE: [(&str, &str); 14] = [
    ("busy", include_str!("queries.rs")),
    ("compile-failed", include_str!("../../host/tests/process/hostile.rs")),
    ("decides-otherwise", include_str!("../decisions/versions.rs")),
    ("would-stop", include_str!("../decisions/switches.rs")),
    ("one-way", include_str!("../decisions/switches.rs")),
    ("held", include_str!("../../host/tests/process/ends/quarantine.rs")),
    ("limit-reached", include_str!("../sandbox/limits.rs")),
    ("log-poisoned", include_str!("../../host/tests/process/ends/disk_faults.rs")),
    ("no-space", include_str!("../../host/tests/process/ends/disk_full.rs")),
    ("not-comparable", include_str!("../rollouts/diff.rs")),
    ("outcome-unknown", include_str!("../../host/tests/process/ends/disk_faults.rs")),
    ("query-failed", include_str!("queries.rs")),
    ("timed-out", include_str!("bounds.rs")),
    ("too-many-requests", include_str!("append.rs")),
];

/// Problems that no test can get, each with the reason.
const NOWHERE: [(&str, &str); 2] =
    [("internal", "a mistake of ours"), ("decision-conflict", "others have to be faster sixteen times in a row")];

/// What differs from run to run: digests, and positions, among which are those of the host's own events.
const CHANGING: [(&str, &str); 5] = [
    ("[0-9a-f]{64}", "DIGEST"),
    (r#"/[^ ":]*/\.tmp[^/ ":]*"#, "FOLDER"),
    (r#"(position"?:? |up to )\d+"#, "${1}N"),
    (r"\d+ events\b", "N events"),
    (r" \(os error \d+\)", ""),
];

struct Problems {
    api: Api,
    found: BTreeMap<String, Value>,
}

impl Problems {
    fn note(&mut self, slug: &str, answer: Answer) {
        assert_eq!(answer.body["type"], format!("https://kinora.dev/problems/{slug}"), "{answer:?}");
        assert_eq!(answer.body["status"], answer.status, "{answer:?}");
        let twice = self.found.insert(slug.to_owned(), answer.body);
        assert!(twice.is_none(), "{slug} is provoked twice");
    }

    async fn get(&mut self, slug: &str, path: &str) {
        let answer = self.api.get(path).await;
        self.note(slug, answer);
    }

    async fn post(&mut self, slug: &str, path: &str, body: Value) {
        let answer = self.api.post(path, body).await;
        self.note(slug, answer);
    }

    /// An append of a body as it stands, with a header.
    async fn append(&mut self, slug: &str, (name, value): (&str, &str), body: &str) {
        let request = self.api.client.post(self.api.at("streams/a/events")).header(name, value);
        let answer = self.api.send(request.body(body.to_owned())).await;
        self.note(slug, answer);
    }

    async fn upload(&mut self, slug: &str, wasm: Vec<u8>) {
        let answer = self.api.send(self.api.client.post(self.api.at("modules")).body(wasm)).await;
        self.note(slug, answer);
    }
}

const ID: &str = "00000000-0000-0000-0000-000000000001";

async fn of_appends(problems: &mut Problems) {
    let one = json!({"id": ID, "type": "Count", "data": {"n": 1}});
    let claim = |owner: &str| json!({"take": [{"scope": "seat", "value": "12A", "owner": owner}]});
    let mine = json!({"appends": [{"stream": "a", "events": [one.clone()]}], "claims": claim("a")});
    assert_eq!(problems.api.post("transactions", mine).await.status, 201);
    let keyed = problems.api.client.post(problems.api.at("streams/a/events")).header("idempotency-key", "k");
    let keyed = problems.api.send(keyed.body(r#"{"type":"Count","data":{"n":2}}"#)).await;
    assert_eq!(keyed.status, 201);

    let plain = ("accept", "application/json");
    problems.append("invalid-json", plain, "{").await;
    problems.append("invalid-event", plain, "[]").await;
    problems.append("invalid-name", plain, r#"{"type":"","data":1}"#).await;
    problems.append("invalid-header", ("if-match", "seven"), r#"{"type":"T","data":1}"#).await;
    problems.append("wrong-expected-revision", ("if-match", "\"7\""), r#"{"type":"T","data":1}"#).await;
    problems.append("idempotency-key-reused", ("idempotency-key", "k"), r#"{"type":"T","data":9}"#).await;
    problems.append("id-reused", plain, &json!({"id": ID, "type": "Other", "data": {}}).to_string()).await;
    let in_part = json!([{"type": "T", "data": 1}, {"id": ID, "type": "Count", "data": {"n": 1}}]).to_string();
    problems.append("partly-known", plain, &in_part).await;
    problems.append("unknown-encoding", ("content-encoding", "br"), r#"{"type":"T","data":1}"#).await;
    let large = json!({"type": "T", "data": "x".repeat(2 << 20)}).to_string();
    problems.append("too-large", plain, &large).await;
    let cloudevent = ("content-type", "application/cloudevents+json");
    problems.append("invalid-cloudevent", cloudevent, r#"{"specversion":"1.0","id":"1"}"#).await;
    problems.post("reserved-name", "streams/$kinora.a/events", one.clone()).await;

    let event = json!({"stream": "b", "events": [{"type": "T", "data": 1}]});
    let nothing = json!({"appends": [], "condition": {"none_of": []}});
    problems.post("invalid-condition", "transactions", nothing).await;
    let late = json!({"appends": [event], "condition": {"none_of": [{"types": ["Count"]}]}});
    problems.post("condition-failed", "transactions", late).await;
    problems.post("claim-failed", "transactions", json!({"appends": [event], "claims": claim("b")})).await;
}

async fn of_reads(problems: &mut Problems) {
    problems.get("unknown-stream", "streams/nowhere/events").await;
    problems.get("invalid-parameter", "events?limit=0").await;
    problems.get("not-claimed", "claims/seat/12B").await;
    problems.get("unknown-route", "nothing").await;
    let answer = problems.api.delete("events").await;
    problems.note("wrong-method", answer);
    problems.post("no-backups", "backups", json!({})).await;
    problems.get("invalid-digest", "modules/seven").await;
    problems.get("unknown-module", &format!("modules/{}", "0".repeat(64))).await;
}

async fn of_modules(problems: &mut Problems) {
    problems.upload("not-wasm", b"text".to_vec()).await;
    problems.upload("missing-exports", wat::parse_str("(module)").unwrap()).await;
    let random = r#"(module (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32))))"#;
    problems.upload("foreign-imports", wat::parse_str(random).unwrap()).await;
}

/// `counts` has two versions, of which the first is live; `stopped` has one that met what it cannot handle, and is
/// live.
async fn of_versions(problems: &mut Problems, hostile: &str) {
    let api = problems.api.clone();
    for version in [1, 2] {
        api.deploy("counts", hostile, &[]).await;
        api.until_state("counts", version, "ready").await;
    }
    problems.get("nothing-live", "read-models/counts/counts/a").await;
    api.post("projections/counts/versions/1/promote", json!({})).await;
    problems.get("unknown-projection", "projections/nobody").await;
    problems.get("unknown-version", "projections/counts/versions/9").await;
    problems.get("invalid-version", "projections/counts/versions/first").await;
    problems.post("wrong-state", "projections/counts/versions/1/retire", json!({})).await;
    problems.post("other-live", "projections/counts/versions/2/promote", json!({"expected_live": 9})).await;
    problems.post("nothing-to-roll-back-to", "projections/counts/rollback", json!({})).await;
    problems.post("no-reason", "projections/counts/versions/1/skip", json!({"position": 1, "reason": " "})).await;
    let elsewhere = json!({"position": 1, "reason": "because"});
    problems.post("not-stopped-there", "projections/counts/versions/1/skip", elsewhere).await;
    problems.get("nothing-to-reproduce", "projections/counts/versions/1/reproduction").await;
    problems.get("beyond-position", "projections/counts/versions/1/digest?position=0").await;
    let late = json!({"module": hostile, "start": {"position": 1_000_000}});
    problems.post("start-beyond-end", "projections/later/versions", late).await;
    let gated = json!({"module": hostile, "gates": {"reviewed": true}});
    assert_eq!(api.post("projections/counts/versions", gated).await.status, 202);
    api.until_state("counts", 3, "ready").await;
    problems.post("gates-closed", "projections/counts/versions/3/promote", json!({})).await;
    let answer = api.delete(&format!("modules/{hostile}")).await;
    problems.note("module-in-use", answer);
    let upcaster = api.upload(module("departures")).await;
    problems.post("wrong-kind", "projections/wrong/versions", json!({"module": upcaster})).await;
    let nowhere = api.upload(Handwritten::trapping_upcaster("Old", "Nowhere")).await;
    let body = json!({"module": hostile, "upcasters": [nowhere]});
    problems.post("chain", "projections/chain/versions", body).await;
}

async fn of_queries(problems: &mut Problems) {
    let counts = "read-models/counts/counts";
    problems.get("unknown-table", "read-models/counts/rows").await;
    problems.get("unknown-row", &format!("{counts}/nobody")).await;
    problems.get("invalid-filter", &format!("{counts}?n=about.1")).await;
    problems.get("invalid-order", &format!("{counts}?order=n[]")).await;
    problems.get("invalid-select", &format!("{counts}?select=,")).await;
    problems.get("invalid-aggregate", &format!("{counts}?aggregate=most(n)")).await;
    problems.get("invalid-cursor", &format!("{counts}?cursor=x")).await;
    problems.get("unknown-field", &format!("{counts}?fill=eq.a")).await;
    problems.get("unknown-key-part", &format!("{counts}?key.other=eq.a")).await;
    problems.get("no-history", &format!("{counts}/a?at_position=1")).await;
    problems.get("not-there-yet", &format!("{counts}/a?min_position=1000000&timeout=0.01")).await;
    problems.get("unknown-query", "read-models/counts/queries/other").await;
    problems.get("invalid-arguments", "read-models/counts/queries/total?arguments=1").await;
    problems.get("query-stopped", "read-models/counts/queries/loop").await;
}

async fn of_faults(problems: &mut Problems, hostile: &str) {
    let api = problems.api.clone();
    assert_eq!(api.post("projections/counts/versions/3/pause", json!({})).await.status, 200);
    problems.get("version-paused", "read-models/counts/counts/a?version=3").await;
    api.deploy("stopped", hostile, &[]).await;
    api.until_state("stopped", 1, "ready").await;
    api.post("projections/stopped/versions/1/promote", json!({})).await;
    let bad = json!({"id": "00000000-0000-0000-0000-000000000009", "type": "Unheard", "data": {}});
    assert_eq!(api.post("streams/a/events", bad).await.status, 201);
    api.until_state("stopped", 1, "faulted").await;
    problems.get("version-faulted", "read-models/stopped/counts/a").await;
    problems.post("gaps", "projections/gaps/versions", json!({"module": hostile})).await;
}

/// Modules that are refused once they are compiled: who deploys one is told why.
async fn of_refused_modules(problems: &mut Problems) {
    let silent = Handwritten { describe: "unreachable", ..Handwritten::default() };
    let twice = Handwritten { bad: "Count", ..Handwritten::default() };
    for (slug, guest) in [("describe-failed", silent), ("invalid-manifest", twice)] {
        let api = problems.api.clone();
        let uploaded = api.send(api.client.post(api.at("modules")).body(guest.module())).await.body;
        let digest = uploaded["digest"].as_str().unwrap();
        api.until(&format!("modules/{digest}"), |module| module["state"] == "refused").await;
        problems.post(slug, "projections/refused/versions", json!({"module": digest})).await;
    }
    let bare = r#"(module (func (export "describe")) (func (export "apply")) (func (export "flush"))
        (func (export "query")))"#;
    problems.upload("contract", wat::parse_str(bare).unwrap()).await;
}

/// What is so only while a module is being compiled, which others are before it.
async fn of_compiling(problems: &mut Problems) {
    let api = problems.api.clone();
    let upload = async |name| api.send(api.client.post(api.at("modules")).body(module(name))).await.body;
    upload("partitioned").await;
    upload("renaming").await;
    let digest = upload("tally").await["digest"].as_str().unwrap().to_owned();
    let answer = api.delete(&format!("modules/{digest}")).await;
    problems.note("module-compiling", answer);
    assert_eq!(api.deploy("starting", &digest, &[]).await, 1);
    problems.get("starting", "read-models/starting/counts?version=1").await;
}

/// More rows than a query may read, than can be followed, and than there may be groups.
async fn of_many_rows(problems: &mut Problems) {
    const ROWS: usize = 21_000;
    const ROWS_OF_A_REQUEST: usize = 3_000;
    let mut last = 0;
    for first in (0..ROWS).step_by(ROWS_OF_A_REQUEST) {
        let append = |n| json!({"stream": format!("s{n}"), "events": [{"type": "Count", "data": {"n": n}}]});
        let appends: Vec<Value> = (first..first + ROWS_OF_A_REQUEST).map(append).collect();
        let answer = problems.api.post("transactions", json!({"appends": appends})).await;
        last = answer.body["last_position"].as_u64().unwrap();
    }
    let counts = "read-models/counts/counts";
    let waited = problems.api.get(&format!("{counts}?limit=1&min_position={last}&timeout=60")).await;
    assert_eq!(waited.status, 200, "{waited:?}");
    problems.get("beyond-budget", &format!("{counts}?filler=eq.nothing")).await;
    problems.get("too-many-groups", &format!("{counts}?aggregate=count&group=n")).await;
    let request = problems.api.client.get(problems.api.at(&format!("{counts}?scan=true")));
    let answer = problems.api.send(request.header("accept", "text/event-stream")).await;
    problems.note("too-many-rows", answer);
}

/// A body that is not what its header says: no client sends that.
async fn of_connections(problems: &mut Problems) {
    let head = "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n";
    let (status, body) = raw(&problems.api, head);
    problems.note("invalid-body", Answer { status, version: None, position: None, body });
}

/// Somebody whom the host does not know, or who may not; a page of another site; a body that does not come.
async fn of_access(problems: &mut Problems) {
    let append = |kind: &'static str| ("content-type", kind);
    problems.append("unknown-content-type", append("text/plain"), "{}").await;
    let page = problems.api.client.get(problems.api.at("log")).header("origin", "https://example.org");
    let answer = problems.api.send(page).await;
    problems.note("foreign-origin", answer);

    let dir = tempfile::tempdir().unwrap();
    let slow = Host::start_with_limits(&dir.path().join("slow"), &["http.body_seconds=1"]);
    let head = "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n{";
    let (status, body) = raw(&slow.api(), head);
    problems.note("too-slow", Answer { status, version: None, position: None, body });

    let keys = KeyFile::new(dir.path().join("keys.json"));
    let new = NewKey { name: "chart".into(), roles: vec![Role::Reader], scope: Scope::default(), expires: None };
    let key = keys.create(new).unwrap().reveal();
    let access = AccessOptions { keys: Some(keys.path().to_owned()), tokens: None };
    let doors = Doors { access, ..Doors::default() };
    let guarded = Host::run(Options { doors, ..Host::options(&dir.path().join("guarded")) });
    let answer = guarded.api().get("log").await;
    problems.note("unauthenticated", answer);
    let answer = guarded.api().with_key(&key).post("streams/a/events", json!({"type": "T", "data": {}})).await;
    problems.note("forbidden", answer);
}

/// Commands that cannot be decided.
async fn of_deciders(problems: &mut Problems) {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    problems.api = host.api();
    problems.get("unknown-decider", "deciders/counts").await;
    let digest = problems.api.upload(module("contrary")).await;
    let deployed = problems.api.post("deciders/counts/versions", json!({"module": digest, "owns": true})).await;
    assert_eq!(deployed.status, 202, "{deployed:?}");
    kinora_tests::until("it has proved itself", async || {
        problems.api.post("deciders/counts/promote", json!({"version": 1})).await.status == 200
    })
    .await;
    problems.post("unknown-command", "deciders/counts/1/Fly", json!({})).await;
    problems.post("invalid-command", "deciders/counts/1/Count", json!({"n": "one"})).await;
    problems.post("command-rejected", "deciders/counts/1/Refuse", json!({})).await;
    let mut failed = problems.api.post("deciders/counts/1/Panic", json!({})).await;
    // Where it was is another place with each build.
    let fault = failed.body.as_object_mut().unwrap().remove("fault").unwrap();
    assert_eq!(fault["category"], "panic");
    failed.body["detail"] = json!(failed.body["detail"].as_str().unwrap().split(": panicked").next());
    problems.note("decider-failed", failed);
    let owned = problems.api.get("deciders/counts").await.body["owns"].as_str().unwrap().to_owned();
    let event = json!({"type": "Counted", "data": {"n": 1}});
    problems.post("owned-stream", &format!("streams/{owned}-1/events"), event).await;
}

/// What comes for this text, which no client sends: a status, and a problem.
fn raw(api: &Api, text: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(api.url.trim_start_matches("http://")).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { method: "POST", path: "/v1/transactions", status, kind: Some("application/problem+json") }.check(body);
    (status, serde_json::from_str(body).unwrap())
}

/// A table that keeps less of the past than there is.
async fn of_the_past(problems: &mut Problems, dir: &Path) {
    const KEPT: usize = 1_000;
    let host = Host::start(dir);
    problems.api = host.api();
    let joined = json!({"type": "Joined", "data": {"name": "Ada", "mail": "ada@example.org"}});
    let visited = json!({"type": "Visited", "data": {"day": "2026-01-01"}});
    let events: Vec<Value> = std::iter::once(joined).chain(std::iter::repeat_n(visited, KEPT + 1)).collect();
    let last = problems.api.post("streams/m1/events", json!(events)).await.body["last_position"].as_u64().unwrap();
    let members = problems.api.upload(module("members")).await;
    problems.api.deploy("club", &members, &[]).await;
    problems.api.until_caught_up("club", 1).await;
    let row = "read-models/club/members/m1?version=1";
    assert_eq!(problems.api.get(&format!("{row}&at_position={last}")).await.status, 200);
    problems.get("beyond-history", &format!("{row}&at_position=0")).await;
}

/// A host whose folders somebody damages, and whose limits are lower than they were.
async fn of_damage(problems: &mut Problems, dir: &Path) {
    const SHORTER_KEYS: usize = 100;
    let data = dir.join("data");
    let host = Host::start(&data);
    let api = host.api();
    let hostile = api.upload(module("hostile")).await;
    let long = "a".repeat(SHORTER_KEYS + 1);
    for stream in ["a", &long] {
        let counted = api.post(&format!("streams/{stream}/events"), json!({"type": "Count", "data": {"n": 1}})).await;
        assert_eq!(counted.status, 201, "{counted:?}");
    }
    for version in [1, 2] {
        api.deploy("counts", &hostile, &[]).await;
        api.until_caught_up("counts", version).await;
    }
    assert_eq!(api.post("streams/a/events", json!({"type": "Fault", "data": {}})).await.status, 201);
    api.until_state("counts", 1, "faulted").await;
    host.stop();
    put_raw(&data.join("read-models/counts/1"), b"\x01\0\0a", b"{");

    let backups = dir.join("backups");
    std::fs::write(&backups, "").unwrap();
    let limits = Limits::with(&[format!("sandbox.key_bytes={SHORTER_KEYS}").parse().unwrap()]).unwrap();
    let host = Host::run(Options { backups: Some(backups), limits, ..Host::options(&data) });
    problems.api = host.api();
    problems.get("not-verified", "projections/counts/versions/2/verification").await;
    problems.post("backup-failed", "backups", json!({})).await;
    problems.get("read-model-failed", "read-models/counts/counts?version=1&stale=true&filler=eq.x").await;
    std::fs::remove_file(data.join("modules").join(&hostile).join("source.wasm")).unwrap();
    problems.get("module-store-failed", "projections/counts/versions/1/reproduction").await;
    std::fs::remove_file(data.join("projections.json")).unwrap();
    std::fs::create_dir(data.join("projections.json")).unwrap();
    problems.post("projections-failed", "projections/counts/versions/2/pause", json!({})).await;
    std::fs::rename(data.join("read-models"), dir.join("away")).unwrap();
    std::fs::write(data.join("read-models"), "").unwrap();
    problems.get("no-sample", "projections/counts/diff/events?from=1&to=2&table=counts&key=a").await;

    let holes = dir.join("holes");
    let host = Host::start(&holes);
    for n in 0..3 {
        let counted = host.api().post("streams/a/events", json!({"type": "Count", "data": {"n": n}})).await;
        assert_eq!(counted.status, 201, "{counted:?}");
    }
    host.stop();
    delete_raw(&holes.join("log"), "events", &1_u64.to_be_bytes());
    let host = Host::start(&holes);
    problems.api = host.api();
    problems.get("log-failed", "events").await;
    let request = host.api().client.get(host.api().at("events")).header("accept", "text/event-stream");
    let answer = host.api().send(request.header("last-event-id", "0-00000000")).await;
    problems.note("other-incarnation", answer);
}

#[tokio::test]
async fn every_problem_says_what_is_wrong_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["sandbox.query_fuel=1000000"]);
    let mut problems = Problems { api: host.api(), found: BTreeMap::new() };
    let hostile = problems.api.upload(module("hostile")).await;
    of_appends(&mut problems).await;
    of_reads(&mut problems).await;
    of_modules(&mut problems).await;
    of_refused_modules(&mut problems).await;
    of_versions(&mut problems, &hostile).await;
    of_queries(&mut problems).await;
    of_many_rows(&mut problems).await;
    of_faults(&mut problems, &hostile).await;
    of_compiling(&mut problems).await;
    of_connections(&mut problems).await;
    of_access(&mut problems).await;
    of_deciders(&mut problems).await;
    let past = tempfile::tempdir().unwrap();
    of_the_past(&mut problems, past.path()).await;
    let damaged = tempfile::tempdir().unwrap();
    of_damage(&mut problems, damaged.path()).await;

    let mut text = String::new();
    for (slug, body) in &problems.found {
        writeln!(text, "{slug}\n{body:#}\n").unwrap();
    }
    insta::with_settings!({filters => CHANGING.to_vec()}, { insta::assert_snapshot!("problems", text) });
    let found = |kind: &Kind| problems.found.contains_key(kind.slug());
    for (slug, test) in ELSEWHERE {
        // By its title, as tests look at it.
        assert!(test.contains(&format!("\"{}\"", slug.replace('-', " "))), "no test there names {slug}");
    }
    let named = ELSEWHERE.iter().chain(&NOWHERE).map(|(slug, _)| Kind::named(slug).unwrap());
    let named: Vec<Kind> = named.collect();
    let missing: Vec<_> = Kind::ALL.iter().filter(|kind| !found(kind) && !named.contains(kind)).collect();
    assert!(missing.is_empty(), "nobody has seen these: {missing:?}");
    let twice: Vec<_> = named.iter().filter(|kind| found(kind)).collect();
    assert!(twice.is_empty(), "these are provoked here: {twice:?}");
}
