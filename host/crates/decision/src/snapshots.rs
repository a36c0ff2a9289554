//! Snapshots: states that took long to fold, kept beside the log. They are a cache: what is missing or damaged, or
//! stands on other rules or another history, is folded anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rocksdb::{DB, IteratorMode, Options};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use kinora_log::Log;
use kinora_storage::{Storage, ensure_space};
use kinora_types::{Digest, Micros, Progress, Revision};

use crate::scope::{Baseline, Scope};

/// The first byte of each, and part of what its version is called.
const FORMAT: u8 = 1;

/// Bytes before the state: format, checksum, progress, revision, id and time of the last event.
const HEAD_BYTES: usize = 1 + 4 + 8 + 8 + 16 + 8;

/// Of so many that are used one is folded anew, and compared.
const CHECKED: u64 = 64;

/// Those of all versions of a host.
pub struct SnapshotStore {
    /// `None`: it could not be opened, so nothing is kept.
    db: Option<DB>,
    counts: Counts,
}

/// What has become of snapshots since the host began.
#[derive(Default)]
pub struct Counts {
    pub made: AtomicU64,
    pub used: AtomicU64,
    /// They were damaged, could not be loaded, or stand on another history.
    pub refused: AtomicU64,
    /// They were folded anew.
    pub checked: AtomicU64,
    /// And were not the same.
    pub wrong: AtomicU64,
}

/// Those of one version.
#[derive(Clone)]
pub struct Snapshots(Arc<Parts>);

struct Parts {
    store: Arc<SnapshotStore>,
    log: Log,
    of: Prefix,
    /// Whether none of them has been found wrong.
    is_trusted: AtomicBool,
    /// Whether they go when nobody has them any more.
    is_aside: bool,
}

/// The last event that was folded. Where it is still the same, so are all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    id: Uuid,
    time: Micros,
}

/// What stands for rules.
pub type Prefix = [u8; 16];

/// A state as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub saved: Vec<u8>,
    pub baseline: Baseline,
}

/// What stands for the rules that are made of these modules.
pub fn prefix(module: Digest, upcasters: &[Digest]) -> Prefix {
    let mut hash = Sha256::new();
    hash.update([FORMAT]);
    hash.update(module.as_bytes());
    upcasters.iter().for_each(|upcaster| hash.update(upcaster.as_bytes()));
    let hash: [u8; 32] = hash.finalize().into();
    let mut prefix = Prefix::default();
    prefix.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    prefix
}

impl SnapshotStore {
    /// What cannot be opened is made anew; if that fails, too, nothing is kept.
    pub fn open(storage: &Storage, dir: &Path) -> Self {
        let open = || {
            let mut options = storage.database_options(dir);
            options.create_if_missing(true);
            DB::open(&options, dir)
        };
        let opened = open().or_else(|cause| {
            tracing::warn!(dir = %dir.display(), %cause, "snapshots cannot be read, and are made anew");
            let _ = DB::destroy(&Options::default(), dir);
            let _ = std::fs::remove_dir_all(dir);
            open()
        });
        let db = opened.inspect_err(|cause| tracing::warn!(%cause, "no snapshots are kept")).ok();
        Self { db, counts: Counts::default() }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Those of a version, on a log.
    pub fn of(self: &Arc<Self>, log: Log, of: Prefix) -> Snapshots {
        let (store, is_trusted) = (Arc::clone(self), AtomicBool::new(true));
        Snapshots(Arc::new(Parts { store, log, of, is_trusted, is_aside: false }))
    }

    /// Forgets those of all rules but these.
    pub fn keep_only(&self, kept: &[Prefix]) {
        let Some(db) = &self.db else { return };
        let mut from = Prefix::default().to_vec();
        loop {
            let mut rows = db.iterator(IteratorMode::From(&from, rocksdb::Direction::Forward));
            let Some(Ok((key, _))) = rows.next() else { return };
            let Some(of) = key.first_chunk::<16>() else { return };
            if !kept.contains(of) {
                self.forget(*of);
            }
            let Some(next) = after(*of) else { return };
            from = next.to_vec();
        }
    }

    fn forget(&self, of: Prefix) {
        let Some(db) = &self.db else { return };
        let mut batch = rocksdb::WriteBatch::default();
        match after(of) {
            Some(end) => batch.delete_range(of, end),
            None => batch.delete_range(of.as_slice(), [u8::MAX; 17].as_slice()),
        }
        if let Err(cause) = db.write(batch) {
            tracing::warn!(%cause, "old snapshots were not removed");
        }
    }
}

/// The next one in order.
fn after(of: Prefix) -> Option<Prefix> {
    u128::from_be_bytes(of).checked_add(1).map(u128::to_be_bytes)
}

impl Drop for Parts {
    fn drop(&mut self) {
        if self.is_aside {
            self.store.forget(self.of);
        }
    }
}

impl Snapshots {
    /// Others of the same rules, which are gone with the last who has them.
    pub fn aside(&self) -> Self {
        let Parts { store, log, .. } = &*self.0;
        let (store, log, of) = (Arc::clone(store), log.clone(), Uuid::new_v4().into_bytes());
        Self(Arc::new(Parts { store, log, of, is_trusted: AtomicBool::new(true), is_aside: true }))
    }

