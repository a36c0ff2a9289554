//! Guests that mean harm, most of them written by hand: each is stopped with the rule or the limit named, and hurts
//! nobody.

use std::path::Path;

use kinora_tests::{Api, Handwritten, Program, module};
use serde_json::{Value, json};

/// Small limits, so that what has no end ends soon.
const LIMITS: [&str; 7] = [
    "sandbox.describe_fuel=10000000",
    "sandbox.event_fuel=50000000",
    "sandbox.flush_fuel=50000000",
    "sandbox.query_fuel=20000000",
    "sandbox.memory_bytes=32M",
    "sandbox.call_operations=20000",
    "sandbox.compile_memory_bytes=512M",
];

fn host(data: &Path) -> Program {
    host_with(data, &LIMITS)
}

fn host_with(data: &Path, limits: &[&str]) -> Program {
    let mut command = Program::command(data);
    command.args(["--listen", "127.0.0.1:0"]);
    for limit in limits {
        command.args(["--limit", limit]);
    }
    Program::start_command(command)
}

/// Appends, and gives the position of the first event.
async fn append(api: &Api, kinds: &[&str]) -> u64 {
    let events: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind, "data": {"n": 1}})).collect();
    let answer = api.post("streams/s/events", json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["first_position"].as_u64().unwrap()
}

/// Only does it when it gets `Bad`.
fn at_bad(body: &str) -> &'static str {
    format!("(if (call $bad (local.get $batch)) (then {body}))").leak()
}

const LOOP: &str = "(loop $again (br $again))";

