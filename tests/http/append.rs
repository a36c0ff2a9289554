//! Appends as clients make them: retried with a key, as CloudEvents, too many at once, on a host that puts its syncs
//! off.

use std::time::Duration;

use futures::future::join_all;
use kinora_log::Durability;
use kinora_tests::{Answer, Api, Host, until};
use serde_json::{Value, json};

async fn post(api: &Api, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = api.client.post(api.at(path)).body(body.to_owned());
    api.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn events(api: &Api) -> Vec<Value> {
    api.get("events?limit=1000").await.body["events"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once_even_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let body = r#"[{"type":"T","data":1},{"type":"T","data":2}]"#;
    let key = [("idempotency-key", "\"order-1\"")];
    let first = post(&api, "streams/a/events", &key, body).await;
    assert_eq!((first.status, &first.body["duplicate"]), (201, &json!(false)));
    let transaction = r#"{"appends":[{"stream":"b","events":[{"type":"T","data":3}]}]}"#;
    assert_eq!(post(&api, "transactions", &[("idempotency-key", "order-2")], transaction).await.status, 201);
    host.stop();

    let host = Host::start(dir.path());
    let api = host.api();
    let again = post(&api, "streams/a/events", &key, body).await;
    assert_eq!((again.status, &again.body["duplicate"]), (201, &json!(true)));
    for field in ["first_position", "last_position", "revision"] {
        assert_eq!(again.body[field], first.body[field]);
    }
    let again = post(&api, "transactions", &[("idempotency-key", "order-2")], transaction).await;
    assert_eq!(
        (&again.body["duplicate"], &again.body["streams"]),
        (&json!(true), &json!([{"stream": "b", "revision": 0}]))
    );

    // The same key for anything else: another body, stream, expectation or kind of request.
    for (path, headers, body) in [
        ("streams/a/events", vec![key[0]], r#"{"type":"T","data":9}"#),
        ("streams/other/events", vec![key[0]], body),
        ("streams/a/events", vec![key[0], ("if-match", "*")], body),
        ("transactions", vec![key[0]], transaction),
    ] {
        let answer = post(&api, path, &headers, body).await;
        assert_eq!((answer.status, &answer.body["title"]), (422, &json!("idempotency key reused")), "{answer:?}");
        assert_eq!(answer.body["key_reused_position"], json!(0));
    }
    for (key, status) in [("", 400), (&*"k".repeat(257), 413)] {
        assert_eq!(post(&api, "streams/a/events", &[("idempotency-key", key)], body).await.status, status);
    }
    assert_eq!(events(&api).await.len(), 3);
}

/// A small append to a plainly written stream has a way of its own past the routes; an encoded name and a long body go
/// through them.
#[tokio::test]
async fn an_append_is_answered_the_same_on_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let spaces = " ".repeat(2_000);
    let event = r#"{"type":"T","data":1}"#;
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16);
    let cases: [Case; 7] = [
        ("a", "%61", &[], event, 201),
        ("a", "%61", &[("if-none-match", "*")], event, 412),
        ("a", "%61", &[("if-match", "\"x\"")], event, 400),
        ("a", "%61", &[], r#"{"type":"T","data":1"#, 400),
        ("a", "%61", &[], r#"{"type":"T","data":1,"other":2}"#, 400),
        ("$kinora.a", "%24kinora.a", &[], event, 403),
        ("a", "%61", &[("content-type", "application/cloudevents+json")], r#"{"specversion":"1.0"}"#, 400),
    ];
    for (plain, encoded, headers, body, status) in cases {
        let mut answers = Vec::new();
        for (stream, body) in [(plain, body.to_owned()), (encoded, body.to_owned()), (plain, format!("{spaces}{body}"))]
        {
            let mut answer = post(&api, &format!("streams/{stream}/events"), headers, &body).await;
            assert_eq!(answer.status, status, "{stream} {body}: {answer:?}");
            for grows in ["first_position", "last_position", "revision"] {
                answer.body.as_object_mut().unwrap().remove(grows);
            }
            // Where in the body something is wrong is another matter with spaces before it.
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            answer.body["detail"] = json!(detail.split(" at line ").next());
            answers.push(answer.body);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    }
    let metrics = api.metrics().await;
    for (status, count) in [(201, 3), (412, 3), (403, 3), (400, 12)] {
        let labels = format!(r#"route="/v1/streams/{{stream}}/events",method="POST",status="{status}""#);
        let line = format!("kinora_http_requests_total{{{labels}}} {count}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    let times = r#"kinora_http_request_seconds_count{route="/v1/streams/{stream}/events"} 21"#;
    assert!(metrics.contains(times), "{metrics}");
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Host::options(dir.path());
    options.log.keep_requests = Duration::ZERO;
    let host = Host::run(options);
    let api = host.api();
    for _ in 0..2 {
        until("a new append", async || {
            let answer = post(&api, "streams/a/events", &[("idempotency-key", "k")], r#"{"type":"T","data":1}"#).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.body["duplicate"] == json!(false)
        })
        .await;
    }
}

#[tokio::test]
async fn cloudevents_come_in_three_modes_and_are_appended_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let event = |id: &str| {
        json!({
            "specversion": "1.0", "id": id, "source": "/shop", "type": "OrderPlaced", "time": "2026-01-01T00:00:00Z",
            "schema": 2, "tags": "order:7,shop", "data": {"total": 12.50},
        })
    };
    let structured = ("content-type", "application/cloudevents+json; charset=utf-8");
    let answer = post(&api, "streams/orders/events", &[structured], &event("1").to_string()).await;
    assert_eq!((answer.status, &answer.body["first_position"]), (201, &json!(0)), "{answer:?}");
    let batch = ("content-type", "application/cloudevents-batch+json");
    let answer = post(&api, "streams/orders/events", &[batch], &json!([event("2"), event("3")]).to_string()).await;
    assert_eq!((answer.status, &answer.body["last_position"]), (201, &json!(2)), "{answer:?}");
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "OrderPlaced"),
        ("ce-time", "2026-01-01T00:00:00Z"),
        ("ce-schema", "2"),
        ("ce-tags", "order:7,shop"),
    ];
    let answer = post(&api, "streams/orders/events", &binary, r#"{"total":12.5}"#).await;
    // The same event but for the attribute datacontenttype: it says something else, so it is no retry.
    assert_eq!((answer.status, &answer.body["title"]), (409, &json!("id reused")), "{answer:?}");
    let answer = post(&api, "streams/orders/events", &[structured], &event("1").to_string()).await;
    assert_eq!((&answer.body["first_position"], &answer.body["duplicate"]), (&json!(0), &json!(true)));

    let found = events(&api).await;
    assert_eq!(found.len(), 3);
    assert_eq!(
        (&found[0]["type"], &found[0]["schema"], &found[0]["tags"]),
        (&json!("OrderPlaced"), &json!(2), &json!(["order:7", "shop"]))
    );
    assert_eq!(
        found[0]["metadata"]["cloudevent"],
        json!({"id": "1", "source": "/shop", "time": "2026-01-01T00:00:00Z"})
    );
    let wrong = post(&api, "streams/orders/events", &[structured], r#"{"specversion":"1.0","id":"1"}"#).await;
    assert_eq!((wrong.status, &wrong.body["title"]), (400, &json!("invalid cloudevent")));
}

#[tokio::test]
async fn a_host_that_puts_syncs_off_says_so_and_shows_nothing_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Host::options(dir.path());
    options.log.durability = Durability::Interval(400);
    let host = Host::run(options);
    let api = host.api();
    let body = r#"{"appends":[{"stream":"a","events":[{"type":"T","data":1}]}],
        "claims":{"take":[{"scope":"s","value":"v","owner":"a"}]}}"#;
    let mut hidden = 0;
    for n in 0..5 {
        let answer = post(&api, "streams/a/events", &[], &format!(r#"{{"type":"T","data":{n}}}"#)).await;
        assert_eq!((answer.status, &answer.body["durability"]), (201, &json!({"interval": 400})));
        // Acknowledged, and not to be read yet, unless the interval has just ended.
        hidden += usize::from(events(&api).await.len() == n);
        api.until("events", |page| page["events"].as_array().unwrap().len() == n + 1).await;
    }
    assert!(hidden >= 3, "{hidden} of 5 appends were not durable at once");
    let appended = post(&api, "transactions", &[], body).await;
    let claim = api.get("claims/s/v").await;
    assert_eq!((claim.status, &claim.body["since"]), (200, &appended.body["first_position"]));
    assert_eq!(events(&api).await.len(), 6, "a claim is shown once it is durable");
    post(&api, "streams/a/events", &[], r#"{"type":"T","data":9}"#).await;
    host.stop();
    let host = Host::start(dir.path());
    assert_eq!(events(&host.api()).await.len(), 7, "an orderly end syncs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_floods_is_turned_away_and_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["log.client_requests=8"]);
    let api = host.api();
    // Each request takes long enough to commit that more of them wait than one client may have waiting.
    let body = json!(vec![json!({"type": "T", "data": "x".repeat(1_000)}); 200]).to_string();
    let flood = (0..1_600).map(|_| {
        let (api, body) = (api.clone(), body.clone());
        tokio::spawn(async move {
            let request = api.client.post(api.at("streams/flood/events")).header("kinora-client", "flood").body(body);
            let answer = api.text(request).await;
            let title = answer.json()["title"].as_str().map(str::to_owned);
            (answer.status, answer.headers.contains_key("retry-after"), title)
        })
    });
    let flood: Vec<_> = flood.collect();
    let mut polite = Vec::new();
    while polite.len() < 10 {
        let answer =
            post(&api, "streams/polite/events", &[("kinora-client", "polite")], r#"{"type":"T","data":1}"#).await;
        polite.push(answer.status);
    }
    assert_eq!(polite, [201; 10]);
    let answers: Vec<_> = join_all(flood).await.into_iter().map(Result::unwrap).collect();
    let served = answers.iter().filter(|answer| answer.0 == 201).count();
    assert!(answers.iter().all(|answer| answer.0 == 201 || (matches!(answer.0, 429 | 503) && answer.1)), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.2.as_deref() == Some("too many requests")), "{answers:?}");
    let stats = api.get("log").await.body;
    assert_eq!(stats["events"], json!(served * 200 + 10), "what was turned away is not there");
}