    /// That of a scope, if it is sound and stands on events that are still there.
    pub fn get(&self, scope: &Scope) -> Option<Snapshot> {
        let db = self.db()?;
        let key = self.key(scope);
        let found = db.get_pinned(&key).inspect_err(|cause| tracing::warn!(%cause, "a snapshot cannot be read"));
        let found = found.ok()??;
        let read = read(&key, &found).filter(|(snapshot, last)| self.last(snapshot.baseline.upto) == Some(*last));
        let Some((snapshot, _)) = read else {
            self.refuse(scope);
            return None;
        };
        Some(snapshot)
    }

    /// The event before a point of the log. An id may come again on another history, a time does not.
    fn last(&self, upto: Progress) -> Option<Last> {
        let event = self.0.log.event(upto.last()?).ok().flatten()?;
        Some(Last { id: event.id, time: event.time })
    }

    /// Keeps the state of a scope. What cannot be kept is folded again some time.
    pub fn put(&self, scope: &Scope, snapshot: &Snapshot) {
        let Some(db) = self.db() else { return };
        let Some(last) = self.last(snapshot.baseline.upto) else { return };
        let key = self.key(scope);
        let made = written(&key, snapshot, last);
        if ensure_space(db.path()).is_err() {
            return;
        }
        match db.put(&key, made) {
            Ok(()) => drop(self.0.store.counts.made.fetch_add(1, Ordering::Relaxed)),
            Err(cause) => tracing::warn!(%cause, "a snapshot was not kept"),
        }
    }

    /// Whether none of them has been found wrong.
    pub fn are_trusted(&self) -> bool {
        self.0.is_trusted.load(Ordering::Acquire)
    }

    /// Counts one that was loaded, and says whether it is to be checked.
    pub fn used(&self) -> bool {
        self.0.store.counts.used.fetch_add(1, Ordering::Relaxed).is_multiple_of(CHECKED)
    }

    /// Forgets that of a scope.
    pub fn refuse(&self, scope: &Scope) {
        self.0.store.counts.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(Err(cause)) = self.0.store.db.as_ref().map(|db| db.delete(self.key(scope))) {
            tracing::warn!(%cause, "a snapshot was not removed");
        }
    }

    /// Notes what came of folding one anew. If it is another one, none of this version is used any more.
    pub fn checked(&self, scope: &Scope, is_same: bool) {
        self.0.store.counts.checked.fetch_add(1, Ordering::Relaxed);
        if !is_same {
            self.0.store.counts.wrong.fetch_add(1, Ordering::Relaxed);
            self.0.is_trusted.store(false, Ordering::Release);
            self.0.store.forget(self.0.of);
            tracing::error!(%scope, "a snapshot is not what its events come to: those of this version are given up");
        }
    }

