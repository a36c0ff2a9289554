//! Guests, really compiled: what they can do, and what they cannot do to others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kinora_files::{Probation, SECRET_BYTES};
use kinora_sandbox::{
    Batch, Category, Error, Failure, Limits, Modules, Most, Opening, Projector, ProjectorModule, QueryFailure, Range,
    RowAccess, Scanned,
};
use kinora_tests::{Host, module};
use kinora_types::{Budget, Digest, Position};

fn hostile() -> Vec<u8> {
    module("hostile")
}

fn open(dir: &Path, secret: u8, limits: Limits) -> Arc<Modules> {
    open_with(dir, secret, limits, Host::options(dir).compiler)
}

fn open_with(dir: &Path, secret: u8, limits: Limits, compiler: PathBuf) -> Arc<Modules> {
    let probation = Probation::open(&dir.join(".probation"));
    let secret = [secret; SECRET_BYTES];
    Modules::open(dir, Opening { compiler, secret, limits, probation, paused: false }).unwrap()
}

type Stored = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

#[derive(Clone, Default)]
struct Rows(Stored);

impl RowAccess for Rows {
    fn get_many(&mut self, _: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        Ok(keys.iter().map(|key| self.0.lock().unwrap().get(*key).cloned()).collect())
    }

    fn scan(&mut self, _: u32, _: &Range, _: &Most<'_>) -> Result<Scanned, Failure> {
        Ok(Scanned::default())
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
        let (event_fuel, query_fuel, memory_bytes) = (100_000_000, 20_000_000, 32 << 20);
        Self::with(Limits { event_fuel, query_fuel, memory_bytes, ..Limits::default() }).await
    }

    async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let modules = open(dir.path(), 1, limits);
        let (status, new) = modules.upload(hostile()).await.unwrap();
        assert!(new);
        let module = modules.settled(status.digest).await.unwrap().into_projector().unwrap();
        Self { _dir: dir, module }
    }

    fn projector(&self, rows: Rows) -> Projector {
        self.module.pre.instantiate(Box::new(rows), &Budget::unlimited()).unwrap()
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
    let failing = open_with(dir.path(), 2, Limits::default(), no_compiler);
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
        let refused = modules.upload(hostile()).await.err();
        assert!(matches!(refused, Some(Error::Compile(_))), "{refused:?}");
    }
}

/// A compiler that says what a module is, and never compiles it.
#[cfg(unix)]
fn endless_compiler(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(".compiler");
    let real = Host::options(dir).compiler;
    let script = format!("#!/bin/sh\n[ \"$2\" = check ] && exec {} \"$@\"\nexec sleep 1000\n", real.display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[cfg(unix)]
#[tokio::test]
async fn uploads_wait_for_the_compiler_up_to_a_limit_and_take_no_more_of_the_disk_than_they_may() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { compiles_waiting: 1, ..Limits::default() };
    let modules = open_with(dir.path(), 1, limits, endless_compiler(dir.path()));
    for name in ["hostile", "tally"] {
        let (status, new) = modules.upload(module(name)).await.unwrap();
        assert!(new && matches!(modules.ready(status.digest), Err(Error::Compiling(_))));
    }
    let third = modules.upload(module("members")).await;
    assert!(matches!(third, Err(Error::Busy { waiting: 1 })), "{:?}", third.err());
    assert!(!modules.upload(module("tally")).await.unwrap().1, "what waits is known");
    drop(modules);
    let dir = tempfile::tempdir().unwrap();
    let small = open(dir.path(), 1, Limits { modules_bytes: 1_000, ..Limits::default() });
    let refused = small.upload(hostile()).await;
    let Err(Error::TooMany { limit, .. }) = refused else { panic!("{:?}", refused.err()) };
    assert_eq!(limit, "sandbox.modules_bytes");
}

/// The process that reads an upload, while it waits for one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_compiler_is_alone_where_the_kernel_allows_that_and_has_few_system_calls_anyhow() {
    use std::process::{Command, Stdio};
    let compiler = Host::options(Path::new("/")).compiler;
    let arguments = ["compile-module", "check", "1000000000", "100", "524288", "1000000"];
    let mut waiting =
        Command::new(compiler).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let field = |process: &str, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
    };
    let confined = kinora_tests::until_some("a confined process", async || {
        let id = waiting.id().to_string();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let all = children.split_whitespace().map(str::to_owned).chain([id]);
        all.into_iter().find(|process| field(process, "Seccomp:").as_deref() == Some("2"))
    })
    .await;
    let numbers = field(&confined, "NSpid:").unwrap();
    let allowed = Command::new("unshare").args(["-U", "-p", "-f", "true"]).status().is_ok_and(|ended| ended.success());
    assert_eq!(numbers.split_whitespace().nth(1) == Some("1"), allowed, "NSpid: {numbers}");
    assert_eq!(field(&confined, "NoNewPrivs:").as_deref(), Some("1"));
    drop(waiting.stdin.take());
    assert!(waiting.wait().unwrap().success());
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

/// A call that would go on for hours by its fuel.
#[tokio::test]
async fn a_call_ends_when_nobody_waits_for_it_or_when_it_takes_too_long() {
    let bench = Bench::with(Limits { event_fuel: u64::MAX / 2, call_seconds: 1, ..Limits::default() }).await;
    let endless = bench.batch(&[("Loop", "{}")]);
    let budget = Budget::unlimited();
    let mut projector = bench.module.pre.instantiate(Box::new(Rows::default()), &budget).unwrap();
    let failure = projector.apply(&endless).unwrap_err();
    assert_eq!((failure.category, failure.limit.map(|limit| limit.name)), (Category::Time, Some("call_seconds")));
    let patient = Bench::with(Limits { event_fuel: u64::MAX / 2, ..Limits::default() }).await;
    let mut projector = patient.module.pre.instantiate(Box::new(Rows::default()), &budget).unwrap();
    let failure = std::thread::scope(|scope| {
        let call = scope.spawn(|| projector.apply(&endless).unwrap_err());
        budget.cancel();
        call.join().unwrap()
    });
    assert!(failure.is_cancelled(), "{failure}");
    let failure = patient.module.pre.instantiate(Box::new(Rows::default()), &budget).err();
    assert!(failure.is_none_or(|failure| failure.is_cancelled()));
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
