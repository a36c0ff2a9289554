//! Bounds of reads: of what is asked, pages that end by bytes, time and memory with the names of their
//! limits, places for those who follow, and work that ends when nobody waits for it.

use std::time::Instant;

use futures::StreamExt;
use futures::future::join_all;
use kinora_tests::{Api, Host, module, until};
use serde_json::{Value, json};

/// Appends events of about a kibibyte each.
async fn append(api: &Api, stream: &str, count: usize) {
    let event = |n: usize| json!({"type": "Noted", "data": {"n": n, "text": "x".repeat(1_000)}});
    let events: Vec<_> = (0..count).map(event).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// A club whose members have long names, live.
async fn club(host: &Host, members: usize) -> Api {
    let api = host.api();
    for number in 0..members {
        let (name, tags) = (format!("{number:03}{}", "x".repeat(1_000)), [number.to_string(), "all".to_owned()]);
        let data = json!({"name": name, "mail": null, "tags": tags});
        let data = json!({"type": "Joined", "data": data});
        assert_eq!(api.post(&format!("streams/m{number:03}/events"), data).await.status, 201);
    }
    let digest = api.upload(module("members")).await;
    api.deploy_live("club", &digest).await;
    api
}

fn title(body: &Value) -> &str {
    body["title"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_is_too_deep_too_much_or_too_long_is_refused_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = club(&host, 2).await;
    let deep = vec!["a"; 20_000].join(".");
    let names = (0..5_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",");
    let keys = (0..6_500).map(|n| format!("k{n}")).collect::<Vec<_>>().join(",");
    let pattern = "*a".repeat(5_000);
    for (parameters, kind) in [
        (vec![("limit", "18446744073709551615".to_owned())], "invalid parameter"),
        (vec![("limit", "1001".to_owned())], "invalid parameter"),
        (vec![("key", format!("in.({keys})"))], "invalid filter"),
        (vec![("key", "in.(a)".to_owned()); 101], "invalid parameter"),
        (vec![("or", format!("({})", vec!["name.eq.a"; 101].join(",")))], "invalid filter"),
        (vec![("name", format!("like.{pattern}"))], "invalid filter"),
        (vec![("tags", format!("cs.[{}]", vec!["1"; 101].join(",")))], "invalid filter"),
        (vec![(&*deep, "eq.1".to_owned())], "invalid filter"),
        (vec![("order", deep.clone())], "invalid order"),
        (vec![("order", names.clone())], "invalid order"),
        (vec![("select", deep.clone())], "invalid select"),
        (vec![("select", names.clone())], "invalid select"),
        (vec![("aggregate", format!("sum({deep})"))], "invalid aggregate"),
        (
            vec![("aggregate", (0..101).map(|n| format!("n{n}:count")).collect::<Vec<_>>().join(","))],
            "invalid aggregate",
        ),
        (vec![("aggregate", "count".to_owned()), ("group", deep.clone())], "invalid parameter"),
        (vec![("facets", names.clone())], "invalid parameter"),
    ] {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = api.get_with("read-models/club/members", &parameters).await;
        let asked: String = format!("{parameters:?}").chars().take(100).collect();
        assert_eq!((answer.status, title(&answer.body)), (400, kind), "{asked}");
        assert!(answer.body["hint"].is_string(), "{asked}");
    }
    let refused = api.get_with("events", &[("types", names.as_str())]).await;
    assert_eq!((refused.status, title(&refused.body)), (400, "invalid parameter"));
    // As much as there may be is answered.
    let keys = (0..999).map(|n| format!("m{n:03}")).collect::<Vec<_>>().join(",");
    let answer = api.get_with("read-models/club/members", &[("key", &*format!("in.({keys})"))]).await;
    assert_eq!((answer.status, answer.body["rows"].as_array().map(Vec::len)), (200, Some(2)), "{answer:?}");
}

/// Follows `next` from page to page. Gives how many items each page has, and all items.
async fn pages(api: &Api, path: &str, items: &str) -> (Vec<usize>, Vec<Value>) {
    let (mut sizes, mut all, mut next) = (Vec::new(), Vec::new(), Some(format!("/v1/{path}")));
    while let Some(path) = next {
        let answer = api.send(api.client.get(format!("{}{path}", api.url))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.body[items].as_array().unwrap();
        sizes.push(page.len());
        all.extend(page.iter().cloned());
        next = answer.body["next"].as_str().map(str::to_owned);
    }
    (sizes, all)
}

#[tokio::test]
async fn pages_end_by_bytes_and_together_they_are_everything() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["queries.page_bytes=3000"]);
    let api = club(&host, 10).await;
    let lists = [
        "read-models/club/members?limit=10",
        "read-models/club/members?limit=10&order=name.desc",
        "read-models/club/members?limit=10&order=tags,name&scan=true",
        "read-models/club/members?limit=10&at_position=9&order=name",
        "read-models/club/members?limit=10&tags=cs.{all}",
    ];
    for path in lists {
        let (sizes, rows) = pages(&api, path, "rows").await;
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < 10), "{path}: {sizes:?}");
        let mut keys: Vec<_> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
        if path.contains("desc") {
            keys.reverse();
        }
        assert_eq!(keys, (0..10).map(|n| format!("m{n:03}")).collect::<Vec<_>>(), "{path}");
    }
    // Whoever follows gets rows of many pages in one round.
    let mut followed = api.follow(api.client.get(api.at("read-models/club/members"))).await;
    let messages = followed.until(|message| message.kind == "position").await;
    assert_eq!(messages.iter().filter(|message| message.kind == "row").count(), 10, "{messages:?}");

    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["queries.page_bytes=3000"]);
    let api = host.api();
    append(&api, "long", 10).await;
    for path in [
        "streams/long/events?limit=10",
        "streams/long/events?limit=10&direction=backwards",
        "events?limit=10&stream_prefix=long",
        "events?limit=10&types=Noted&direction=backwards",
    ] {
        let (sizes, events) = pages(&api, path, "events").await;
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < 10), "{path}: {sizes:?}");
        let mut numbers: Vec<_> = events.iter().map(|event| event["revision"].as_u64().unwrap()).collect();
        if path.contains("backwards") {
            numbers.reverse();
        }
        assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "{path}");
    }
}

