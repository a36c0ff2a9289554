//! The reproduction of a fault: the event, the rows that the guest asked for, the modules and the limits, in one JSON
//! document that runs anywhere, without a host and without the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use kinora_files::{Probation, SECRET_BYTES};
use kinora_log::{Log, RecordRef, Recorded};
use kinora_readmodel::{CommitMode, KeyRange, Most, Store, Writes};
use kinora_sandbox as sandbox;
use kinora_sandbox::{Category, Failure, Limits, Opening, Range, RowAccess, Scanned};
use kinora_storage::Storage;
use kinora_types::{Budget, Digest, Micros, Position, Progress, Revision};

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::feed::modules::VersionModules;
use crate::feed::routes::Routes;
use crate::feed::source::only;
use crate::feed::window::Window;
use crate::record::fault::Fault;
use crate::registry::Registry;
use crate::replay::rows::{VersionRows, at_most, key_range, scanned};
use crate::trial::casts::Casts;

/// The shape of a bundle. Another one is refused, never guessed at.
const FORMAT: u32 = 2;

/// Bytes of the rows that a bundle has besides those that the guest read. A read model with more is no attachment.
const OTHER_ROWS_BYTES: usize = 4 << 20;

/// Everything that one fault depends on.
#[derive(Serialize, Deserialize)]
pub struct Bundle {
    pub format: u32,
    pub projection: String,
    pub version: u32,
    pub identity: Digest,
    pub fault: Reported,
    /// Whether the event fails again when it is run alone, on the rows below, with fresh instances.
    pub reproduced: bool,
    pub event: EventRecord,
    /// What the guest read, as it was before the event.
    pub rows: Vec<RowRecord>,
    /// Keys that the guest looked for where there was no row.
    pub absent: Vec<RowKey>,
    /// All other rows of the version, which a mended guest may read. `None` if they are too many, or if the version
    /// never came to the event.
    pub other_rows: Option<Vec<RowRecord>>,
    pub limits: Limits,
    pub module: Wasm,
    pub upcasters: Vec<Wasm>,
}

