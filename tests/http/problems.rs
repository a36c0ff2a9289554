//! Every problem that the guide lists, as a client gets it: status, detail and hint, compared with those that were
//! reviewed.
//!
//! A change of what a problem says shows as a difference in `snapshots/`. `INSTA_UPDATE=always` takes it over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use kinora_tests::{Answer, Api, Host, module};
use serde_json::{Value, json};

/// Problems that it takes more than a request to get, each with where it is provoked, or why nowhere.
const ELSEWHERE: [(&str, &str); 26] = [
    ("backup-failed", "a folder that cannot be written, to whoever is not root"),
    ("beyond-budget", "read_model/model.rs: more rows than a query may read"),
    ("beyond-history", "http/queries.rs: more updates than are kept"),
    ("busy", "http/queries.rs: many scans at once"),
    ("chain", "sandbox/upcasting.rs"),
    ("compile-failed", "process/hostile.rs: a module that is dear to compile"),
    ("contract", "sandbox/modules.rs"),
    ("describe-failed", "process/hostile.rs"),
    ("internal", "a mistake of ours"),
    ("invalid-body", "a connection that breaks off"),
    ("invalid-manifest", "process/hostile.rs"),
    ("log-failed", "process/ends/disk_faults.rs"),
    ("log-poisoned", "process/ends/disk_faults.rs"),
    ("module-compiling", "sandbox/modules.rs"),
    ("module-store-failed", "a disk that fails"),
    ("no-sample", "a disk that fails"),
    ("no-space", "process/ends/disk_full.rs"),
    ("not-comparable", "the moment in which a version stops"),
    ("not-verified", "a disk that fails"),
    ("projections-failed", "a disk that fails"),
    ("query-failed", "process/hostile.rs"),
    ("read-model-failed", "a disk that fails"),
    ("starting", "the moment after a deployment"),
    ("too-many-groups", "read_model/model.rs"),
    ("too-many-requests", "http/append.rs: a client that floods"),
    ("too-many-rows", "read_model/model.rs"),
];

/// What differs from run to run: digests, and positions, among which are those of the host's own events.
const CHANGING: [(&str, &str); 3] =
    [("[0-9a-f]{64}", "DIGEST"), (r#"(position"?:? |up to )\d+"#, "${1}N"), (r"\d+ events\b", "N events")];

/// The names in the guide's table of problems.
fn listed() -> BTreeSet<String> {
    let guide = include_str!("../../host/docs/http.md");
    let table = guide.split("\n## Problems\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
    let cells = rows.map(|row| row.split('|').nth(2).unwrap());
    cells.flat_map(|names| names.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

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

#[tokio::test]
async fn every_problem_says_what_is_wrong_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["sandbox.query_fuel=1000000"]);
    let mut problems = Problems { api: host.api(), found: BTreeMap::new() };
    let hostile = problems.api.upload(module("hostile")).await;
    of_appends(&mut problems).await;
    of_reads(&mut problems).await;
    of_modules(&mut problems).await;
    of_versions(&mut problems, &hostile).await;
    of_queries(&mut problems).await;
    of_faults(&mut problems, &hostile).await;

    let mut text = String::new();
    for (slug, body) in &problems.found {
        writeln!(text, "{slug}\n{body:#}\n").unwrap();
    }
    insta::with_settings!({filters => CHANGING.to_vec()}, { insta::assert_snapshot!("problems", text) });
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|(slug, _)| (*slug).to_owned()).collect();
    let missing: Vec<_> =
        listed().into_iter().filter(|slug| !problems.found.contains_key(slug) && !elsewhere.contains(slug)).collect();
    assert!(missing.is_empty(), "the guide lists these, and nobody has seen them: {missing:?}");
    let unlisted: Vec<_> = problems.found.keys().filter(|slug| !listed().contains(*slug)).collect();
    assert!(unlisted.is_empty(), "the guide does not list {unlisted:?}");
}
