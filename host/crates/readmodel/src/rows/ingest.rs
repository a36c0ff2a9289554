//! Ingestion of a replay's large commits: each is written as a sorted file beside the database, which adopts the file
//! as it is.
//!
//! It costs a fraction of what the same rows cost on their way through a memtable. The file is adopted as a whole,
//! checkpoint included, and after everything that was committed before has been flushed: so what is on disk is a prefix
//! of the commits here, too.

use std::time::Duration;

use kinora_types::Progress;
use rocksdb::{DB, IngestExternalFileOptions, Options, SstFileWriter};

use crate::error::Error;
use crate::layout::keys;
use crate::rows::writes::Writes;

/// Bytes of rows from which on a commit is ingested: a smaller one would make a small file, of which there are many
/// then.
pub const INGESTED_BYTES: usize = 8 << 20;

/// Files that wait to be merged, above which the next one has to wait: each of them is looked at for every row that is
/// read.
const WAITING_FILES: u64 = 12;

/// The file, in the folder of the database.
const FILE: &str = "ingested.sst";

/// How often waiting files are counted, and how many times at most: reading is slow then, but a replay goes on.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSES: u32 = 3_000;

/// Makes rows, index entries and the checkpoint visible in one step, and durable.
pub fn ingest(
    db: &DB,
    options: &Options,
    writes: &Writes,
    mut entries: Vec<(Vec<u8>, bool)>,
    (progress, replayed): (Progress, [u8; 8]),
) -> Result<(), Error> {
    let path = db.path().join(FILE);
    // After a crash it may be another name of a file that the database has adopted: never to be written to.
    if let Err(cause) = std::fs::remove_file(&path)
        && cause.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Error::File(cause));
    }
    let mut file = SstFileWriter::create(options);
    file.open(&path)?;
    // Ascending, as keys are laid out: the checkpoint and its time, then rows, then index entries.
    file.put(keys::CHECKPOINT, progress.0.to_be_bytes())?;
    file.put(keys::REPLAYED, replayed)?;
    let mut key = Vec::new();
    for (table, rows) in writes.tables() {
        for (name, row) in rows {
            keys::row_into(table, name, &mut key);
            match row {
                Some(row) => file.put(&key, row)?,
                None => file.delete(&key)?,
            }
        }
    }
    entries.sort_unstable();
    for (entry, exists) in entries {
        if exists { file.put(entry, b"")? } else { file.delete(entry)? }
    }
    file.finish()?;
    for _ in 0..PAUSES {
        let waiting = db.property_value("rocksdb.num-files-at-level0")?.and_then(|count| count.parse().ok());
        if waiting.is_none_or(|count: u64| count <= WAITING_FILES) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    Ok(db.ingest_external_file_opts(&options, vec![path])?)
}