/// A fault, as it was reported.
#[derive(Serialize, Deserialize)]
pub struct Reported {
    pub category: String,
    pub message: String,
    pub backtrace: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub struct EventRecord {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    pub data: Box<RawValue>,
    pub metadata: Option<Box<RawValue>>,
    pub tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub struct RowRecord {
    pub table: String,
    pub key: String,
    pub row: Box<RawValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowKey {
    pub table: String,
    pub key: String,
}

#[derive(Serialize, Deserialize)]
pub struct Wasm {
    pub digest: Digest,
    pub base64: String,
}

impl Wasm {
    pub fn new(digest: Digest, bytes: &[u8]) -> Self {
        Self { digest, base64: STANDARD.encode(bytes) }
    }

    /// # Errors
    /// A sentence, if these are not the bytes of the digest.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = STANDARD.decode(&self.base64).map_err(|cause| format!("module {}: {cause}", self.digest))?;
        if Digest::of(&bytes) == self.digest {
            return Ok(bytes);
        }
        Err(format!("module {} has other bytes than its digest says", self.digest))
    }
}

fn json(text: String) -> Result<Box<RawValue>, Failure> {
    RawValue::from_string(text).map_err(Failure::storage)
}

impl EventRecord {
    /// # Errors
    /// Data or metadata are no JSON.
    pub fn new(event: &Recorded) -> Result<Self, Failure> {
        Ok(Self {
            position: event.position.0,
            stream: event.stream.clone(),
            revision: event.revision.0,
            time: event.time.0,
            id: event.id,
            kind: event.kind.clone(),
            schema: event.schema,
            data: json(event.data.clone())?,
            metadata: event.metadata.clone().map(json).transpose()?,
            tags: event.tags.clone(),
        })
    }

    /// Shows it as one of the log.
    pub fn with_record<T>(&self, look: impl FnOnce(Position, &RecordRef<'_>) -> T) -> T {
        let tags = self.tags.join("\n");
        let record = RecordRef {
            stream: &self.stream,
            revision: Revision(self.revision),
            time: Micros(self.time),
            id: self.id,
            kind: &self.kind,
            schema: self.schema,
            data: self.data.get(),
            metadata: self.metadata.as_ref().map(|json| json.get()),
            tags: &tags,
            claims: "",
        };
        look(Position(self.position), &record)
    }

    /// A window with this event and nothing else.
    fn window(&self, modules: &VersionModules, routes: &Routes) -> Result<Window, Failure> {
        let mut chain = modules.chain();
        self.with_record(|position, record| only(routes, modules.needs(), &mut chain, position, record))
            .map_err(Failure::storage)
    }
}

/// Runs one event alone, with fresh instances. What it writes is pending in `rows`.
fn run<R: RowAccess + 'static>(
    event: &EventRecord,
    modules: &VersionModules,
    routes: &Routes,
    rows: R,
) -> Result<(), Failure> {
    let mut window = event.window(modules, routes)?;
    if let Some((unknown, _)) = window.unknown.take() {
        return Err(unknown);
    }
    if let Some(failure) = window.failure.take() {
        return Err(failure);
    }
    if window.is_empty() {
        return Ok(());
    }
    let mut guest = modules.projector.pre.instantiate(Box::new(rows), &modules.budget)?;
    guest.apply(&window.events)?;
    guest.flush()
}

/// Makes bundles of faults.
pub struct Reproductions {
    pub(crate) registry: Arc<Registry>,
    pub(crate) statuses: Statuses,
    pub(crate) log: Log,
    pub(crate) modules: Arc<sandbox::Modules>,
    pub(crate) casts: Casts,
}

impl Reproductions {
    /// Everything that the fault of a version depends on. Runs the event once more to see what it reads. Blocks.
    pub fn of(&self, name: &str, number: u32, budget: &Budget) -> Result<Bundle, Error> {
        let nothing = || Error::NothingToReproduce { name: name.to_owned(), version: number };
        let status = self.statuses.version(name, number)?;
        let fault = status.fault.filter(Fault::is_of_one_event).ok_or_else(nothing)?;
        let event = fault.position.map(|position| self.log.event(Position(position))).transpose();
        let event = event.map_err(|cause| Error::Thread(cause.to_string()))?.flatten().ok_or_else(nothing)?;
        let cast = self.casts.of(name, number, budget)?;
        let event = EventRecord::new(&event).map_err(Error::NotVerified)?;
        let mut bundle = Bundle {
            format: FORMAT,
            projection: name.to_owned(),
            version: number,
            identity: status.identity,
            fault: Reported { category: fault.category.clone(), message: fault.message, backtrace: fault.backtrace },
            reproduced: false,
            event,
            rows: Vec::new(),
            absent: Vec::new(),
            other_rows: None,
            limits: (**self.modules.limits()).clone(),
            module: self.wasm(status.module)?,
            upcasters: status.upcasters.iter().map(|digest| self.wasm(*digest)).collect::<Result<_, _>>()?,
        };
        // A version that never came so far as to have rows stopped at a type that it does not know.
        let Some(store) = self.registry.version(name, Some(number))?.store() else {
            bundle.reproduced = fault.category == Category::UnknownEvent.as_str();
            return Ok(bundle);
        };
        let rows = RecordingRows::new(VersionRows::new(Arc::clone(&store), cast.commit_bytes), Arc::clone(&store));
        let read = Arc::clone(&rows.read);
        bundle.reproduced = run(&bundle.event, &cast.modules, &cast.routes, rows).is_err();
        let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        bundle.other_rows = other_rows(&store, &read, budget).map_err(Error::NotVerified)?;
        for ((table, key), row) in read {
            match row {
                Some(row) => bundle.rows.push(record(&store, table, key, row).map_err(Error::NotVerified)?),
                None => bundle.absent.push(RowKey { table: table_name(&store, table), key }),
            }
        }
        Ok(bundle)
    }

    fn wasm(&self, digest: Digest) -> Result<Wasm, Error> {
        Ok(Wasm::new(digest, &self.modules.source(digest)?))
    }
}

fn table_name(store: &Store, table: u16) -> String {
    store.tables().get(usize::from(table)).map(|table| table.name.clone()).unwrap_or_default()
}

fn record(store: &Store, table: u16, key: String, row: Vec<u8>) -> Result<RowRecord, Failure> {
    let row = String::from_utf8(row).map_err(Failure::storage).and_then(json)?;
    Ok(RowRecord { table: table_name(store, table), key, row })
}

/// All rows but those that were read, if they are few.
fn other_rows(
    store: &Store,
    read: &BTreeMap<(u16, String), Option<Vec<u8>>>,
    budget: &Budget,
) -> Result<Option<Vec<RowRecord>>, Failure> {
    let (mut others, mut left) = (Vec::new(), OTHER_ROWS_BYTES);
    for (table, _) in (0..).zip(store.tables().iter()) {
        let most = Most { bytes: left + 1, ..Most::rows(usize::MAX, budget) };
        let rows = store.scan(table, &KeyRange::default(), &most, &Writes::default());
        for (key, row) in rows.map_err(Failure::storage)?.rows {
            let Some(rest) = left.checked_sub(key.len() + row.len()) else { return Ok(None) };
            left = rest;
            if !read.contains_key(&(table, key.clone())) {
                others.push(record(store, table, key, row)?);
            }
        }
    }
    Ok(Some(others))
}

/// Rows by table and key; none where there was none.
type Read = Arc<Mutex<BTreeMap<(u16, String), Option<Vec<u8>>>>>;

/// The rows of a version, and a record of what was read of them, without what the guest has written itself.
#[derive(Clone)]
struct RecordingRows {
    rows: VersionRows,
    store: Arc<Store>,
    read: Read,
}

impl RecordingRows {
    fn new(rows: VersionRows, store: Arc<Store>) -> Self {
        Self { rows, store, read: Read::default() }
    }

    fn note(&self, table: u32, keys: &[&str]) -> Result<(), Failure> {
        let Ok(table) = u16::try_from(table) else { return Ok(()) };
        let stored = self.store.get_many(table, keys).map_err(Failure::storage)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.extend(keys.iter().zip(stored).map(|(key, row)| ((table, (*key).to_owned()), row)));
        Ok(())
    }
}

impl RowAccess for RecordingRows {
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let found = self.rows.get_many(table, keys)?;
        self.note(table, keys)?;
        Ok(found)
    }

    fn scan(&mut self, table: u32, range: &Range, most: &sandbox::Most<'_>) -> Result<Scanned, Failure> {
        let found = self.rows.scan(table, range, most)?;
        let keys: Vec<&str> = found.rows.iter().map(|(key, _)| key.as_str()).collect();
        self.note(table, &keys)?;
        // What the guest has deleted is not found, but has to be there to be deleted.
        if let Ok(ordinal) = u16::try_from(table) {
            let stored = self.store.scan(ordinal, &key_range(range), &at_most(most), &Writes::default());
            let stored = scanned(stored, most)?.rows;
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.extend(stored.into_iter().map(|(key, row)| ((ordinal, key), Some(row))));
        }
        Ok(found)
    }

    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure> {
        self.rows.write(table, key, value)
    }
}

/// What became of a bundle's event.
pub struct Rerun {
    pub outcome: Result<(), Failure>,
    /// Rows that were written, if it went well; `None` deletes one.
    pub written: Vec<(String, String, Option<String>)>,
    /// What the guest asked for and the bundle does not have: the version may have had rows there, so what was written
    /// may be other than there.
    pub unknown: Vec<RowKey>,
}

/// The rows of a bundle, and a record of what is asked for beyond them.
#[derive(Clone)]
struct BundledRows {
    rows: VersionRows,
    tables: Vec<String>,
    /// `None`: the bundle has all that there is.
    known: Option<Arc<BTreeSet<RowKey>>>,
    unknown: Arc<Mutex<BTreeSet<RowKey>>>,
}

impl BundledRows {
    fn new(rows: VersionRows, store: &Store, bundle: &Bundle) -> Self {
        let key = |row: &RowRecord| RowKey { table: row.table.clone(), key: row.key.clone() };
        let known = || bundle.rows.iter().map(key).chain(bundle.absent.iter().cloned()).collect();
        let known = bundle.other_rows.is_none().then(|| Arc::new(known()));
        let tables = store.tables().iter().map(|table| table.name.clone()).collect();
        Self { rows, tables, known, unknown: Arc::default() }
    }

