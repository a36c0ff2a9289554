//! Opening of a log: a database of the right format, and the commit log that belongs to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocksdb::{ColumnFamilyDescriptor, DB, Env, ErrorKind, Options, SliceTransform};
use uuid::Uuid;

use kinora_storage::Storage;
use kinora_types::{Incarnation, Lineage};

use crate::commit::commits::Commits;
use crate::commit::durability::Durability;
use crate::commit::journal::{self, Damage, Journal};
use crate::commit::memory::Memory;
use crate::commit::site::Site;
use crate::error::Error;
use crate::read::lookup;
use crate::record::{answered, keys};

/// The layout of the log. Another one is refused, never guessed at.
const FORMAT: u32 = 5;

/// The format before, which had the same tables, and RocksDB's write-ahead log in place of the journal. It is taken
/// over.
const FORMAT_WITHOUT_JOURNAL: u32 = 4;

/// The folder of a database in memory. There is none on any disk.
const IN_MEMORY: &str = "/kinora-log-in-memory";

pub struct Opened {
    pub id: Uuid,
    pub lineage: Lineage,
    pub db: Arc<DB>,
    pub commits: Commits,
}

/// Opens the log of a site, or makes a new one there. Damage is refused.
pub fn open(storage: &Storage, site: &Site, durability: Durability, keep_requests: Duration) -> Result<Opened, Error> {
    open_damaged(storage, site, durability, keep_requests, Damage::Refused)
}

/// The same of a log that may have lost something.
pub fn open_damaged(
    storage: &Storage,
    site: &Site,
    durability: Durability,
    keep_requests: Duration,
    damage: Damage,
) -> Result<Opened, Error> {
    let open = || {
        let db = Arc::new(open_database(storage, site, keep_requests)?);
        let id = prepare(&db, site)?;
        let journal = Journal::open(site, Arc::clone(&db), id, durability, damage)?;
        let lineage = lookup::lineage(&db, id)?;
        Ok(Opened { id, lineage, db, commits: Commits::Journal(Box::new(journal)) })
    };
    open().map_err(|error: Error| error.of_open(&site.dir))
}

/// Makes a new log in memory. It is gone with its database.
pub fn open_in_memory(storage: &Storage, keep_requests: Duration) -> Result<Opened, Error> {
    let (dir, storage) = (Path::new(IN_MEMORY), &storage.apart());
    let options = database_options(storage, dir, &Env::mem_env()?)?;
    let db = DB::open_cf_descriptors(&options, dir, families(storage, keep_requests)?)?;
    let id = Uuid::new_v4();
    write_identity(&db, id)?;
    let lineage = Lineage::new(Incarnation(id));
    Ok(Opened { id, lineage, db: Arc::new(db), commits: Commits::Memory(Memory) })
}

/// Gives a database that came back from a backup the journal that belongs to it, and another incarnation: what came
/// behind the backup is not in it. All of it is in tables.
pub fn revive(dir: &Path) -> Result<(), Error> {
    let site = Site::folder(dir)?;
    let db = open_database(&Storage::default(), &site, Duration::MAX)?;
    journal::create(&site, prepare(&db, &site)?)?;
    journal::part(&db, lookup::end(&db)?)?;
    journal::flush(&db)
}

/// Makes an empty log that goes on in the place of another one: with its id and its lives.
pub fn make_for(dir: &Path, id: Uuid, incarnations: &[u8]) -> Result<(), Error> {
    let site = Site::folder(dir)?;
    let db = open_database(&Storage::default(), &site, Duration::MAX)?;
    let meta = lookup::family(&db, keys::META)?;
    db.put_cf_opt(meta, keys::ID_KEY, id.as_bytes(), &journal::without_wal())?;
    if !incarnations.is_empty() {
        db.put_cf_opt(meta, keys::INCARNATIONS_KEY, incarnations, &journal::without_wal())?;
    }
    prepare(&db, &site).map(drop)
}

/// Makes the families that a database has lost.
pub fn complete(dir: &Path) -> Result<(), Error> {
    open_database(&Storage::default(), &Site::folder(dir)?, Duration::MAX).map(drop)
}

