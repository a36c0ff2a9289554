//! Repair of a damaged log: what is wrong with it, and a log that goes on from what is sound.
//!
//! All is done on a copy beside the log, whose table files are hard links. It takes the place of the log in one step,
//! and the log as it was is put aside whole: nothing is destroyed. A log that has lost something goes on as another
//! incarnation.

use std::fs::File;
use std::path::{Path, PathBuf};

use rocksdb::{DB, IteratorMode};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;

use kinora_storage::{Storage, ensure_space};
use kinora_types::{EventType, ExpectedRevision, Micros, NewEvent, Position, Progress, Revision};

use crate::commit::durability::Durability;
use crate::commit::journal::{self, Damage};
use crate::commit::opening;
use crate::commit::site::Site;
use crate::error::Error;
use crate::log::{Log, Options};
use crate::maintain::inspection::{Inspection, in_use};
use crate::read::lookup;
use crate::record::answered::Answered;
use crate::record::claims::Claims;
use crate::record::event::RecordRef;
use crate::record::keys;
use crate::record::request::{AppendRequest, StreamAppend};

/// Events and bytes of one commit of a log that is built again.
const COMMIT_EVENTS: usize = 5_000;
const COMMIT_BYTES: usize = 8 << 20;

/// Flaws of the tables that are named.
const NAMED_FLAWS: usize = 10;

/// Where a log is put that was repaired, beside it.
const ASIDE: &str = "repairs";

/// How the copy begins that is worked on. It is removed if nothing comes of it.
const COPY: &str = ".log-repair-";

/// What is wrong with a log, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// In sentences; none of a sound log.
    pub flaws: Vec<String>,
    /// How many events are sound, from the first one on.
    pub sound: Progress,
    /// How many there were, as far as anything says so. After damage there may have been more.
    pub known: Progress,
}

/// What a repair has done.
#[derive(Debug)]
pub struct Repaired {
    pub diagnosis: Diagnosis,
    /// Where the log is as it was; `None`: nothing was wrong, and nothing was done.
    pub aside: Option<PathBuf>,
}

impl Diagnosis {
    pub fn is_sound(&self) -> bool {
        self.flaws.is_empty()
    }

    /// The first and the last event that is known to be lost.
    pub fn lost(&self) -> Option<(Position, Position)> {
        let last = self.known.last()?;
        (self.known > self.sound).then_some((self.sound.next(), last))
    }
}

/// Says what is wrong with the log in `dir`, which nobody may be using. Nothing of it is changed.
pub fn diagnose(dir: &Path) -> Result<Diagnosis, Error> {
    Ok(Patient::admit(dir)?.diagnosis)
}

/// Makes the log in `dir` one that goes on from what is sound. What it was is put aside.
pub fn repair(dir: &Path) -> Result<Repaired, Error> {
    let patient = Patient::admit(dir)?;
    if patient.diagnosis.is_sound() {
        return Ok(Repaired { diagnosis: patient.diagnosis, aside: None });
    }
    patient.treat()
}

/// A copy of a log that is worked on.
struct Patient {
    dir: PathBuf,
    /// The folder that the log is in.
    parent: PathBuf,
    copy: TempDir,
    diagnosis: Diagnosis,
    /// Whether its tables have to be built again.
    tables_are_damaged: bool,
    /// Whether something may be lost: all but indexes, which follow from the records.
    loses: bool,
    /// Whether another incarnation begins when the copy is opened: the journal is damaged.
    is_parted: bool,
    /// Keeps hosts away.
    _lock: Option<File>,
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::Repair(what.to_string())
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |cause| Error::Repair(format!("{}: {cause}", path.display()))
}

