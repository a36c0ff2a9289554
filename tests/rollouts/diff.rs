//! Differences between two versions: all of them, in pages or in one stream, at one position; and which events made it
//! so.

use kinora_tests::{Answer, Api, Host, module};
use serde_json::{Value, json};

async fn count(api: &Api, stream: &str, ns: &[u64]) -> u64 {
    let events: Vec<Value> = ns.iter().map(|n| json!({"type": "Count", "data": {"n": n}})).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["last_position"].as_u64().unwrap()
}

/// Two versions that differ in each way: version 2 keeps other fields, no secrets, and a row for everything.
async fn two_versions(api: &Api, streams: u64) {
    for stream in 0..streams {
        count(api, &format!("s{stream:03}"), &[stream, 1]).await;
    }
    count(api, "secret", &[7]).await;
    for (version, name) in [(1, "hostile"), (2, "tally")] {
        let digest = api.upload(module(name)).await;
        assert_eq!(api.deploy("counts", &digest, &[]).await, version);
        api.until_caught_up("counts", version).await;
    }
}

/// Pages from `path` on, to the end: rows, and the positions that they are of.
async fn pages(api: &Api, path: &str) -> (Vec<Value>, Vec<u64>) {
    let (mut rows, mut positions, mut path) = (Vec::new(), Vec::new(), format!("/v1/{path}"));
    loop {
        let Answer { status, body: page, .. } = api.send(api.client.get(format!("{}{path}", api.url))).await;
        assert_eq!(status, 200, "{path}");
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        positions.push(page["position"].as_u64().unwrap());
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => return (rows, positions),
        }
    }
}