/// Opens the tables of a folder to look at them: nothing there is changed, whoever uses them meanwhile.
pub fn open_to_read(storage: &Storage, dir: &Path) -> Result<DB, Error> {
    let mut options = database_options(storage, dir, &Env::new()?)?;
    // All files are opened at once: a host that removes one later does not take it away.
    options.set_max_open_files(-1);
    options.create_if_missing(false);
    options.create_missing_column_families(false);
    refuse_other_families(&options, dir)?;
    let db = DB::open_cf_descriptors_read_only(&options, dir, families(storage, Duration::MAX)?, false)
        .map_err(|cause| Error::Open { dir: dir.to_owned(), cause })?;
    let meta = lookup::family(&db, keys::META)?;
    match db.get_cf(meta, keys::FORMAT_KEY)? {
        Some(found) if ![Some(FORMAT), Some(FORMAT_WITHOUT_JOURNAL)].contains(&number(&found)) => {
            Err(other_format(dir, &found))
        }
        _ => Ok(db),
    }
}

/// The version of a log's layout, and whether that one has a journal; `None`: nothing says so.
pub fn format(db: &DB) -> Result<Option<(u32, bool)>, Error> {
    let found = db.get_cf(lookup::family(db, keys::META)?, keys::FORMAT_KEY)?;
    Ok(found.as_deref().and_then(number).map(|format| (format, format != FORMAT_WITHOUT_JOURNAL)))
}

/// Makes a log of an empty database, and one of today's format of the one before.
fn prepare(db: &DB, site: &Site) -> Result<Uuid, Error> {
    let meta = lookup::family(db, keys::META)?;
    let found = db.get_cf(meta, keys::FORMAT_KEY)?;
    let id = lookup::id(db)?.unwrap_or_else(Uuid::new_v4);
    match found.as_deref().map(number) {
        Some(Some(FORMAT)) => return Ok(id),
        None | Some(Some(FORMAT_WITHOUT_JOURNAL)) => {}
        Some(_) => return Err(other_format(&site.dir, &found.unwrap_or_default())),
    }
    // In this order: a log of this format without a journal has lost it.
    journal::flush(db)?;
    journal::create(site, id)?;
    write_identity(db, id)?;
    journal::flush(db)?;
    Ok(id)
}

fn write_identity(db: &DB, id: Uuid) -> Result<(), Error> {
    let (meta, options) = (lookup::family(db, keys::META)?, journal::without_wal());
    db.put_cf_opt(meta, keys::ID_KEY, id.as_bytes(), &options)?;
    Ok(db.put_cf_opt(meta, keys::FORMAT_KEY, FORMAT.to_be_bytes(), &options)?)
}

fn families(storage: &Storage, keep_requests: Duration) -> Result<Vec<ColumnFamilyDescriptor>, Error> {
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
    keys::FAMILIES.into_iter().map(family).collect()
}

fn database_options(storage: &Storage, dir: &Path, env: &Env) -> Result<Options, Error> {
    // What is flushed is a part of the log from its beginning on, with all its indexes. The log is closed by its
    // commit log.
    let mut options = storage.database_options(dir).get_options_from_string("avoid_flush_during_shutdown=true")?;
    options.set_env(env);
    options.set_atomic_flush(true);
    // For a log that has RocksDB's write-ahead log yet: a torn tail is what a crash leaves, and nothing of it was
    // acknowledged. Damage in the middle is refused.
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
    Ok(options)
}

fn open_database(storage: &Storage, site: &Site, keep_requests: Duration) -> Result<DB, Error> {
    let dir = &*site.dir;
    let families = families(storage, keep_requests)?;
    let options = database_options(storage, dir, &site.env)?;
    refuse_other_families(&options, dir)?;
    DB::open_cf_descriptors(&options, dir, families).map_err(|cause| match cause.kind() {
        ErrorKind::IOError if cause.to_string().contains("lock") => Error::Locked(dir.to_owned()),
        _ => Error::Open { dir: dir.to_owned(), cause },
    })
}

/// Refuses a database of another format before anything in it is changed: other formats have other families, and
/// opening it would make ours.
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