impl Patient {
    fn admit(dir: &Path) -> Result<Self, Error> {
        if in_use(dir).is_some() {
            return Err(Error::Locked(dir.to_owned()));
        }
        let lock = lock(dir)?;
        let parent = dir.parent().ok_or_else(|| failed("its folder is in no other one"))?.to_owned();
        let copy = tempfile::Builder::new().prefix(COPY).tempdir_in(&parent).map_err(at(&parent))?;
        link(dir, copy.path())?;
        let mut flaws = Vec::new();
        let mut loses = false;
        let inspection = match Inspection::open(copy.path()) {
            Ok(inspection) => inspection,
            Err(error @ (Error::Format { .. } | Error::Locked(_))) => return Err(error),
            Err(error) => {
                flaws.push(error.to_string());
                loses = true;
                DB::repair(&rocksdb::Options::default(), copy.path()).map_err(failed)?;
                opening::complete(copy.path())?;
                Inspection::open(copy.path())?
            }
        };
        let found = inspection.journal().clone();
        let is_parted = found.damage.is_some();
        if let Some(damage) = found.damage {
            flaws.push(format!("the journal: {damage}"));
            loses = true;
        }
        let before = flaws.len();
        match inspection.verify(|_| {}) {
            Ok(report) => {
                let named = report.named.iter().take(NAMED_FLAWS);
                flaws.extend(named.map(|flaw| format!("the tables, {}: {}", flaw.family, flaw.what)));
                let more = report.faults.saturating_sub(NAMED_FLAWS as u64);
                flaws.extend((more > 0).then(|| format!("and {more} more of the tables")));
            }
            Err(error) => flaws.push(format!("the tables: {error}")),
        }
        let tables_are_damaged = flaws.len() > before;
        let mut sound = found.upto;
        if tables_are_damaged {
            let first = first_unsound(inspection.db(), inspection.tables())?;
            if first < inspection.tables() {
                sound = first;
                loses = true;
            }
        }
        let diagnosis = Diagnosis { flaws, sound, known: found.durable.max(found.upto).max(sound) };
        let dir = dir.to_owned();
        Ok(Self { dir, parent, copy, diagnosis, tables_are_damaged, loses, is_parted, _lock: lock })
    }

    fn treat(self) -> Result<Repaired, Error> {
        let Self { dir, parent, copy, mut diagnosis, tables_are_damaged, loses, is_parted, _lock } = self;
        let opened = revived(copy.path());
        let healed = if tables_are_damaged {
            let fresh = tempfile::Builder::new().prefix(COPY).tempdir_in(&parent).map_err(at(&parent))?;
            // Where not even the copy can be opened, its tables are read as they are.
            diagnosis.sound = match &opened {
                Ok(log) => rebuild(log.db(), fresh.path(), diagnosis.sound, loses)?,
                Err(_) => {
                    let inspection = Inspection::open(copy.path())?;
                    rebuild(inspection.db(), fresh.path(), diagnosis.sound.min(inspection.tables()), loses)?
                }
            };
            fresh
        } else {
            let log = opened?;
            diagnosis.sound = log.progress();
            if loses && !is_parted {
                journal::part(log.db(), log.progress())?;
                journal::flush(log.db())?;
            }
            copy
        };
        let aside = put_aside(&dir, &parent, &diagnosis)?;
        std::fs::rename(healed.keep(), &dir).map_err(at(&dir))?;
        for folder in [&parent, &aside] {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        }
        Ok(Repaired { diagnosis, aside: Some(aside) })
    }
}

/// Keeps hosts away from a log, if it has ever had one.
fn lock(dir: &Path) -> Result<Option<File>, Error> {
    let path = dir.join("LOCK");
    let Ok(file) = File::options().write(true).open(&path) else { return Ok(None) };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(Error::Locked(dir.to_owned())),
    }
}

/// Table files never change, so the copy has the same ones.
fn link(from: &Path, to: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_own = name == "LOCK" || name.to_string_lossy().starts_with("LOG");
        if is_own || !path.is_file() {
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "sst") {
            std::fs::hard_link(&path, to.join(name)).map_err(at(&path))?;
        } else {
            std::fs::copy(&path, to.join(name)).map(drop).map_err(at(&path))?;
        }
    }
    Ok(())
}

/// The copy as a log: what its journal has is in its tables.
fn revived(dir: &Path) -> Result<Log, Error> {
    let (site, options) = (Site::folder(dir)?, Options::default());
    let opened =
        opening::open_damaged(&Storage::default(), &site, Durability::Sync, options.keep_requests, Damage::CutOff)?;
    Log::of(opened, options)
}

/// The first position where there is no sound record.
fn first_unsound(db: &DB, end: Progress) -> Result<Progress, Error> {
    let mut next = Progress(0);
    for entry in db.iterator_cf(lookup::family(db, keys::EVENTS)?, IteratorMode::Start) {
        let Ok((key, bytes)) = entry else { return Ok(next) };
        if *key != keys::event(next.next()) || lookup::decode(next.next(), &bytes).is_err() {
            return Ok(next);
        }
        next = Progress::through(next.next());
    }
    Ok(next.min(end))
}