#[tokio::test]
async fn a_module_that_misbehaves_before_it_gets_an_event_is_refused_with_the_limit_or_rule() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path());
    let api = host.api();
    // A manifest that names 100,000 event types, all with one name of 60 KiB: 6 GB, if somebody copied it.
    let bomb = "(local $at i32) (local.set $at (i32.const 1048576)) (drop (memory.grow (i32.const 64)))
        (loop $more
          (i32.store (local.get $at) (i32.const 4096)) (i32.store offset=4 (local.get $at) (i32.const 60000))
          (i32.store offset=8 (local.get $at) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 12)))
          (br_if $more (i32.lt_u (local.get $at) (i32.const 2248576))))
        (i32.store (i32.const 2056) (i32.const 1048576)) (i32.store (i32.const 2060) (i32.const 100000))";
    let cases = [
        (Handwritten { start: LOOP, ..Handwritten::default() }, vec!["describe_fuel", "--limit sandbox.describe_fuel"]),
        (Handwritten { describe: LOOP, ..Handwritten::default() }, vec!["the limit sandbox.describe_fuel is 10000000"]),
        (Handwritten { start: "unreachable", ..Handwritten::default() }, vec!["unreachable"]),
        (
            Handwritten { describe: "(i32.store (i32.const 2052) (i32.const 2000000000))", ..Handwritten::default() },
            vec!["string pointer/length out of bounds"],
        ),
        (Handwritten { describe: bomb, ..Handwritten::default() }, vec!["the limit sandbox.call_bytes is"]),
        (
            Handwritten { describe: "(i32.store8 (i32.const 2112) (i32.const 255))", ..Handwritten::default() },
            vec!["utf-8"],
        ),
        (
            Handwritten {
                describe: "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 64) (i32.const 7))",
                ..Handwritten::default()
            },
            vec!["describe() must not touch rows"],
        ),
        (
            Handwritten { more: "(memory $big 1000)".into(), ..Handwritten::default() },
            vec!["the limit sandbox.memory_bytes is 33554432"],
        ),
        (
            Handwritten { more: "(table 200000 funcref)".into(), ..Handwritten::default() },
            vec!["the limit sandbox.table_elements is 100000"],
        ),
    ];
    for (index, (guest, words)) in cases.into_iter().enumerate() {
        let mut answer = api.send(api.client.post(api.at("modules")).body(guest.module())).await.body;
        if let Some(digest) = answer["digest"].as_str() {
            let path = format!("modules/{digest}");
            answer = api.until(&path, |module| module["state"] != "compiling").await["error"].clone();
        }
        let text = answer.to_string();
        for word in words {
            assert!(text.contains(word), "case {index}: {word} is not in {text}");
        }
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn what_a_guest_does_to_events_and_rows_is_stopped_at_the_event_and_others_go_on() {
    let put = |table: i32, key: i32, key_bytes: i32, value: i32, value_bytes: i32| {
        let arguments = [table, key, key_bytes, value, value_bytes].map(|number| format!("(i32.const {number})"));
        format!("(call $put {})", arguments.join(" "))
    };
    let lies = |ends: i32, count: i32| {
        format!(
            "(i32.store (i32.const 32) (i32.const {ends})) (i32.store (i32.const 36) (i32.const {ends}))
             (call $write (i32.const 0) (i32.const 32) (i32.const {count}) (i32.const 256) (i32.const 1)
               (i32.const 32) (i32.const 1) (i32.const 64) (i32.const 7))"
        )
    };
    let recursion = "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";
    let growing_table = "(table $t 1 funcref)";
    let log_flood = "(loop $again (call $log (i32.const 0) (i32.const 256) (i32.const 1)) (br $again))";
    let log_bomb = "(drop (memory.grow (i32.const 300)))
        (loop $again (call $log (i32.const 0) (i32.const 131072) (i32.const 16000000)) (br $again))";
    // 50,000 lookups of one key, again and again.
    let lookups = "(local $at i32) (drop (memory.grow (i32.const 20)))
        (loop $fill (i32.store (i32.add (i32.const 131072) (local.get $at)) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br_if $fill (i32.lt_u (local.get $at) (i32.const 4))))
        (loop $again
          (call $get_many (i32.const 0) (i32.const 131072) (i32.const 1) (i32.const 256) (i32.const 1) (i32.const 48))
          (global.set $top (i32.const 65536)) (br $again))";
    // What it is, what it does, what else the module has, texts; the category and words of the fault.
    type Case<'a> = (&'a str, String, String, &'a [u8], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        ("loop", LOOP.into(), String::new(), b"", "fuel-limit", "sandbox.event_fuel is 50000000"),
        ("unreachable", "unreachable".into(), String::new(), b"", "trap", "unreachable"),
        (
            "divide",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))".into(),
            String::new(),
            b"",
            "trap",
            "divide by zero",
        ),
        ("out of bounds", "(drop (i32.load (i32.const -4)))".into(), String::new(), b"", "trap", "out of bounds"),
        (
            "memory",
            "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable".into(),
            String::new(),
            b"",
            "memory-limit",
            "sandbox.memory_bytes is 33554432",
        ),
        (
            "table",
            "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 999)) (i32.const -1))))
             unreachable"
                .into(),
            growing_table.into(),
            b"",
            "table-limit",
            "sandbox.table_elements is 100000",
        ),
        (
            "recursion",
            "(drop (call $deep (i32.const 1)))".into(),
            recursion.into(),
            b"",
            "stack-limit",
            "sandbox.stack_bytes is",
        ),
        (
            "another's table",
            put(1, 256, 1, 64, 7),
            String::new(),
            b"",
            "contract",
            "no table number 1, describe() declares 1",
        ),
        ("no table at all", put(-1, 256, 1, 64, 7), String::new(), b"", "contract", "no table number 4294967295"),
        (
            "a key that is not UTF-8",
            put(0, 1024, 2, 64, 7),
            String::new(),
            b"\xff\xfe",
            "contract",
            "a key is not UTF-8",
        ),
        ("a key with a NUL", put(0, 1024, 3, 64, 7), String::new(), b"a\0b", "contract", "NUL"),
        ("an empty key", put(0, 256, 0, 64, 7), String::new(), b"", "contract", "a key is empty"),
        ("a huge key", put(0, 4096, 2000, 64, 7), String::new(), b"", "contract", "sandbox.key_bytes is 1024"),
        (
            "a row that is not JSON",
            put(0, 256, 1, 1024, 7),
            String::new(),
            b"{\"n\":1,",
            "contract",
            "is not valid JSON",
        ),
        ("a row that is not UTF-8", put(0, 256, 1, 1024, 9), String::new(), b"{\"n\":\"\xff\"}", "contract", "is not"),
        ("a row that is no object", put(0, 256, 1, 1024, 3), String::new(), b"[1]", "contract", "is not a JSON object"),
        (
            "a huge row",
            format!("(drop (memory.grow (i32.const 64))) {}", put(0, 256, 1, 4096, 2_000_000)),
            String::new(),
            b"",
            "contract",
            "sandbox.value_bytes is 1048576",
        ),
        (
            "a text that ends after the bytes",
            lies(9, 1),
            String::new(),
            b"",
            "contract",
            "which is before its start or after the bytes",
        ),
        ("fewer keys than values", lies(1, 0), String::new(), b"", "contract", "but there are 1 bytes"),
        ("a list beyond memory", lies(1, 1_000_000_000), String::new(), b"", "trap", "out of bounds"),
        ("a log flood", log_flood.into(), String::new(), b"", "contract", "sandbox.call_operations is 20000"),
        ("log lines of 16 MB", log_bomb.into(), String::new(), b"", "contract", "sandbox.call_operations"),
        ("lookups", lookups.into(), String::new(), b"", "contract", "sandbox.call_operations is 20000"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path());
    let api = host.api();
    let writes = put(0, 256, 1, 64, 7).leak();
    let good = api.upload(Handwritten { apply: writes, ..Handwritten::default() }.module()).await;
    append(&api, &["Count"]).await;
    api.deploy("good", &good, &[]).await;
    api.until_state("good", 1, "ready").await;
    let mut versions = Vec::new();
    for (_, body, more, texts, ..) in cases {
        let texts: &'static [u8] = texts.to_vec().leak();
        let (locals, body) = match body.find("(local $at i32)") {
            Some(_) => ("(local $at i32)", body.replace("(local $at i32)", "")),
            None => ("", body.clone()),
        };
        let apply = format!("{locals} {}", at_bad(&body)).leak();
        let guest = Handwritten { apply, more: more.clone(), texts, ..Handwritten::default() };
        let digest = api.upload(guest.module()).await;
        let version = api.deploy("bad", &digest, &[]).await;
        api.until_caught_up("bad", version).await;
        versions.push(version);
    }
    let memory = host.peak_memory();
    let position = append(&api, &["Count", "Bad", "Count"]).await + 1;
    for ((name, _, _, _, category, words), version) in cases.iter().zip(versions) {
        let status = api.until_state("bad", version, "faulted").await;
        let fault = &status["fault"];
        assert_eq!((&fault["category"], &fault["position"]), (&json!(category), &json!(position)), "{name}: {status}");
        assert_eq!((&fault["event_type"], &fault["stream"]), (&json!("Bad"), &json!("s")), "{name}: {status}");
        assert!(fault["message"].as_str().unwrap().contains(words), "{name}: {words} is not in {fault}");
        assert_eq!(status["checkpoint"], position - 1, "{name}: everything before it is there");
        if let Some(limit) = fault["limit"]["name"].as_str() {
            assert!(fault["hint"].as_str().unwrap().contains(&format!("--limit sandbox.{limit}=")), "{name}: {fault}");
        }
    }
    append(&api, &["Count"]).await;
    api.until_caught_up("good", 1).await;
    assert_eq!(api.get("read-models/good/rows/k?version=1").await.body, json!({"n": 1}));
    if let (Some(before), Some(after)) = (memory, host.peak_memory()) {
        assert!(after - before < 256.0, "it took {before} MiB before, and {after} after");
    }
}

