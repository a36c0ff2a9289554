//! A process that is killed while it commits large and small changes to a read model, again and again: what is found
//! afterwards are the rows of one moment, those of the checkpoint, whichever way the commits took to the disk.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use kinora_readmodel::{CommitMode, KeyRange, Most, Store, Writes};
use kinora_storage::Storage;
use kinora_tests::Seed;
use kinora_types::{Budget, Progress, TableSpec};

/// The process that is killed is this program again, with the folder in this variable.
const CHILD: &str = "KINORA_TEST_READ_MODEL";

/// What it says after each commit.
const COMMITTED: &str = "committed ";

const KILLS: u64 = 20;

/// Commits of a life: fewer than this, and at least one.
const LONGEST_LIFE: u64 = 12;

/// Rows that each large commit writes anew: with `ROW_BYTES` enough to be a file of its own (8 MiB).
const ROWS: u64 = 600;
const ROW_BYTES: usize = 16_384;

fn open(dir: &Path) -> Store {
    let tables =
        [TableSpec { name: "rows".into(), key: "number".into(), schema: None, indexes: Vec::new(), history: None }];
    Store::open(&Storage::default(), dir, &tables).unwrap()
}

/// Each commit writes its own number: every third into all rows, the others into the first ones; and a row of its own.
fn commit(store: &Store, number: u64) {
    let mut writes = Writes::default();
    let filler = "x".repeat(ROW_BYTES);
    for key in 0..if number.is_multiple_of(3) { ROWS } else { 10 } {
        writes.set(0, &format!("all/{key:04}"), Some(format!(r#"{{"n":{number},"filler":"{filler}"}}"#).as_bytes()));
    }
    writes.set(0, &format!("own/{number:06}"), Some(b"{}"));
    store.commit(&writes, Progress(number), CommitMode::UntilFlushed).unwrap();
}

/// What rows there are at a checkpoint.
fn check(store: &Store, at: u64) {
    let rows = |start: &str, end: &str| {
        let range = KeyRange { start: Some(start.into()), end: Some(end.into()), reverse: false };
        store.scan(0, &range, &Most::rows(usize::MAX, &Budget::unlimited()), &Writes::default()).unwrap().rows
    };
    let own: Vec<_> = rows("own/", "own0").into_iter().map(|(key, _)| key).collect();
    assert_eq!(own, (1..=at).map(|number| format!("own/{number:06}")).collect::<Vec<_>>(), "at {at}");
    for (place, (key, row)) in rows("all/", "all0").into_iter().enumerate() {
        let last = if place < 10 { at } else { at / 3 * 3 };
        assert!(row.starts_with(format!(r#"{{"n":{last},"#).as_bytes()), "{key} at {at}");
    }
}

#[test]
#[ignore = "the process that the other test kills"]
fn commits_for_ever() {
    let store = open(Path::new(&std::env::var_os(CHILD).unwrap()));
    for number in store.checkpoint().unwrap().0 + 1.. {
        commit(&store, number);
        println!("{COMMITTED}{number}");
    }
}

#[test]
fn whatever_a_kill_leaves_are_the_rows_of_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("read-model");
    let (mut last, mut seed) = (0, Seed::from_environment());
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::commits_for_ever", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let commits = said.filter(|line| line.contains(COMMITTED));
        let life = 1 + seed.below(LONGEST_LIFE) as usize;
        assert_eq!(commits.take(life).count(), life, "it commits until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(&path);
        let at = store.checkpoint().unwrap().0;
        assert!(at >= last, "from {last} back to {at}: what was opened had been there");
        check(&store, at);
        last = at;
    }
}
