//! Opening a log: a database of the right format, and its journal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocksdb::{ColumnFamilyDescriptor, DB, ErrorKind, Options, SliceTransform};
use uuid::Uuid;

use kinora_storage::Storage;

use crate::commit::durability::Durability;
use crate::commit::journal::{self, Journal};
use crate::error::Error;
use crate::read::lookup;
use crate::record::{answered, keys};

/// The layout of the log. Another one is refused, never guessed at.
const FORMAT: u32 = 5;

/// The format before, which had the same tables, and RocksDB's write-ahead log in place of the journal. It is taken over.
const FORMAT_WITHOUT_JOURNAL: u32 = 4;

pub struct Opened {
    pub id: Uuid,
    pub db: Arc<DB>,
    pub journal: Journal,
}

/// Opens the log in `dir`, or makes a new one there.
pub fn open(storage: &Storage, dir: &Path, durability: Durability, keep_requests: Duration) -> Result<Opened, Error> {
    let open = || {
        let db = Arc::new(open_database(storage, dir, keep_requests)?);
        let id = prepare(&db, dir)?;
        let journal = Journal::open(dir, Arc::clone(&db), id, durability)?;
        Ok(Opened { id, db, journal })
    };
    open().map_err(|error: Error| error.of_open(dir))
}

/// Gives a database that came back from a backup the journal that belongs to it. All of it is in tables.
pub fn give_journal(dir: &Path) -> Result<(), Error> {
    let db = open_database(&Storage::default(), dir, Duration::MAX)?;
    journal::create(dir, prepare(&db, dir)?)
}

/// Makes a log of an empty database, and one of today's format of the one before.
fn prepare(db: &DB, dir: &Path) -> Result<Uuid, Error> {
    let meta = lookup::family(db, keys::META)?;
    let found = db.get_cf(meta, keys::FORMAT_KEY)?;
    let id = match db.get_cf(meta, keys::ID_KEY)? {
        Some(id) => Uuid::from_slice(&id).map_err(|_| lookup::bad_key(keys::META, keys::ID_KEY))?,
        None => Uuid::new_v4(),
    };
    match found.as_deref().map(number) {
        Some(Some(FORMAT)) => return Ok(id),
        None | Some(Some(FORMAT_WITHOUT_JOURNAL)) => {}
        Some(_) => return Err(other_format(dir, &found.unwrap_or_default())),
    }
    // In this order: a log of this format without a journal has lost it.
    journal::flush(db)?;
    journal::create(dir, id)?;
    let options = journal::without_wal();
    db.put_cf_opt(meta, keys::ID_KEY, id.as_bytes(), &options)?;
    db.put_cf_opt(meta, keys::FORMAT_KEY, FORMAT.to_be_bytes(), &options)?;
    journal::flush(db)?;
    Ok(id)
}

fn open_database(storage: &Storage, dir: &Path, keep_requests: Duration) -> Result<DB, Error> {
    let family = |name| {
        let mut options = storage.family_options();
        if matches!(name, keys::IDS | keys::STREAMS) {
            // Most ids and many streams that are asked for are new: a filter says so without a search.
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(0.05);
        }
        if name == keys::REVISIONS {
            let bytes = keys::REVISIONS_PREFIX_BYTES;
            // The next event of a stream stands behind the one before: its place is remembered, and not searched for.
            let hint = format!("memtable_insert_with_hint_prefix_extractor=fixed:{bytes}");
            options = options.get_options_from_string(hint)?;
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(bytes));
        }
        if name == keys::BY_TAG {
            // The same for tags, whatever the position.
            let by_name = SliceTransform::create("name", keys::posting_name, Some(keys::is_posting));
            options.set_prefix_extractor(by_name);
            options.set_memtable_prefix_bloom_ratio(0.05);
        }
        if name == keys::REQUESTS {
            options.set_compaction_filter("expired", answered::drop_expired(keep_requests));
        }
        Ok::<_, Error>(ColumnFamilyDescriptor::new(name, options))
    };
    let families = keys::FAMILIES.into_iter().map(family).collect::<Result<Vec<_>, _>>()?;
    // What is flushed is a part of the log from its beginning on, with all its indexes. The log is closed by the journal.
    let mut options = storage.database_options(dir).get_options_from_string("avoid_flush_during_shutdown=true")?;
    options.set_atomic_flush(true);
    // For a log that has RocksDB's write-ahead log yet: a torn tail is what a crash leaves, and nothing of it was
    // acknowledged. Damage in the middle is refused.
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
    refuse_other_families(&options, dir)?;
    DB::open_cf_descriptors(&options, dir, families).map_err(|cause| match cause.kind() {
        ErrorKind::IOError if cause.to_string().contains("lock") => Error::Locked(dir.to_owned()),
        _ => Error::Open { dir: dir.to_owned(), cause },
    })
}

/// Refuses a database of another format before anything in it is changed: other formats have other families, and opening it
/// would make ours.
fn refuse_other_families(options: &Options, dir: &Path) -> Result<(), Error> {
    // Whether it can be read at all is seen when it is opened.
    let Ok(families) = DB::list_cf(options, dir) else { return Ok(()) };
    let ours = |name: &String| name == "default" || keys::FAMILIES.contains(&name.as_str());
    if families.len() == keys::FAMILIES.len() + 1 && families.iter().all(ours) {
        return Ok(());
    }
    let Ok(db) = DB::open_cf_for_read_only(options, dir, [keys::META], false) else { return Ok(()) };
    match db.get_cf(lookup::family(&db, keys::META)?, keys::FORMAT_KEY)? {
        Some(found) if number(&found) != Some(FORMAT) => Err(other_format(dir, &found)),
        _ => Ok(()),
    }
}

fn number(format: &[u8]) -> Option<u32> {
    format.try_into().ok().map(u32::from_be_bytes)
}

fn other_format(dir: &Path, found: &[u8]) -> Error {
    let found = number(found).map_or_else(|| hex::encode(found), |number| number.to_string());
    Error::Format { dir: dir.to_owned(), found, known: FORMAT }
}