    fn note(&self, table: u32, key: &str) {
        let Some(known) = &self.known else { return };
        let table = usize::try_from(table).ok().and_then(|table| self.tables.get(table));
        let key = RowKey { table: table.cloned().unwrap_or_default(), key: key.to_owned() };
        if !known.contains(&key) {
            self.unknown.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
    }
}

impl RowAccess for BundledRows {
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        keys.iter().for_each(|key| self.note(table, key));
        self.rows.get_many(table, keys)
    }

    fn scan(&mut self, table: u32, range: &Range, most: &sandbox::Most<'_>) -> Result<Scanned, Failure> {
        // Rows of the range may be missing anywhere in it.
        let [start, end] = [&range.start, &range.end].map(|bound| bound.as_deref().unwrap_or_default());
        self.note(table, &format!("{start}..{end}"));
        self.rows.scan(table, range, most)
    }

    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure> {
        self.rows.write(table, key, value)
    }
}

/// Modules of a bundle, compiled where no host is; they are gone with it.
pub struct Workshop {
    dir: tempfile::TempDir,
    modules: Arc<sandbox::Modules>,
}

impl Workshop {
    pub fn open(limits: Limits, compiler: PathBuf) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        let probation = Probation::open(&dir.path().join("probation"));
        let opening = Opening { compiler, secret, limits, probation, paused: false };
        let modules = sandbox::Modules::open(&dir.path().join("modules"), opening)?;
        Ok(Self { dir, modules })
    }

