//! Damage that a disk does to any file of a data folder: whatever bit is flipped, a host does not start and says why,
//! or stops what is damaged, or what it answers is right. It never answers anything else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kinora_tests::{Api, Host, Seed, module, until};
use serde_json::{Value, json};

/// Flips that are tried, unless FLIPS says otherwise.
const FLIPS: u64 = 48;

/// What is said of a version and does not depend on how it is.
const VERSION: [&str; 6] = ["module", "upcasters", "start", "promote", "skipped", "created_at"];

/// How often each text is damaged more than another file.
const TEXTS: u32 = 4;

/// Events that are appended; what stops is told by more of them.
const EVENTS: u64 = 800;

/// What a host answers, by question; none, where it says that it cannot.
type Answers = BTreeMap<&'static str, Option<Value>>;

/// Has something of all that a host keeps: two versions, one of them live, a decider with snapshots, a key.
async fn filled(data: &Path) {
    let host = Host::start_with_limits(data, &["deciders.snapshot_events=1"]);
    let api = host.api();
    for stream in 0..EVENTS / 20 {
        let counts: Vec<_> = (0..20).map(|n| json!({"type": "Count", "data": {"n": n + stream}})).collect();
        assert_eq!(api.post(&format!("streams/s{stream}/events"), json!(counts)).await.status, 201);
    }
    let digest = api.upload(module("tally")).await;
    api.deploy_live("tally", &digest).await;
    assert_eq!(api.deploy("tally", &digest, &[]).await, 2);
    api.until_state("tally", 2, "ready").await;
    let promoted = api.post("projections/tally/versions/2/promote", json!({})).await;
    assert_eq!(promoted.status, 200, "{promoted:?}");
    api.decider_live("counters", module("counters")).await;
    for n in 1..=10 {
        assert_eq!(api.command("counters", "a", "Add", json!({"n": n})).await.status, 200);
    }
    api.until_caught_up("tally", 2).await;
    host.stop();
}

/// The body of an answer, of which these members matter.
async fn answer(api: &Api, path: &str, members: &[&str]) -> Option<Value> {
    let answer = api.get(path).await;
    match answer.status {
        200 => Some(members.iter().map(|member| answer.body[*member].clone()).collect()),
        status => {
            assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{status}: {answer:?}");
            None
        }
    }
}

async fn answers(host: &Host) -> Answers {
    let api = host.api();
    // What follows the log is as far as the log is, or has stopped, or will never be there.
    until("the version moves no more", async || {
        let status = api.get("projections/tally/versions/2").await;
        match status.body["state"].as_str() {
            Some("live") => status.body["lag"] == 0,
            Some(state) => !["validating", "replaying", "catching_up"].contains(&state),
            None => true,
        }
    })
    .await;
    BTreeMap::from([
        ("rows", answer(&api, "read-models/tally/counts?limit=1000", &["rows", "version"]).await),
        ("events", answer(&api, &format!("events?limit={EVENTS}"), &["events"]).await),
        ("state", answer(&api, "deciders/counters/a/state", &["state", "revision"]).await),
        ("live", answer(&api, "projections/tally", &["live", "previous", "retain", "on_fault"]).await),
        ("version", answer(&api, "projections/tally/versions/2", &VERSION).await),
        ("decides", answer(&api, "deciders/counters", &["live"]).await),
    ])
}

/// All files below a folder that have anything in them.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.metadata().unwrap() {
            found if found.is_dir() => all.extend(files(&entry.path())),
            found if found.len() > 0 => all.push(entry.path()),
            _ => {}
        }
    }
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let copied = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(copied.parent().unwrap()).unwrap();
        std::fs::copy(&file, &copied).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_in_a_data_folder_is_told_or_does_not_matter() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path()).await;
    let mut all = files(whole.path());
    // Where a text is short, most of its bits say something.
    let texts: Vec<_> = all.iter().filter(|file| file.extension().is_some_and(|is| is == "json")).cloned().collect();
    (0..TEXTS).for_each(|_| all.extend(texts.clone()));
    let right = {
        let copied = tempfile::tempdir().unwrap();
        copy(whole.path(), copied.path());
        answers(&Host::start(copied.path())).await
    };
    assert!(right.values().all(Option::is_some), "{right:?}");
    let flips = std::env::var("FLIPS").map_or(FLIPS, |flips| flips.parse().unwrap());
    let mut seed = Seed::from_environment();
    let mut told = BTreeMap::<String, u64>::new();
    for flip in 0..flips {
        // Each file in its turn, large or small.
        let file = &all[usize::try_from(flip).unwrap() % all.len()];
        let copied = tempfile::tempdir().unwrap();
        copy(whole.path(), copied.path());
        let name = file.strip_prefix(whole.path()).unwrap();
        let mut bytes = std::fs::read(file).unwrap();
        // What is not written yet is nothing.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1);
        let (at, bit) = (seed.below(used as u64), seed.below(8));
        bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
        std::fs::write(copied.path().join(name), bytes).unwrap();
        let flipped = format!("bit {bit} of byte {at} of {}", name.display());
        match Host::try_run(Host::options(copied.path())) {
            Err(error) => {
                assert!(!error.to_string().is_empty(), "{flipped}");
                *told.entry(format!("no start: {}", name.display())).or_default() += 1;
            }
            Ok(host) => {
                let now = answers(&host).await;
                for (question, answer) in now {
                    match answer {
                        Some(answer) => {
                            let is_right = right[question].as_ref() == Some(&answer);
                            assert!(is_right, "{flipped}: {question} {:.2000}", answer.to_string());
                        }
                        None => *told.entry(format!("no {question}: {}", name.display())).or_default() += 1,
                    }
                }
            }
        }
    }
    println!("{told:#?}");
}