#[tokio::test]
async fn a_row_with_more_index_entries_than_a_commit_may_have_is_refused_before_they_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with(dir.path(), &["sandbox.commit_bytes=16M"]);
    let api = host.api();
    // A row of a megabyte, which is an array of half a million numbers.
    let body = "(drop (memory.grow (i32.const 32)))
        (memory.copy (i32.const 131072) (i32.const 1024) (i32.const 6)) (local.set $at (i32.const 131078))
        (loop $more
          (i32.store16 (local.get $at) (i32.const 0x2c31)) (local.set $at (i32.add (local.get $at) (i32.const 2)))
          (br_if $more (i32.lt_u (local.get $at) (i32.const 1131078))))
        (memory.copy (local.get $at) (i32.const 1030) (i32.const 3))
        (call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 131072) (i32.const 1000009))";
    let apply = format!("(local $at i32) {}", at_bad(body)).leak();
    let guest = Handwritten { apply, index: "a[]", texts: b"{\"a\":[1]}", ..Handwritten::default() };
    let digest = api.upload(guest.module()).await;
    api.deploy("many", &digest, &[]).await;
    api.until_state("many", 1, "ready").await;
    let position = append(&api, &["Count", "Bad"]).await + 1;
    let status = api.until_state("many", 1, "faulted").await;
    let fault = &status["fault"];
    assert_eq!((&fault["position"], &fault["limit"]["name"]), (&json!(position), &json!("commit_bytes")), "{status}");
    assert!(fault["message"].as_str().unwrap().contains("index entries"), "{fault}");
}

