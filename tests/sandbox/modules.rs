//! Guests, really compiled: what they can do, and what they cannot do to others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kinora_files::SECRET_BYTES;
use kinora_sandbox::{
    Batch, Category, Error, Failure, Limits, Modules, Projector, ProjectorModule, QueryFailure, Range, RowAccess,
};
use kinora_tests::{Host, module};
use kinora_types::Digest;
use kinora_types::Position;

fn hostile() -> Vec<u8> {
    module("hostile")
}

fn open(dir: &Path, secret: u8, limits: Limits) -> Arc<Modules> {
    Modules::open(dir, Host::options(dir).compiler, [secret; SECRET_BYTES], limits).unwrap()
}

type Stored = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

#[derive(Clone, Default)]
struct Rows(Stored);

impl RowAccess for Rows {
    fn get_many(&mut self, _: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        Ok(keys.iter().map(|key| self.0.lock().unwrap().get(*key).cloned()).collect())
    }

    fn scan(&mut self, _: u32, _: &Range, _: usize, _: usize) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        Ok(Vec::new())
    }

    fn write(&mut self, _: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure> {
        let mut rows = self.0.lock().unwrap();
        match value {
            Some(value) => rows.insert(key.to_owned(), value.to_vec()),
            None => rows.remove(key),
        };
        Ok(())
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    module: Arc<ProjectorModule>,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let modules = open(
            dir.path(),
            1,
            Limits { event_fuel: 100_000_000, query_fuel: 20_000_000, memory_bytes: 32 << 20, ..Limits::default() },
        );
        let (status, new) = modules.upload(hostile()).await.unwrap();
        assert!(new);
        let module = modules.settled(status.digest).await.unwrap().into_projector().unwrap();
        Self { _dir: dir, module }
    }

    fn projector(&self, rows: Rows) -> Projector {
        self.module.pre.instantiate(Box::new(rows)).unwrap()
    }

    fn batch(&self, events: &[(&str, &str)]) -> Batch {
        let manifest = &self.module.manifest;
        let mut batch = Batch::default();
        for (index, (kind, data)) in (0_u64..).zip(events) {
            let kind = manifest.handles.iter().position(|handled| handled.name == *kind).unwrap();
            batch.positions.push(100 + index);
            batch.revisions.push(index);
            batch.times.push(index);
            batch.kinds.push(u32::try_from(kind).unwrap());
            batch.streams.push(b"s").unwrap();
            batch.payloads.push(data.as_bytes()).unwrap();
        }
        batch
    }
}

#[tokio::test]
async fn a_module_is_compiled_once_and_loaded_after_a_restart_unless_somebody_changed_it() {
    let dir = tempfile::tempdir().unwrap();
    let digest = Digest::of(&hostile());
    let modules = open(dir.path(), 1, Limits::default());
    assert_eq!(modules.upload(hostile()).await.unwrap().0.digest, digest);
    let module = modules.settled(digest).await.unwrap().into_projector().unwrap();
    let manifest = &module.manifest;
    assert_eq!((manifest.name.as_str(), manifest.tables[0].indexes[0].paths[0].as_str()), ("hostile", "n"));
    assert!(!modules.upload(hostile()).await.unwrap().1, "it is known");
    drop(modules);

    assert!(open(dir.path(), 1, Limits::default()).ready(digest).is_ok(), "loaded, not compiled");

    let foreign = open(dir.path(), 2, Limits::default());
    assert!(matches!(foreign.ready(digest), Err(Error::Compiling(_))), "another host's code is compiled again");
    foreign.settled(digest).await.unwrap();
    drop(foreign);

    let code = dir.path().join(digest.to_string()).join("code");
    let mut bytes = std::fs::read(&code).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&code, bytes).unwrap();
    let changed = open(dir.path(), 2, Limits::default());
    assert!(matches!(changed.ready(digest), Err(Error::Compiling(_))), "changed code is compiled again");
    changed.settled(digest).await.unwrap();
    changed.remove(digest).unwrap();
    assert!(matches!(changed.ready(digest), Err(Error::Unknown(_))));
}

/// What made a compiler fail once (too little memory, another machine) may be gone the next time.
#[tokio::test]
async fn a_module_that_was_accepted_is_kept_though_it_cannot_be_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let modules = open(dir.path(), 1, Limits::default());
    let digest = modules.upload(hostile()).await.unwrap().0.digest;
    modules.settled(digest).await.unwrap();
    drop(modules);

    let no_compiler = dir.path().join("missing");
    let failing = Modules::open(dir.path(), no_compiler, [2; SECRET_BYTES], Limits::default()).unwrap();
    assert!(matches!(failing.settled(digest).await, Err(Error::Refused { .. })));
    assert_eq!(failing.source(digest).unwrap(), hostile());
    drop(failing);

    let strict = open(dir.path(), 2, Limits { module_bytes: 1_000, ..Limits::default() });
    assert!(matches!(strict.ready(digest), Err(Error::Refused { .. })), "and others are there all the same");
    drop(strict);

    open(dir.path(), 2, Limits::default()).settled(digest).await.unwrap();
}

