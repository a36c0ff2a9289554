//! The log over HTTP.

use kinora_tests::{Api, Host, Message};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let api = Api { client: kinora_tests::client(), url: String::new() };
    let answer = api.send(request).await;
    (answer.status, answer.body)
}

fn counted(n: u64) -> Value {
    json!({"type": "Counted", "data": {"n": n}, "tags": ["a:b"], "metadata": {"correlation": "c"}})
}

#[tokio::test]
async fn what_is_appended_is_read_back_by_stream_and_globally_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let client = kinora_tests::client();
    let host = Host::start(dir.path());
    let (status, body) = answer(client.post(host.events_of("a")).json(&json!([counted(0), counted(1)]))).await;
    assert_eq!(
        (status, body),
        (
            201,
            json!({"first_position": 0, "last_position": 1, "revision": 1, "duplicate": false, "durability": "sync"})
        )
    );
    let transaction = json!({"appends": [
        {"stream": "a", "expected_revision": 1, "events": [counted(2)]},
        {"stream": "b", "expected_revision": "no_stream", "events": [counted(3)]},
    ]});
    let (status, body) = answer(client.post(format!("{}/v1/transactions", host.url)).json(&transaction)).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(body["streams"], json!([{"stream": "a", "revision": 2}, {"stream": "b", "revision": 0}]));
    host.stop();

    let host = Host::start(dir.path());
    let (_, page) = answer(client.get(host.events_of("a")).query(&[("limit", "2")])).await;
    assert_eq!((&page["head"], &page["events"][1]["data"]["n"]), (&json!(2), &json!(1)));
    let (_, rest) = answer(client.get(format!("{}{}", host.url, page["next"].as_str().unwrap()))).await;
    assert_eq!((&rest["events"][0]["position"], &rest["next"]), (&json!(2), &Value::Null));
    let (_, all) = answer(client.get(format!("{}/v1/events?direction=backwards", host.url))).await;
    let order: Vec<_> =
        all["events"].as_array().unwrap().iter().map(|event| event["data"]["n"].as_u64().unwrap()).collect();
    assert_eq!(order, [3, 2, 1, 0]);
    let event = &all["events"][0];
    assert_eq!(
        (&event["stream"], &event["tags"], &event["metadata"]),
        (&json!("b"), &json!(["a:b"]), &json!({"correlation": "c"}))
    );
    assert!(event["time"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn each_wrong_input_is_a_problem_that_says_what_to_do_and_appends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let client = kinora_tests::client();
    let url = host.events_of("s");
    let post = |body: &str| client.post(&url).body(body.to_owned());
    let id = "00000000-0000-0000-0000-000000000001";
    let with_id = |n: u64| json!({"id": id, "type": "T", "data": n}).to_string();
    assert_eq!(answer(post(&with_id(1))).await.0, 201);
    let large = format!(r#"{{"type":"T","data":"{}"}}"#, "x".repeat(2 << 20));
    let cases = [
        (post("{"), 400, "invalid-json"),
        (post("[]"), 400, "invalid-event"),
        (post(r#"{"data":1}"#), 400, "invalid-event"),
        (post(r#"{"type":"T","data":1,"colour":2}"#), 400, "invalid-event"),
        (post(r#"{"type":"T","data":1,"metadata":[]}"#), 400, "invalid-event"),
        (post(r#"{"type":"","data":1}"#), 400, "invalid-name"),
        (post(r#"{"type":"T","schema":0,"data":1}"#), 400, "invalid-name"),
        (post(&large), 413, "too-large"),
        (post(&" ".repeat(40 << 20)), 413, "too-large"),
        (post(&with_id(2)), 409, "id-reused"),
        (post(&with_id(9).replace("1\"", "2\"")).header("if-match", "\"7\""), 412, "wrong-expected-revision"),
        (post(&with_id(9)).header("if-match", "seven"), 400, "invalid-header"),
        (client.get(host.events_of("none")), 404, "unknown-stream"),
        (client.get(format!("{url}?limit=0")), 400, "invalid-parameter"),
        (client.get(format!("{url}?colour=red")), 400, "invalid-parameter"),
        (client.get(&url).header("accept", "text/event-stream").header("last-event-id", "x"), 400, "invalid-header"),
        (client.get(format!("{}/v1/nothing", host.url)), 404, "unknown-route"),
        (client.delete(&url), 405, "wrong-method"),
    ];
    for (request, status, slug) in cases {
        let (found, problem) = answer(request).await;
        assert_eq!(
            (found, &problem["type"]),
            (status, &json!(format!("https://kinora.dev/problems/{slug}"))),
            "{problem}"
        );
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    let (_, page) = answer(client.get(&url)).await;
    assert_eq!((page["events"].as_array().unwrap().len(), &page["head"]), (1, &json!(0)));
}

#[tokio::test]
async fn a_subscription_crosses_from_history_to_live_without_a_gap_and_resumes_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let client = kinora_tests::client();
    let append = async |n| answer(client.post(host.events_of("s")).json(&counted(n))).await;
    for n in 0..5 {
        append(n).await;
    }
    let api = host.api();
    let mut followed = api.follow(api.client.get(api.at("events")).header("last-event-id", "1")).await;
    let mut found = followed.until(|message| message.kind == "caught-up").await;
    for n in 5..10 {
        append(n).await;
        found.push(followed.next().await);
    }
    let told = |kind: &str| found.iter().filter(|message| message.kind == kind).collect::<Vec<_>>();
    let ids: Vec<_> = told("event").into_iter().map(Message::position).collect();
    assert_eq!(ids, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(told("caught-up").len(), 1);
}

#[tokio::test]
async fn a_subscription_of_a_stream_begins_at_a_revision_and_has_no_other_events() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let client = kinora_tests::client();
    let append = async |stream: &str, n| answer(client.post(host.events_of(stream)).json(&counted(n))).await;
    for n in 0..4 {
        append("s", n).await;
        append("other", n).await;
    }
    let mut followed = host.api().follow(client.get(format!("{}?from=2", host.events_of("s")))).await;
    let mut found = followed.until(|message| message.kind == "caught-up").await;
    append("other", 4).await;
    append("s", 4).await;
    found.push(followed.next().await);
    let ids: Vec<_> = found.iter().filter(|message| message.kind == "event").map(Message::position).collect();
    assert_eq!(ids, [4, 6, 9]);
}

#[tokio::test]
async fn a_transaction_carries_conditions_and_claims_and_its_refusal_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let client = kinora_tests::client();
    let transactions = format!("{}/v1/transactions", host.url);
    let book = |user: &str, after: Option<u64>| {
        json!({
            "appends": [{
                "stream": user,
                "events": [{"type": "SeatTaken", "data": {}, "tags": ["seat:12A", "flight:UA 1"]}],
            }],
            "condition": {"none_of": [{"types": ["SeatTaken"], "tags": ["seat:12A"]}], "after": after},
            "claims": {"take": [{"scope": "seat", "value": "UA 1/12A", "owner": user}]},
        })
    };
    let append = async |body: Value| answer(client.post(&transactions).json(&body)).await;
    assert_eq!(append(book("ann", None)).await.0, 201);
    let (status, problem) = append(book("bob", None)).await;
    assert_eq!((status, &problem["matched_position"]), (412, &json!(0)), "{problem}");
    assert_eq!(problem["claims"][0]["holder"], "ann");
    let (status, problem) = append(book("bob", Some(0))).await;
    assert_eq!((status, &problem["title"]), (409, &json!("claim failed")), "{problem}");

    let claim = async |path: &str| answer(client.get(format!("{}/v1/claims/seat/{path}", host.url))).await;
    let held = json!({"scope": "seat", "value": "UA 1/12A", "owner": "ann", "since": 0});
    assert_eq!(claim("UA%201%2F12A").await, (200, held));
    let (status, problem) = claim("UA%201%2F12B").await;
    assert_eq!((status, &problem["title"]), (404, &json!("not claimed")));
    let nothing = json!({"appends": [], "condition": {"none_of": []}});
    assert_eq!(append(nothing).await.1["title"], "invalid condition");
}

#[tokio::test]
async fn a_filtered_read_is_paged_in_both_directions_and_followed_live() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let client = kinora_tests::client();
    let append = async |stream: &str, kind: &str, tag: &str| {
        let event = json!({"type": kind, "data": {}, "tags": [tag, "all, of them"]});
        assert_eq!(answer(client.post(host.events_of(stream)).json(&event)).await.0, 201);
    };
    for (stream, kind, tag) in
        [("a-1", "A", "x"), ("b-1", "B", "x"), ("a-2", "A", "y"), ("a-1", "A", "x"), ("b-1", "A", "x")]
    {
        append(stream, kind, tag).await;
    }
    let positions = async |query: &str| {
        let (mut found, mut next) = (Vec::new(), Some(format!("/v1/events?limit=1&{query}")));
        while let Some(path) = next {
            let (status, page) = answer(client.get(format!("{}{path}", host.url))).await;
            assert_eq!(status, 200, "{page}");
            found.extend(page["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()));
            next = page["next"].as_str().map(str::to_owned);
        }
        found
    };
    assert_eq!(positions("types=A&tags=x").await, [0, 3, 4]);
    assert_eq!(positions("types=A,B&tags=x&direction=backwards").await, [4, 3, 1, 0]);
    assert_eq!(positions("stream_prefix=a-&from=1").await, [2, 3]);
    assert_eq!(positions("from_time=1970-01-01T00:00:00Z&tags=y").await, [2]);
    assert_eq!(positions("from_time=2999-01-01T00:00:00Z").await, [0_u64; 0]);
    let refused = answer(client.get(format!("{}?types=A", host.events_of("a-1")))).await;
    assert_eq!((refused.0, &refused.1["title"]), (400, &json!("invalid parameter")));

    let mut followed = host.api().follow(client.get(format!("{}/v1/events?types=A&tags=x", host.url))).await;
    let mut found = followed.until(|message| message.kind == "caught-up").await;
    append("c-1", "B", "x").await;
    append("c-1", "A", "x").await;
    found.push(followed.next().await);
    let ids: Vec<_> = found.iter().filter(|message| message.kind == "event").map(Message::position).collect();
    assert_eq!(ids, [0, 3, 4, 6]);
}