#[tokio::test]
async fn queries_that_loop_or_answer_with_a_bomb_are_ended_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path());
    let api = host.api();
    append(&api, &["Count"]).await;
    let answer = |pointer: i32, bytes: i32| -> &'static str {
        format!(
            "(drop (memory.grow (i32.const 300))) (i32.store (i32.const 16) (i32.const 0))
             (i32.store (i32.const 20) (i32.const {pointer})) (i32.store (i32.const 24) (i32.const {bytes}))
             (return (i32.const 16))"
        )
        .leak()
    };
    let cases = [
        (LOOP, "query stopped", "sandbox.query_fuel is 20000000"),
        ("unreachable", "query stopped", "unreachable"),
        (
            "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 64) (i32.const 7))",
            "query stopped",
            "must not write rows",
        ),
        (answer(65_536, 10_000_000), "query failed", "sandbox.query_answer_bytes is 8388608"),
        (answer(1024, 5), "query failed", "not JSON"),
        (answer(1024, 1_000_000_000), "query stopped", "out of bounds"),
    ];
    for (index, (query, title, words)) in cases.into_iter().enumerate() {
        let guest = Handwritten { query, texts: b"{\"n\":", ..Handwritten::default() };
        let digest = api.upload(guest.module()).await;
        let version = api.deploy("asked", &digest, &[]).await;
        api.until_state("asked", version, "ready").await;
        let answer = api.get(&format!("read-models/asked/queries/ask?version={version}")).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (500, Some(title)), "case {index}: {answer:?}");
        assert!(answer.body["detail"].as_str().unwrap().contains(words), "case {index}: {answer:?}");
    }
    let digest = api.upload(Handwritten::default().module()).await;
    let version = api.deploy("asked", &digest, &[]).await;
    api.until_state("asked", version, "ready").await;
    let answer = api.get(&format!("read-models/asked/queries/ask?version={version}")).await;
    assert_eq!((answer.status, &answer.body["n"]), (200, &json!(1)), "{answer:?}");
}

#[tokio::test]
async fn a_module_that_is_dear_to_compile_is_refused_while_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path());
    let api = host.api();
    append(&api, &["Count"]).await;
    // One function of two million instructions that all depend on each other.
    const STEP: &str = "(i32.mul (local.get 1)) (i32.add (local.get 1)) (local.tee 0) (i32.rotl (local.get 1)) \
        (i32.xor (local.get 0)) ";
    let mut body = String::from("(func (param i32 i32) (result i32) (local.get 0)");
    for _ in 0..400_000 {
        body.push_str(STEP);
    }
    body.push(')');
    let dear = Handwritten { more: body, ..Handwritten::default() }.module();
    let answer = api.send(api.client.post(api.at("modules")).body(dear)).await.body;
    let path = format!("modules/{}", answer["digest"].as_str().unwrap());
    let refused = api.until(&path, |module| module["state"] != "compiling").await;
    assert_eq!(refused["error"]["title"], "compile failed", "{refused}");
    assert!(refused["error"]["detail"].as_str().unwrap().contains("sandbox.compile_memory_bytes"), "{refused}");
    append(&api, &["Count"]).await;
    let good = api.upload(module("hostile")).await;
    api.deploy("good", &good, &[]).await;
    api.until_state("good", 1, "ready").await;
}

#[tokio::test]
async fn a_version_that_does_not_get_on_is_seen_while_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let host = host_with(dir.path(), &["sandbox.event_fuel=1000000000000", "projections.stall_seconds=1"]);
    let api = host.api();
    append(&api, &["Count"]).await;
    let bad = api.upload(module("hostile")).await;
    let good = api.upload(Handwritten { bad: "Loop", ..Handwritten::default() }.module()).await;
    for (name, digest) in [("bad", &bad), ("good", &good)] {
        api.deploy(name, digest, &[]).await;
        api.until_state(name, 1, "ready").await;
        api.post(&format!("projections/{name}/versions/1/promote"), json!({})).await;
    }
    let line = |name: &str, value: &str| {
        format!("kinora_version_stalled_seconds{{projection=\"{name}\",version=\"1\"}} {value}")
    };
    assert!(api.metrics().await.contains(&line("bad", "0\n")));
    // What stands in the same window as the event is not applied either.
    api.until_caught_up("bad", 1).await;
    append(&api, &["Loop"]).await;
    let status = api.until("projections/bad/versions/1", |status| status["stalled_seconds"].as_u64() >= Some(1)).await;
    assert_eq!((&status["state"], &status["lag"]), (&json!("live"), &json!(1)), "{status}");
    let metrics = api.metrics().await;
    assert!(!metrics.contains(&line("bad", "0\n")) && metrics.contains(&line("good", "0\n")), "{metrics}");
    let ready = api.readiness().await;
    assert_eq!((ready.status, &ready.body["waiting"][0]["projection"]), (503, &json!("bad")), "{ready:?}");
    append(&api, &["Count"]).await;
    let status = api.until_caught_up("good", 1).await;
    assert_eq!(status["stalled_seconds"], Value::Null, "{status}");
    host.kill();
}