    pub async fn compiled(&self, bytes: Vec<u8>) -> Result<sandbox::Module, sandbox::Error> {
        let (status, _) = self.modules.upload(bytes).await?;
        self.modules.settled(status.digest).await
    }
}

/// Runs the event of a bundle, with its own module or another one. `compiler` is the program that compiles modules.
pub async fn rerun(bundle: &Bundle, module: Option<Vec<u8>>, compiler: PathBuf) -> anyhow::Result<Rerun> {
    anyhow::ensure!(bundle.format == FORMAT, "the bundle has format {}, this program knows {FORMAT}", bundle.format);
    let workshop = Workshop::open(bundle.limits.clone(), compiler)?;
    let own = || bundle.module.bytes().map_err(anyhow::Error::msg);
    let projector = workshop.compiled(module.map_or_else(own, Ok)?).await?;
    let mut upcasters = Vec::new();
    for upcaster in &bundle.upcasters {
        let upcaster = workshop.compiled(upcaster.bytes().map_err(anyhow::Error::msg)?).await?;
        upcasters.push(upcaster.into_upcaster()?);
    }
    let modules = VersionModules::new(projector.into_projector()?, upcasters);
    let routes = modules.routes().map_err(anyhow::Error::msg)?;
    let rows = Arc::new(Store::open(
        &Storage::default(),
        &workshop.dir.path().join("rows"),
        &modules.projector.manifest.tables,
    )?);
    restore(&rows, bundle.rows.iter().chain(bundle.other_rows.iter().flatten()))?;
    let access = VersionRows::new(Arc::clone(&rows), bundle.limits.commit_bytes);
    let watched = BundledRows::new(access.clone(), &rows, bundle);
    let outcome = run(&bundle.event, &modules, &routes, watched.clone()).map_err(|failure| {
        // The module is there only until this returns.
        let backtrace = failure.backtrace_with_lines().into();
        Failure { backtrace, frames: None, ..failure }
    });
    let unknown = std::mem::take(&mut *watched.unknown.lock().unwrap_or_else(PoisonError::into_inner));
    let pending = access.pending();
    let text = |row: &[u8]| String::from_utf8_lossy(row).into_owned();
    let mut written = Vec::new();
    for (table, changed) in pending.tables().filter(|_| outcome.is_ok()) {
        let name = rows.tables().get(usize::from(table)).map(|table| table.name.clone()).unwrap_or_default();
        written.extend(changed.map(|(key, row)| (name.clone(), key.to_owned(), row.map(text))));
    }
    drop(pending);
    Ok(Rerun { outcome, written, unknown: unknown.into_iter().collect() })
}

/// Puts the rows of a bundle where a guest finds them. Those of tables that another module does not have are left out.
fn restore<'a>(store: &Store, rows: impl Iterator<Item = &'a RowRecord>) -> Result<(), kinora_readmodel::Error> {
    let mut writes = Writes::default();
    for row in rows {
        if let Some((table, _)) = (0..).zip(store.tables().iter()).find(|(_, table)| table.name == row.table) {
            writes.set(table, &row.key, Some(row.row.get().as_bytes()));
        }
    }
    store.commit(&writes, Progress::default(), CommitMode::UntilFlushed)
}