    fn db(&self) -> Option<&DB> {
        self.0.store.db.as_ref().filter(|_| self.0.is_trusted.load(Ordering::Acquire))
    }

    fn key(&self, scope: &Scope) -> Vec<u8> {
        let mut key = self.0.of.to_vec();
        match scope {
            Scope::Stream(stream) => {
                key.push(b's');
                key.extend_from_slice(stream.as_str().as_bytes());
            }
            Scope::Tags(tags) => {
                key.push(b't');
                for tag in tags {
                    // No name has such a byte.
                    key.extend_from_slice(tag.as_str().as_bytes());
                    key.push(0);
                }
            }
        }
        key
    }
}

fn checksum(key: &[u8], rest: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    rest.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// A revision as a number: 0 is none.
fn number(revision: Option<Revision>) -> u64 {
    revision.map_or(0, |revision| revision.0.saturating_add(1))
}

fn written(key: &[u8], snapshot: &Snapshot, last: Last) -> Vec<u8> {
    let Baseline { upto, revision } = snapshot.baseline;
    let (upto, revision) = (upto.0.to_be_bytes(), number(revision).to_be_bytes());
    let (id, time) = (last.id.into_bytes(), last.time.0.to_be_bytes());
    let sum = checksum(key, &[&upto, &revision, &id, &time, &snapshot.saved]);
    let mut bytes = Vec::with_capacity(HEAD_BYTES + snapshot.saved.len());
    bytes.push(FORMAT);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes.extend_from_slice(&upto);
    bytes.extend_from_slice(&revision);
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(&time);
    bytes.extend_from_slice(&snapshot.saved);
    bytes
}

/// A snapshot, and the last event in it; `None`, if it is not as it was written.
fn read(key: &[u8], bytes: &[u8]) -> Option<(Snapshot, Last)> {
    let ([format], rest) = bytes.split_first_chunk::<1>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (upto, rest) = rest.split_first_chunk::<8>()?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (time, saved) = rest.split_first_chunk::<8>()?;
    if *format != FORMAT || u32::from_be_bytes(*sum) != checksum(key, &[upto, revision, id, time, saved]) {
        return None;
    }
    let revision = u64::from_be_bytes(*revision).checked_sub(1).map(Revision);
    let baseline = Baseline { upto: Progress(u64::from_be_bytes(*upto)), revision };
    let last = Last { id: Uuid::from_bytes(*id), time: Micros(u64::from_be_bytes(*time)) };
    Some((Snapshot { saved: saved.to_vec(), baseline }, last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kinora_types::Position;

    use super::*;

    #[test]
    fn one_that_is_damaged_or_of_another_scope_is_none() {
        let baseline = Baseline { upto: Progress::through(Position(41)), revision: Some(Revision(6)) };
        let snapshot = Snapshot { saved: b"state".to_vec(), baseline };
        let last = Last { id: Uuid::from_u128(7), time: Micros(8) };
        let bytes = written(b"key", &snapshot, last);
        assert_eq!(read(b"key", &bytes), Some((snapshot, last)));
        assert_eq!(read(b"yek", &bytes), None);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            *damaged.get_mut(at).unwrap() ^= 1;
            assert_eq!(read(b"key", &damaged), None, "byte {at}");
            assert_eq!(read(b"key", bytes.get(..at).unwrap()), None, "{at} bytes");
        }
        let nothing = Snapshot { saved: Vec::new(), baseline: Baseline::default() };
        assert_eq!(read(b"key", &written(b"key", &nothing, last)), Some((nothing, last)));
    }

    #[test]
    fn rules_are_their_modules_in_their_order() {
        let [one, two, three] = [b"1", b"2", b"3"].map(|module| Digest::of(module));
        let upcasters: [&[Digest]; 4] = [&[], &[two], &[two, three], &[three, two]];
        let all = [upcasters.map(|upcasters| prefix(one, upcasters)).as_slice(), &[prefix(two, &[])]].concat();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
