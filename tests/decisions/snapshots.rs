//! Snapshots: a cache. With them, without them and with damaged ones, commands come to the same.

use std::path::Path;

use kinora_tests::{Api, Host, module, until};
use serde_json::json;

const NAME: &str = "contrary";

/// So that a few events make one.
const LIMITS: [&str; 2] = ["deciders.snapshot_events=10", "deciders.lanes=1"];

async fn figure(api: &Api, what: &str) -> u64 {
    let text = api.client.get(format!("{}/metrics", api.url)).send().await.unwrap().text().await.unwrap();
    let start = format!("kinora_decider_snapshots_total{{what=\"{what}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().parse().unwrap_or(0)
}

async fn count(api: &Api, id: &str, times: u64) {
    for _ in 0..times {
        let counted = api.command(NAME, id, "Count", json!({"n": 1})).await;
        assert_eq!(counted.status, 200, "{counted:?}");
    }
}

/// What one aggregate has counted, as its own rules see it.
async fn counted(api: &Api, id: &str) -> u64 {
    let refused = api.command(NAME, id, "Refuse", json!({})).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    refused.body["details"]["n"].as_u64().unwrap()
}

/// Changes each snapshot of a host that does not run.
fn each(data: &Path, change: impl Fn(&mut Vec<u8>)) -> usize {
    each_with_key(data, |_, value| change(value))
}

fn each_with_key(data: &Path, change: impl Fn(&[u8], &mut Vec<u8>)) -> usize {
    let db = rocksdb::DB::open_default(data.join("snapshots")).unwrap();
    let all: Vec<_> = db.iterator(rocksdb::IteratorMode::Start).map(Result::unwrap).collect();
    for (key, value) in &all {
        let mut value = value.to_vec();
        change(key, &mut value);
        db.put(key, value).unwrap();
    }
    all.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_took_long_to_fold_is_loaded_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &LIMITS);
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    count(&api, "1", 25).await;
    count(&api, "2", 5).await;
    for _ in 0..12 {
        assert_eq!(api.command(NAME, "3", "CountTagged", json!({"tag": "t:1"})).await.status, 200);
    }
    let tagged = counted(&api, "3").await;
    // Of the first twice, of the third and of its tag once.
    assert_eq!(figure(&api, "made").await, 4);
    host.stop();

    let host = Host::start_with_limits(dir.path(), &LIMITS);
    let api = host.api();
    for (id, n) in [("1", 25), ("2", 5), ("3", tagged)] {
        assert_eq!(counted(&api, id).await, n, "{id}");
    }
    assert_eq!(figure(&api, "used").await, 2);
    let next = api.command(NAME, "3", "CountTagged", json!({"tag": "t:1"})).await;
    assert_eq!(next.body["events"][0]["data"]["n"], tagged + 1, "{next:?}");
    assert_eq!(figure(&api, "used").await, 3);
    // The first one that is used is folded anew beside the commands.
    until("one is checked", async || figure(&api, "checked").await == 1).await;
    assert_eq!((figure(&api, "wrong").await, figure(&api, "refused").await), (0, 0));
    assert_eq!(api.audited(NAME).await, 25 + 5 + 12 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_damaged_or_of_another_history_is_folded_anew() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = |dir: &Path| Host::start_with_limits(dir, &LIMITS);
    for (dir, n) in [(&dir, 20), (&other, 30)] {
        let host = start(dir.path());
        let api = host.api();
        api.decider_live(NAME, module("contrary")).await;
        count(&api, "1", n).await;
        // What an append has settled is seen by the next command.
        assert_eq!(counted(&api, "1").await, n);
        assert_eq!(figure(&api, "made").await, n / 10);
        host.stop();
    }
    let answers = async |refused: u64| {
        let host = start(dir.path());
        let api = host.api();
        assert_eq!(counted(&api, "1").await, 20);
        assert_eq!((figure(&api, "used").await, figure(&api, "refused").await), (0, refused));
        // And it is made again.
        assert_eq!(figure(&api, "made").await, 1);
        host.stop();
        let host = start(dir.path());
        assert_eq!(counted(&host.api(), "1").await, 20);
        assert_eq!(figure(&host.api(), "used").await, 1);
        host.stop();
    };
    assert_eq!(each(dir.path(), |value| *value.last_mut().unwrap() ^= 1), 1);
    answers(1).await;
    each(dir.path(), |value| value.truncate(20));
    answers(1).await;
    // The aggregate of the same name in another log.
    std::fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    std::fs::rename(other.path().join("snapshots"), dir.path().join("snapshots")).unwrap();
    answers(1).await;
    // Not even a database.
    std::fs::write(dir.path().join("snapshots/CURRENT"), "nothing\n").unwrap();
    answers(0).await;
    std::fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    answers(0).await;
}

/// Makes a snapshot say that 27 were counted, with a checksum that holds: format, checksum, the rest.
fn forge(key: &[u8], value: &mut [u8]) {
    let (count, forged) = (br#""n":20"#, br#""n":27"#);
    let at = value.windows(count.len()).position(|part| part == count).unwrap();
    value[at..at + forged.len()].copy_from_slice(forged);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&value[5..]);
    value[1..5].copy_from_slice(&hasher.finalize().to_be_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_what_its_events_come_to_is_found_and_all_of_its_version_are_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &LIMITS);
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    count(&api, "1", 20).await;
    assert_eq!((counted(&api, "1").await, figure(&api, "made").await), (20, 2));
    host.stop();
    assert_eq!(each_with_key(dir.path(), |key, value| forge(key, value)), 1);

    let host = Host::start_with_limits(dir.path(), &LIMITS);
    let api = host.api();
    // Nothing but a fold can tell: whoever comes first may see it.
    assert!([20, 27].contains(&counted(&api, "1").await));
    until("it is found", async || figure(&api, "wrong").await == 1).await;
    assert_eq!((counted(&api, "1").await, figure(&api, "used").await), (20, 1));
    host.stop();

    let host = Host::start_with_limits(dir.path(), &LIMITS);
    let api = host.api();
    assert_eq!((counted(&api, "1").await, figure(&api, "used").await), (20, 0));
    assert_eq!(api.audited(NAME).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_rules_cannot_load_is_folded_anew() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["deciders.snapshot_events=1"]);
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    count(&api, "1", 3).await;
    assert_eq!(api.command(NAME, "1", "Spoil", json!({})).await.status, 200);
    assert_eq!(counted(&api, "1").await, 3);
    assert_eq!(figure(&api, "made").await, 4);
    host.stop();
    let host = Host::start_with_limits(dir.path(), &["deciders.snapshot_events=1"]);
    let api = host.api();
    assert_eq!(counted(&api, "1").await, 3);
    assert_eq!((figure(&api, "refused").await, figure(&api, "used").await), (1, 0));
    count(&api, "1", 1).await;
    assert_eq!(counted(&api, "1").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_of_more_aggregates_than_there_is_room_for_folds_each_event_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["deciders.lane_states=4"]);
    let api = host.api();
    let digest = api.decider_live(NAME, module("contrary")).await;
    for _ in 0..4 {
        for id in 0..12 {
            count(&api, &id.to_string(), 1).await;
        }
    }
    assert_eq!(api.deploy_decider(NAME, &digest).await, 2);
    let report = api.until_decider(NAME, 2, "ready").await["report"].clone();
    assert_eq!((&report["aggregates"], &report["same"]), (&json!(12), &json!(48)), "{report}");
    assert!(figure(&api, "made").await >= 30, "states that were let go of are kept");
    assert_eq!(api.audited(NAME).await, 48);
    host.stop();
    // What a trial has kept is gone with it.
    assert_eq!(each(dir.path(), |_| {}), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_saved_is_folded_and_commands_go_on() {
    const BYTES: usize = 8 << 20;
    let dir = tempfile::tempdir().unwrap();
    // To save it takes more fuel than there is for an event.
    let limits = ["deciders.snapshot_events=2", "deciders.lanes=1", "sandbox.event_fuel=20000000"];
    let host = Host::start_with_limits(dir.path(), &limits);
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    count(&api, "2", 1).await;
    assert_eq!(api.command(NAME, "1", "Fill", json!({"bytes": BYTES})).await.status, 200);
    for n in 1..6 {
        count(&api, "1", 1).await;
        assert_eq!(counted(&api, "1").await, n);
        // Each is decided on its own state.
        let both = api.commands(NAME, &[("1", "Count", json!({"n": 0})), ("2", "Refuse", json!({}))]).await;
        assert_eq!((both.status, &both.body["details"]["n"]), (422, &json!(1)), "{both:?}");
    }
    assert_eq!(figure(&api, "made").await, 0, "it could be saved after all");
}
