//! Guests in other languages that do what they should not: each a named fault, in the words of the language where it
//! has some, after which the version goes on.

use kinora_tests::{Api, Host, module_in};
use serde_json::{Value, json};

/// The type of an event and its data, the category of the fault, and words that its message has.
type Case = (&'static str, Value, &'static str, &'static [&'static str]);

fn javascript() -> Vec<Case> {
    vec![
        ("Throw", json!({}), "fault", &["TypeError: ", "at deepest (src/unruly.ts:14)", "at apply (src/unruly.ts:"]),
        ("ThrowText", json!({}), "fault", &["only a text"]),
        ("Chance", json!({}), "fault", &["Math.random() has no place in a guest"]),
        ("Clock", json!({}), "fault", &["the current time has no place in a guest"]),
        ("Today", json!({}), "fault", &["the current time has no place in a guest"]),
        ("Loop", json!({}), "fuel-limit", &["it loops, or costs too much"]),
        ("Grow", json!({}), "fault", &["out of memory", "at Grow (src/unruly.ts:"]),
        ("Recurse", json!({}), "stack-limit", &["it calls itself without end"]),
        ("Wide", json!({"megabytes": 10}), "contract", &["bytes; the limit sandbox.value_bytes is 1048576"]),
        ("Text", json!({}), "fault", &[r#"of table "counts": n: expected an integer"#, r#"found "7""#]),
        ("Fraction", json!({}), "fault", &["n: expected an integer", "found 0.5"]),
        ("NotFinite", json!({}), "fault", &["n: expected an integer", "found NaN"]),
    ]
}

fn python() -> Vec<Case> {
    vec![
        (
            "Throw",
            json!({}),
            "fault",
            &["KeyError: 'missing'", "at deepest (unruly.py:", "at Unruly.apply (unruly.py:"],
        ),
        ("Chance", json!({}), "fault", &["random.randrange() has no place in a guest"]),
        ("Entropy", json!({}), "trap", &["the guest asked for random numbers", "have to give the same rows"]),
        ("Clock", json!({}), "fault", &["time.time_ns() has no place in a guest"]),
        ("Today", json!({}), "trap", &["the guest asked for the time", "have to give the same rows"]),
        ("Loop", json!({}), "fuel-limit", &["it loops, or costs too much"]),
        ("Grow", json!({}), "fault", &["MemoryError", "at grow (unruly.py:"]),
        ("Recurse", json!({}), "fault", &["RecursionError: ", "at recurse (unruly.py:"]),
        ("Wide", json!({"megabytes": 10}), "contract", &["bytes; the limit sandbox.value_bytes is 1048576"]),
        ("Text", json!({}), "fault", &["of table 'counts': n: expected an integer, found '7'"]),
        ("Fraction", json!({}), "fault", &["n: expected an integer, found 0.5"]),
        ("NotFinite", json!({}), "fault", &["n: expected an integer, found nan"]),
    ]
}

async fn append(api: &Api, kind: &str, data: &Value) -> u64 {
    let appended = api.post(&format!("streams/{kind}/events"), json!({"type": kind, "data": data})).await;
    appended.body["first_position"].as_u64().unwrap()
}

/// `hidden`: an event whose row depends on what no row has, which the proof of determinism finds.
async fn each_is_a_named_fault(wasm: Vec<u8>, cases: Vec<Case>, hidden: &str) {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(wasm).await;
    api.deploy_live("unruly", &digest).await;
    for (kind, data, category, words) in cases {
        let position = append(&api, kind, &data).await;
        let status = api.until_state("unruly", 1, "faulted").await;
        let fault = &status["fault"];
        let message = fault["message"].as_str().unwrap();
        assert_eq!((&fault["category"], &fault["position"]), (&json!(category), &json!(position)), "{kind}: {fault}");
        assert!(words.iter().all(|word| message.contains(word)), "{kind}: {fault}");
        let skip = json!({"position": position, "reason": "it was meant to be so"});
        assert_eq!(api.post("projections/unruly/versions/1/skip", skip).await.status, 200, "{kind}");
        api.until_caught_up("unruly", 1).await;
    }
    let last = append(&api, "Count", &json!({})).await;
    let row = api.get(&format!("read-models/unruly/counts/Count?min_position={last}")).await;
    assert_eq!(row.body["n"], 1, "{row:?}");
    for _ in 0..20 {
        append(&api, hidden, &json!({})).await;
    }
    let again = json!({"module": digest, "skips_of": 1});
    assert_eq!(api.post("projections/unruly/versions", again).await.status, 202);
    let status = api.until_state("unruly", 2, "faulted").await;
    assert_eq!(status["fault"]["category"], "nondeterministic", "{status}");
    assert!(status["fault"]["message"].as_str().unwrap().contains(hidden), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_in_javascript_should_not_do_is_a_fault_that_says_so() {
    let Some(wasm) = module_in("javascript", "unruly-js") else { return };
    each_is_a_named_fault(wasm, javascript(), "Remember").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_in_python_should_not_do_is_a_fault_that_says_so() {
    let Some(wasm) = module_in("python", "unruly-python") else { return };
    each_is_a_named_fault(wasm, python(), "Identity").await;
}