#[tokio::test]
async fn what_takes_too_long_or_too_much_says_by_which_limit() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["queries.seconds=0", "queries.long_seconds=0"]);
    let api = host.api();
    append(&api, "s", 3).await;
    let digest = api.upload(module("members")).await;
    for (path, name) in [("events", "queries.seconds"), ("streams/s/events", "queries.seconds")] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, title(&answer.body)), (503, "timed out"), "{path} {answer:?}");
        assert_eq!((answer.body["name"].as_str(), answer.body["limit"].as_f64()), (Some(name), Some(0.0)), "{path}");
        assert!(answer.body["detail"].as_str().unwrap().contains(name), "{answer:?}");
    }
    let dry = api.post("upcasters/dry-run", json!({"upcasters": [digest]})).await;
    assert_eq!((dry.status, dry.body["name"].as_str()), (503, Some("queries.long_seconds")), "{dry:?}");
    let metrics = api.metrics().await;
    assert!(metrics.contains("kinora_reads_ended_total{why=\"time\"} 3"), "{metrics}");

    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["queries.bytes=4000"]);
    let api = club(&host, 10).await;
    for parameters in [
        "aggregate=count&group=name",
        "facets=name",
        "aggregate=max(name)&group=tags",
        "limit=10&order=tags&scan=true",
        "limit=10",
    ] {
        let answer = api.get(&format!("read-models/club/members?{parameters}")).await;
        assert_eq!((answer.status, title(&answer.body)), (413, "too large"), "{parameters} {answer:?}");
        let said = (answer.body["name"].as_str(), answer.body["limit"].as_u64());
        assert_eq!(said, (Some("queries.bytes"), Some(4_000)), "{parameters}");
    }
    let versions = api.get("read-models/club/members/m001?versions=5").await;
    assert_eq!(versions.status, 200, "what is small is answered: {versions:?}");
    let followed = api.client.get(api.at("read-models/club/members"));
    let refused = api.try_follow(followed).await.err().unwrap();
    assert_eq!((refused.status, title(&refused.json())), (413, "too large"));
    assert_eq!(api.deploy("club", &api.upload(module("members")).await, &[]).await, 2);
    api.until_caught_up("club", 2).await;
    assert_eq!(api.get("projections/club/diff?from=1&to=2").await.status, 200, "nothing differs");
}