#[tokio::test]
async fn all_of_a_difference_comes_in_pages_of_one_position_whatever_is_appended_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    two_versions(&api, 25).await;
    let whole = api.get("projections/counts/diff?from=1&to=2&samples=1").await.body;
    let table = &whole["tables"][0];
    let counts = ["added", "removed", "changed", "unchanged"].map(|what| table[what].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 25, 0], "{whole}");
    assert_eq!(table["changed_fields"], json!({"events": 25, "filler": 25}));

    let comparison = whole["comparison"].as_str().unwrap();
    let path = format!("projections/counts/diff/rows?from=1&to=2&limit=4&comparison={comparison}");
    count(&api, "s100", &[1]).await;
    api.until_caught_up("counts", 2).await;
    let (rows, positions) = pages(&api, &path).await;
    assert_eq!((rows.len(), positions.len()), (27, 7));
    assert!(positions.iter().all(|position| *position == whole["position"]), "{positions:?}");
    let row = &rows[1];
    assert_eq!(
        row,
        &json!({
            "table": "counts", "key": "s001", "change": "changed", "fields": ["events", "filler"],
            "from": {"n": 2, "filler": ""}, "to": {"n": 2, "events": 2},
        })
    );
    let keys: Vec<_> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert!(keys.is_sorted() && keys.contains(&"secret") && keys.contains(&"~all"), "{keys:?}");

    let (rows, _) = pages(&api, "projections/counts/diff/rows?from=1&to=2&start=s003&end=s007&table=counts").await;
    assert_eq!(rows.len(), 4, "{rows:?}");
    let (rows, _) = pages(&api, "projections/counts/diff/rows?from=1&to=2&change=removed").await;
    assert_eq!((rows.len(), &rows[0]["key"], &rows[0]["to"]), (1, &json!("secret"), &Value::Null));
    // A comparison that is gone is replaced by a new one, which says so.
    let gone = format!("projections/counts/diff/rows?from=1&to=2&after=counts/s020&comparison={}", uuid::Uuid::nil());
    let page = api.get(&gone).await.body;
    assert_eq!((page["rows"][0]["key"].as_str(), page["rows"].as_array().unwrap().len()), (Some("s021"), 7));
    assert!(page["position"].as_u64() > whole["position"].as_u64() && page["comparison"] != *comparison, "{page}");
    for (query, title) in [
        ("from=1&to=2&table=nothing", "unknown table"),
        ("from=1&to=2&after=x", "invalid parameter"),
        ("from=1&to=2&limit=0", "invalid parameter"),
        ("from=1&to=9", "unknown version"),
    ] {
        let answer = api.get(&format!("projections/counts/diff/rows?{query}")).await;
        assert_eq!(answer.body["title"], title, "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn all_of_a_difference_comes_as_lines_of_json_or_text_and_goes_on_behind_the_last_line_that_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::start(dir.path());
    let address = host.address().to_owned();
    two_versions(&host.api(), 300).await;
    let api = host.api();
    let get = async |api: &Api, query: &str| {
        api.text(api.client.get(api.at(&format!("projections/counts/diff/rows?from=1&to=2{query}")))).await
    };
    let lines = get(&api, "&format=ndjson").await.lines();
    assert_eq!(lines.len(), 1 + 302 + 1);
    assert_eq!((&lines[0]["from"], &lines[303]), (&json!(1), &json!({"rows": 302, "complete": true})));
    // A host that dies in the middle has lost nothing that cannot be asked for again.
    host.stop();
    host = Host::start_at(dir.path(), &address);
    let api = host.api();
    for version in [1, 2] {
        api.until_caught_up("counts", version).await;
    }
    let rest = get(&api, "&format=ndjson&after=counts/s199").await.lines();
    assert_eq!(rest[1..rest.len() - 1], lines[201..303]);
    let text = get(&api, "&format=text&start=s299").await.text;
    assert!(text.starts_with("version 1 -> version 2, both at position"), "{text}");
    assert!(text.contains("~ counts s299\n    fields events, filler\n    - {\"n\":300,\"filler\":\"\"}\n"), "{text}");
    assert!(text.contains("- counts secret\n") && text.ends_with("3 rows differ\n"), "{text}");
}

#[tokio::test]
async fn for_a_row_that_differs_the_events_that_wrote_it_are_named_in_either_version() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    for round in 0..3 {
        count(&api, "noise", &[1; 3_000]).await;
        count(&api, "a", &[round]).await;
    }
    for name in ["hostile", "tally"] {
        let digest = api.upload(module(name)).await;
        let version = api.deploy("counts", &digest, &[]).await;
        api.until_caught_up("counts", version).await;
    }
    let found = api.get("projections/counts/diff/events?from=1&to=2&table=counts&key=a").await;
    assert_eq!(found.status, 200, "{found:?}");
    let positions = |side: &str| -> Vec<u64> {
        let events = found.body[side]["events"].as_array().unwrap();
        events.iter().map(|event| event["position"].as_u64().unwrap()).collect()
    };
    assert_eq!((positions("from"), positions("to")), (vec![3_000, 6_001, 9_002], vec![3_000, 6_001, 9_002]));
    assert_eq!(found.body["from"]["complete"], json!(true));
    let last = &found.body["to"]["events"][2];
    assert_eq!((&last["stream"], &last["row"]), (&json!("a"), &json!({"n": 3, "events": 3})), "{last}");
    let hot = api.get("projections/counts/diff/events?from=1&to=2&table=counts&key=~all&limit=5").await.body;
    assert_eq!((hot["from"]["events"].as_array().unwrap().len(), &hot["from"]["complete"]), (0, &json!(true)));
    assert_eq!((hot["to"]["events"].as_array().unwrap().len(), &hot["to"]["complete"]), (5, &json!(false)));
    let unknown = api.get("projections/counts/diff/events?from=1&to=2&table=nothing&key=a").await;
    assert_eq!((unknown.status, unknown.body["title"].as_str()), (404, Some("unknown table")));
    let left = std::fs::read_dir(dir.path().join("read-models")).unwrap().count();
    assert_eq!(left, 1, "the rows of the replays on the side are gone");
}

#[tokio::test]
async fn versions_far_apart_are_compared_where_the_one_behind_comes_by() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    count(&api, "a", &[1]).await;
    for version in [1, 2] {
        api.deploy("counts", &digest, &[]).await;
        api.until_caught_up("counts", version).await;
    }
    api.post("projections/counts/versions/2/pause", json!({})).await;
    for _ in 0..30 {
        count(&api, "a", &[1; 10_000]).await;
    }
    let ahead = api.until_caught_up("counts", 1).await["checkpoint"].as_u64().unwrap();
    let still = api.get("projections/counts/diff?from=1&to=2").await;
    assert_eq!((still.status, still.body["title"].as_str()), (409, Some("not comparable")), "{still:?}");
    api.post("projections/counts/versions/2/resume", json!({})).await;
    let diff = api.get("projections/counts/diff?from=1&to=2&timeout=120").await;
    assert_eq!(diff.status, 200, "{diff:?}");
    assert!(diff.body["position"].as_u64().unwrap() >= ahead, "{diff:?}");
    assert_eq!((&diff.body["tables"][0]["unchanged"], &diff.body["tables"][0]["changed"]), (&json!(1), &json!(0)));
}
