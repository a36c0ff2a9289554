//! Reads as clients make them: pages that can be kept, lines instead of pages, from a time on, by many streams, and at
//! the pace of a slow client.

use std::time::{Duration, SystemTime};

use kinora_tests::{Api, Host};
use serde_json::{Value, json};

async fn append(api: &Api, stream: &str, numbers: std::ops::Range<u64>) {
    let event =
        |n| json!({"type": if n % 2 == 0 { "Even" } else { "Odd" }, "data": {"n": n}, "tags": [format!("n:{n}")]});
    let answer = api.post(&format!("streams/{stream}/events"), json!(numbers.map(event).collect::<Vec<_>>())).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Status, tag and how long it may be kept, of a page that was seen before or not.
async fn page(api: &Api, path: &str, known: Option<&str>) -> (u16, String, String) {
    let request = api.client.get(api.at(path));
    let request = known.iter().fold(request, |request, tag| request.header("if-none-match", *tag));
    let page = api.text(request).await;
    (page.status, page.header("etag").to_owned(), page.header("cache-control").to_owned())
}

#[tokio::test]
async fn a_page_that_can_no_longer_change_may_be_kept_and_the_last_one_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    append(&api, "a", 0..10).await;
    let full = [
        "events?limit=4",
        "streams/a/events?limit=4",
        "events?types=Even&limit=2",
        "events?from=5&direction=backwards",
    ];
    let last =
        ["events?from=8", "streams/a/events?from=8", "events?tags=n:9", "events?direction=backwards", "events?from=99"];
    let mut tags = Vec::new();
    for (paths, kept) in [(&full[..], "max-age=31536000, immutable"), (&last[..], "no-cache")] {
        for path in paths {
            let (status, tag, cached) = page(&api, path, None).await;
            assert_eq!((status, &*cached), (200, kept), "{path}");
            assert_eq!(page(&api, path, Some(&tag)).await, (304, tag.clone(), cached), "{path}");
            tags.push((path, tag));
        }
    }
    append(&api, "a", 10..11).await;
    for (path, tag) in tags {
        let changed = page(&api, path, Some(&tag)).await.0;
        assert_eq!(changed, if full.contains(path) { 304 } else { 200 }, "{path}");
    }
}

/// What is appended after this has another time than what was appended before.
fn clock_goes_on() {
    let before = SystemTime::now();
    while SystemTime::now() < before + Duration::from_millis(2) {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn events_come_as_lines_and_from_a_time_on() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    append(&api, "a", 0..3_000).await;
    clock_goes_on();
    let time = api.get("events?from=2999").await.body["events"][0]["time"].as_str().unwrap().to_owned();
    clock_goes_on();
    append(&api, "b", 0..5).await;
    append(&api, "a", 3_000..3_002).await;
    let lines = async |path: &str| {
        let request = api.client.get(api.at(path)).header("accept", "application/x-ndjson");
        let answer = api.text(request).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        answer.lines()
    };
    let positions =
        |events: &[Value]| events.iter().map(|event| event["position"].as_u64().unwrap()).collect::<Vec<_>>();
    let all = lines("events").await;
    assert_eq!(positions(&all), (0..3_007).collect::<Vec<_>>());
    assert_eq!(all[..1000], api.get("events?limit=1000").await.body["events"].as_array().unwrap()[..]);
    assert_eq!(positions(&lines("events?types=Odd").await).len(), 1_500 + 2 + 1);
    assert_eq!(positions(&lines("events?after=3003&limit=2").await), [3004, 3005]);
    assert_eq!(positions(&lines("events?direction=backwards&limit=3").await), [3006, 3005, 3004]);
    assert_eq!(positions(&lines("events?stream_prefix=b").await), [3000, 3001, 3002, 3003, 3004]);

    let parameters = [("from_time", &*time), ("limit", "1000")];
    let later = api.get_with("events", &parameters).await.body;
    assert_eq!(later["events"][0]["time"], json!(time));
    let whole_request = later["events"][0]["position"].as_u64().unwrap();
    assert_eq!(whole_request, 0, "the events of a request have one time");
    let of_stream = api.get_with("streams/b/events", &parameters).await.body;
    assert_eq!(of_stream["events"][0]["revision"], json!(0));
    let after = json!(all[3_000]["time"]);
    let of_stream = api.get_with("streams/a/events", &[("from_time", after.as_str().unwrap())]).await.body;
    assert_eq!(of_stream["events"][0]["revision"], json!(3_000));
    assert_eq!(api.get("events?from_time=2020-01-01T00:00:00Z&from=1").await.status, 400);
}