#[tokio::test]
async fn events_that_wait_for_a_follower_are_what_reads_may_have_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["queries.bytes=4000"]);
    let api = host.api();
    append(&api, "s", 2).await;
    let mut followed = api.follow(api.client.get(api.at("events"))).await;
    let messages = followed.until(|message| message.kind == "caught-up").await;
    assert_eq!(messages.len(), 3, "{messages:?}");
    append(&api, "s", 8).await;
    let messages = followed.until(|message| message.kind != "event").await;
    let problem = messages.last().unwrap();
    assert_eq!((problem.kind.as_str(), title(&problem.data)), ("problem", "too large"), "{problem:?}");
    assert_eq!(problem.data["name"], "queries.bytes");
}

#[tokio::test]
async fn so_many_follow_and_others_are_told_which_limit() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["queries.followers=1"]);
    let api = club(&host, 2).await;
    let first = api.follow(api.client.get(api.at("events"))).await;
    for path in ["events", "streams/m000/events", "read-models/club/members"] {
        let refused = api.try_follow(api.client.get(api.at(path))).await.err().unwrap();
        assert_eq!((refused.status, title(&refused.json())), (503, "busy"), "{path}");
        assert!(refused.text.contains("queries.followers"), "{refused:?}");
    }
    let lines = api.client.get(api.at("events")).header("accept", "application/x-ndjson");
    assert_eq!(api.text(lines).await.status, 503);
    assert!(api.metrics().await.contains("kinora_reads_refused_total{limit=\"queries.followers\"} 4"));
    drop(first);
    let started = Instant::now();
    while api.try_follow(api.client.get(api.at("events"))).await.is_err() {
        assert!(started.elapsed().as_secs() < 60, "the place is free again");
    }
}

#[tokio::test]
async fn readers_that_do_not_read_hold_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    // Fewer threads than readers.
    let host = Host::start_with_blocking_threads(dir.path(), 4);
    let api = host.api();
    // More than the connection of one of them takes.
    for _ in 0..16 {
        append(&api, "s", 1_000).await;
    }
    let reader = || api.client.get(api.at("events")).header("accept", "application/x-ndjson").send();
    let readers = join_all((0..12).map(|_| reader())).await;
    let mut readers: Vec<_> = readers.into_iter().map(Result::unwrap).collect();
    for _ in 0..20 {
        let answer = tokio::time::timeout(std::time::Duration::from_secs(60), api.get("events?limit=1")).await;
        assert_eq!(answer.expect("others are served").status, 200);
    }
    // They are not forgotten: one that goes on gets all.
    let rest = readers.pop().unwrap().text().await.unwrap();
    assert_eq!(rest.lines().count(), 16_000);
    let last: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(last["position"].as_u64(), Some(15_999));
}

#[tokio::test]
async fn who_follows_is_told_of_the_end_when_the_host_ends() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = club(&host, 2).await;
    let following = async |path: &str, accept: &str| {
        let response = api.client.get(api.at(path)).header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes_stream()
    };
    let mut events = following("streams/m000/events", "text/event-stream").await;
    let mut rows = following("read-models/club/members", "text/event-stream").await;
    for stream in [&mut events, &mut rows] {
        assert!(stream.next().await.unwrap().is_ok());
    }
    let ending = tokio::task::spawn_blocking(move || host.stop());
    for mut stream in [events, rows] {
        while let Some(piece) = stream.next().await {
            assert!(piece.is_ok(), "it ends, and does not break off: {piece:?}");
        }
    }
    ending.await.unwrap();
}

#[tokio::test]
async fn a_verification_whose_client_leaves_makes_place_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = club(&host, 5).await;
    let path = "projections/club/versions/1/verification";
    for _ in 0..20 {
        let asked = api.client.get(api.at(path)).send();
        let _ = tokio::time::timeout(std::time::Duration::from_millis(5), asked).await;
    }
    until("a verification is admitted", async || api.get(path).await.status == 200).await;
}
