//! Upcasters and deciders in other languages: the same events as those in Rust, byte for byte.

use kinora_tests::{Api, Host, module, module_in};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// An event with its data as it was written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    stream: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    claims: Value,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    events: Vec<Written<'a>>,
}

/// All that was decided: stream, type, tags, claims, and the data byte for byte.
async fn written(api: &Api) -> Vec<String> {
    let answer = api.text(api.client.get(api.at("events?limit=1000"))).await;
    let page: Page<'_> = serde_json::from_str(&answer.text).unwrap();
    let own = page.events.into_iter().filter(|event| !event.kind.starts_with('$'));
    own.map(|Written { kind, stream, data, tags, claims }| format!("{stream} {kind} {data} {tags:?} {claims}"))
        .collect()
}

/// Commands of which each kind of outcome comes.
fn commands() -> Vec<(&'static str, &'static str, Value)> {
    let open = |title: &str, price: f64| json!({"title": title, "seats": 4, "price": price});
    let book = |guest: &str, seats: u64| json!({"guest": guest, "seats": seats});
    let exchange = |guest: &str, other: &str| json!({"guest": guest, "other": other});
    vec![
        ("a", "Open", open("A \u{1} \"tale\" of é, 漢 and \u{1f6eb}\u{2028}", 12.1)),
        ("a", "Open", open("A \u{1} \"tale\" of é, 漢 and \u{1f6eb}\u{2028}", 12.1)),
        ("b", "Open", open("B", 3.0)),
        ("c", "Open", open("B", 1e21)),
        ("a", "Book", book("\u{fffd}", 1)),
        ("a", "Book", book("\u{1f6eb}", 2)),
        ("a", "Book", book("10", 1)),
        ("a", "Book", book("9", 9)),
        ("b", "Book", book("9", 3)),
        ("b", "Exchange", exchange("9", "a")),
        ("a", "Exchange", exchange("10", "b")),
        ("b", "Exchange", exchange("nobody", "c")),
        ("b", "Thank", json!({"guest": "10"})),
        ("a", "Thank", json!({"guest": "nobody"})),
        ("b", "Close", json!({})),
        ("c", "Open", open("B", 1e-7)),
        ("c", "Book", book("z", 3)),
        ("c", "Book", json!({"guest": "z"})),
    ]
}