/// A host ended between an upload and its compilation, and the next one accepts less.
#[tokio::test]
async fn an_unfinished_upload_that_is_refused_now_is_removed_and_keeps_no_host_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let digest = Digest::of(&hostile());
    let folder = dir.path().join(digest.to_string());
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("source.wasm"), hostile()).unwrap();
    let strict = open(dir.path(), 1, Limits { module_bytes: 1_000, ..Limits::default() });
    assert!(matches!(strict.ready(digest), Err(Error::Unknown(_))));
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_two_people_upload_at_once_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let modules = open(dir.path(), 1, Limits::default());
    let uploads: Vec<_> = (0..4)
        .map(|_| {
            let modules = Arc::clone(&modules);
            tokio::spawn(async move { modules.upload(hostile()).await.unwrap().1 })
        })
        .collect();
    let mut new = 0;
    for upload in uploads {
        new += usize::from(upload.await.unwrap());
    }
    assert_eq!(new, 1);
    modules.settled(Digest::of(&hostile())).await.unwrap();
}

#[tokio::test]
async fn a_compiler_that_needs_too_much_memory_or_time_is_ended_and_the_module_refused() {
    for limits in [
        Limits { compile_memory_bytes: 24 << 20, ..Limits::default() },
        Limits { compile_seconds: 0, ..Limits::default() },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let modules = open(dir.path(), 1, limits);
        let (status, _) = modules.upload(hostile()).await.unwrap();
        let Err(error) = modules.settled(status.digest).await else { panic!("it was compiled") };
        assert!(matches!(&error, Error::Refused { why, .. } if matches!(**why, Error::Compile(_))), "{error}");
    }
}

#[tokio::test]
async fn rows_are_written_at_the_flush_and_read_back_by_a_fresh_instance() {
    let bench = Bench::new().await;
    let rows = Rows::default();
    let mut projector = bench.projector(rows.clone());
    projector.apply(&bench.batch(&[("Count", r#"{"n":2}"#), ("Count", r#"{"n":3}"#)])).unwrap();
    assert!(rows.0.lock().unwrap().is_empty(), "held back until the flush");
    projector.flush().unwrap();
    assert_eq!(rows.0.lock().unwrap()["s"], br#"{"n":5,"filler":""}"#);

    let mut fresh = bench.projector(rows.clone());
    fresh.apply(&bench.batch(&[("Count", r#"{"n":4}"#)])).unwrap();
    fresh.flush().unwrap();
    assert_eq!(rows.0.lock().unwrap()["s"], br#"{"n":9,"filler":""}"#);
    assert_eq!(bench.projector(rows).query("total", "s").unwrap(), "9");
}

#[tokio::test]
async fn each_way_to_fail_is_named_with_its_position_where_the_guest_can_know_it() {
    let bench = Bench::new().await;
    let cases = [
        ("Panic", Category::Panic, Some(101), "as told"),
        ("Fault", Category::Fault, Some(101), "cannot be"),
        ("Forgotten", Category::Fault, Some(101), "does not handle it"),
        ("Loop", Category::Fuel, None, "fuel"),
        ("Grow", Category::Memory, None, "memory_bytes"),
        ("Recurse", Category::Stack, None, "stack_bytes"),
    ];
    for (kind, category, position, words) in cases {
        let mut projector = bench.projector(Rows::default());
        let events = [("Count", r#"{"n":1}"#), (kind, "{}")];
        let failure = projector.apply(&bench.batch(&events)).unwrap_err();
        assert_eq!((failure.category, failure.position), (category, position.map(Position)), "{kind}: {failure}");
        assert!(failure.message.contains(words), "{kind}: {failure}");
    }
    let failure = bench.projector(Rows::default()).apply(&bench.batch(&[("Count", r#"{"m":1}"#)])).unwrap_err();
    assert_eq!((failure.category, failure.position), (Category::Fault, Some(Position(100))));
    assert!(failure.message.contains("Count schema 1") && failure.message.contains("missing field `n`"), "{failure}");
}

#[tokio::test]
async fn a_row_over_the_limit_breaks_the_contract_and_is_not_written() {
    let bench = Bench::new().await;
    let rows = Rows::default();
    let mut projector = bench.projector(rows.clone());
    projector.apply(&bench.batch(&[("Large", "{}")])).unwrap();
    let failure = projector.flush().unwrap_err();
    assert_eq!(failure.category, Category::Rule);
    assert!(failure.message.contains("value_bytes"), "{failure}");
    assert!(rows.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_query_that_never_answers_is_ended() {
    let bench = Bench::new().await;
    let Err(QueryFailure::Guest(failure)) = bench.projector(Rows::default()).query("loop", "{}") else {
        panic!("it answered")
    };
    assert_eq!(failure.category, Category::Fuel);
}