/// Makes a log of the first events of another one, with indexes that follow from them. Says how far it came.
fn rebuild(from: &DB, to: &Path, upto: Progress, loses: bool) -> Result<Progress, Error> {
    let meta = lookup::family(from, keys::META)?;
    let lives = from.get_cf(meta, keys::INCARNATIONS_KEY).ok().flatten().unwrap_or_default();
    opening::make_for(to, lookup::id(from).ok().flatten().unwrap_or_else(Uuid::new_v4), &lives)?;
    let log = Log::open(&Storage::default(), to, Options::default())?;
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    let mut whole = true;
    for entry in from.iterator_cf(lookup::family(from, keys::EVENTS)?, IteratorMode::Start) {
        let position = Position(log.progress().0 + waiting.len() as u64);
        let Ok((key, record)) = entry else { break };
        if *key != keys::event(position) || !upto.includes(position) {
            break;
        }
        let Some(request) = lookup::decode(position, &record).ok().as_ref().and_then(request) else { break };
        bytes += request.0.bytes();
        waiting.push(request);
        if waiting.len() >= COMMIT_EVENTS || bytes >= COMMIT_BYTES {
            whole = take(&log, std::mem::take(&mut waiting))?;
            bytes = 0;
            if !whole {
                break;
            }
        }
    }
    whole = whole && take(&log, waiting)?;
    let end = log.progress();
    let requests = lookup::family(from, keys::REQUESTS)?;
    for (key, value) in from.iterator_cf(requests, IteratorMode::Start).flatten() {
        if Answered::decode(&value).is_some_and(|answered| end.includes(answered.appended.last)) {
            let family = lookup::family(log.db(), keys::REQUESTS)?;
            log.db().put_cf_opt(family, key, value, &journal::without_wal())?;
        }
    }
    if loses || !whole {
        journal::part(log.db(), end)?;
    }
    journal::flush(log.db())?;
    Ok(end)
}

/// Takes events over; `false`: only those before the first one that does not fit.
fn take(log: &Log, requests: Vec<(AppendRequest, Micros)>) -> Result<bool, Error> {
    let first = log.progress();
    match log.import(requests.clone()) {
        Ok(_) => Ok(true),
        Err(Error::Import { position, .. }) => {
            ensure_space(log.db().path())?;
            let fit = usize::try_from(position.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
            log.import(requests.into_iter().take(fit).collect())?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What appends an event again as it is.
fn request(record: &RecordRef<'_>) -> Option<(AppendRequest, Micros)> {
    let json = |text: &str| RawValue::from_string(text.to_owned()).ok();
    let tags = record.tags.split('\n').filter(|tag| !tag.is_empty());
    let event = NewEvent {
        id: record.id,
        kind: EventType::new(record.kind, record.schema).ok()?,
        data: json(record.data)?,
        metadata: match record.metadata {
            Some(metadata) => Some(json(metadata)?),
            None => None,
        },
        tags: tags.map(|tag| tag.parse().ok()).collect::<Option<_>>()?,
    };
    let expected = match record.revision.0.checked_sub(1) {
        None => ExpectedRevision::NoStream,
        Some(before) => ExpectedRevision::Exactly(Revision(before)),
    };
    let claims = if record.claims.is_empty() { Claims::default() } else { Claims::from_text(record.claims)? };
    let append = StreamAppend { stream: record.stream.parse().ok()?, expected, events: vec![event] };
    Some((AppendRequest { claims, ..vec![append].into() }, record.time))
}

/// Puts the log away under a number that no other has.
fn put_aside(dir: &Path, parent: &Path, diagnosis: &Diagnosis) -> Result<PathBuf, Error> {
    let all = parent.join(ASIDE);
    std::fs::create_dir_all(&all).map_err(at(&all))?;
    let mut number = 1;
    let aside = loop {
        let aside = all.join(number.to_string());
        match std::fs::create_dir(&aside) {
            Ok(()) => break aside,
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(cause) => return Err(at(&aside)(cause)),
        }
    };
    let lost = diagnosis.lost().map(|(first, last)| format!("Events {first} to {last} are known to be lost.\n"));
    let report = format!(
        "The log as it was before a repair. What it goes on with are its first {} events.\n{}\n{}\n",
        diagnosis.sound.0,
        lost.unwrap_or_default(),
        diagnosis.flaws.join("\n"),
    );
    let path = aside.join("REPORT.txt");
    std::fs::write(&path, report).map_err(at(&path))?;
    std::fs::rename(dir, aside.join("log")).map_err(at(dir))?;
    Ok(aside)
}