/// What a decider makes of the commands: what was answered, and what was written.
async fn decided(wasm: Vec<u8>) -> (Vec<String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live("seats", wasm).await;
    let mut answers = Vec::new();
    for (id, name, data) in commands() {
        let answer = api.command("seats", id, name, data).await;
        let [code, detail, details] = ["code", "detail", "details"].map(|name| answer.body[name].to_string());
        let said = if answer.is("invalid-command") { String::new() } else { format!("{code} {detail} {details}") };
        answers.push(format!("{} {said}", answer.status));
    }
    // As it is when all of it is decided again, by fresh instances.
    assert!(api.audited("seats").await >= 9);
    (answers, written(&api).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_decider_in_three_languages_decides_the_same_events_byte_for_byte() {
    let (answers, events) = decided(module("seats")).await;
    assert!(events.len() >= 10 && events.iter().any(|event| event.contains("guest:10")), "{events:#?}");
    for word in ["sold_out", "title_taken", r#"{"left":0}"#, "400"] {
        assert!(answers.iter().any(|answer| answer.contains(word)), "{word}: {answers:#?}");
    }
    for (language, name) in [("javascript", "seats-js"), ("python", "seats-python")] {
        let Some(wasm) = module_in(language, name) else { continue };
        let found = decided(wasm).await;
        assert_eq!(found.0, answers, "{language}");
        assert_eq!(found.1, events, "{language}");
    }
}

/// Old events of all kinds, with some that no step can take.
fn old_events() -> Value {
    let event = |kind: &str, schema: u32, data: Value| json!({"type": kind, "schema": schema, "data": data});
    let cents = json!({"10": 1999, "9": 5, "\u{fffd}": 100, "\u{1f6eb}": -7, "": 0});
    let text = "\u{1}\"\\/\u{7f}é\u{2028}漢\u{1f6eb}";
    json!([
        event("Counted", 1, json!({"n": 9_007_199_254_740_991_u64})),
        event("Many", 1, json!({"ns": [1, 2, 3]})),
        event("Many", 1, json!({"ns": []})),
        event("Text", 1, json!(1000)),
        event("Text", 2, json!({"number": "seven"})),
        event("Priced", 1, json!({"article": text, "cents": cents})),
        event("Priced", 1, json!({"article": "", "cents": {}})),
        event("Forgotten", 2, json!({})),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_upcaster_in_three_languages_makes_the_same_of_all_old_events() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    assert_eq!(api.post("streams/s/events", old_events()).await.status, 201);
    let run = async |wasm: Vec<u8>| {
        let upcaster = api.upload(wasm).await;
        let body = json!({"upcasters": [upcaster], "samples": 10});
        let request = api.client.post(api.at("upcasters/dry-run")).json(&body);
        let answer = api.text(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text
    };
    let rust = run(module("conforming")).await;
    for words in [r#""9":0.05"#, r#""mean":null"#, "invalid digit", "neither changed nor dropped", r#""dropped":1"#] {
        assert!(rust.contains(words), "{words}: {rust}");
    }
    for (language, name) in [("javascript", "renaming-js"), ("python", "renaming-python")] {
        let Some(wasm) = module_in(language, name) else { continue };
        assert_eq!(run(wasm).await, rust, "{language}");
    }
}

/// Numbers that look random and are always the same.
fn numbers(count: usize) -> impl Iterator<Item = u64> {
    let mut state = 88_172_645_463_325_252_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
    .take(count)
}

/// Events with numbers of all sizes and texts of all lengths, few and many of them.
fn measured() -> Vec<Value> {
    let event =
        |values: Vec<f64>, names: Vec<String>| json!({"type": "Measured", "data": {"values": values, "names": names}});
    let mut events = vec![event(vec![], vec![]), event(vec![0.0, -0.0, 1e-9, -1e-9, 1.0, -1.0], vec![String::new()])];
    let drawn: Vec<u64> = numbers(3_000).collect();
    for (at, some) in drawn.chunks(30).enumerate() {
        // From a spread that fits into the bins to one that does not.
        let value = |number: &u64| match at {
            ..60 => (number % 1_000_003) as f64 / 997.0 - 300.0,
            _ if number.is_multiple_of(3) => -f64::from_bits((number % (1 << 62)) | (1 << 61)),
            _ => f64::from_bits((number % (1 << 62)) | (1 << 61)),
        };
        let name = |number: &u64| "é漢x".repeat((number % 23) as usize) + &(number % 1_999).to_string();
        events.push(event(some.iter().map(value).collect(), some.iter().map(name).collect()));
    }
    // More than there are bins for: those at the lower end become one, and in the end all of them.
    for values in [vec![1e9, 1.1e-9], vec![1e12], vec![1e300], vec![3e300]] {
        events.push(event(values, vec![]));
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_the_same_in_three_languages_with_all_that_is_kept_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    for event in measured() {
        assert_eq!(api.post("streams/s/events", event).await.status, 201);
    }
    let texts = async |name: &str, wasm: Vec<u8>| {
        let projector = api.upload(wasm).await;
        api.deploy(name, &projector, &[]).await;
        api.until_state(name, 1, "ready").await;
        let rows = api.rows(name, "texts", 1).await;
        rows[0].1["text"].as_str().unwrap().to_owned()
    };
    let rust = texts("figures", module("figures")).await;
    assert!(rust.contains(r#""is_collapsed":true"#) && rust.contains(r#""count":3011"#), "{rust}");
    for (language, name) in [("javascript", "figures-js"), ("python", "figures-python")] {
        let Some(wasm) = module_in(language, name) else { continue };
        let found = texts(name, wasm).await;
        let differs = rust.bytes().zip(found.bytes()).position(|(a, b)| a != b);
        let at = differs.map(|at| (&rust[at.saturating_sub(80)..at + 20], &found[at.saturating_sub(80)..at + 20]));
        assert!(found == rust, "{language}: {at:?}");
    }
}
