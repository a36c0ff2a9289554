//! The resources that all RocksDB databases of a host share: the block cache, the budget for memtables, and the
//! options that every database of ours starts from.
//!
//! A host has one database for the log and one for each projection version, because a database has one write
//! queue and one stall controller: a heavy replay in the same database would hold up appends.

mod row_cache;

use std::path::Path;

pub use row_cache::{Era, RowCache};

use rocksdb::{BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager};

/// Blocks of all databases, decompressed. Part of the promise that a host fits into 512 MiB.
const BLOCK_CACHE_BYTES: usize = 80 * 1024 * 1024;

/// Memtables of all databases together. Beyond it RocksDB flushes early; it never stalls a writer for it.
const WRITE_BUFFERS_BYTES: usize = 128 * 1024 * 1024;

/// Of so many entries of a file in a row, how many say that a key is gone, and what part of all of them, for the file
/// to be merged soon. Indexes leave such files behind when a row is changed again and again, and who reads there passes
/// them all; a page that is read from memory alone gives up after 200.
const DENSE_DELETIONS: [usize; 2] = [256, 128];
const MOSTLY_DELETIONS: f64 = 0.5;

/// A memtable of one column family.
const WRITE_BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// The write-ahead log of a database. After a crash all of it is read again before the database is open, which takes
/// about 10 ms a mebibyte.
const WRITE_AHEAD_LOG_BYTES: u64 = 96 * 1024 * 1024;

/// Background threads for flushes and compactions, for all databases (they share RocksDB's default `Env`).
const BACKGROUND_JOBS: i32 = 2;

/// Bits of Bloom filter for each key: about 1 % false positives.
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// Bytes of a block, before it is packed; and of one of rows.
const BLOCK_BYTES: usize = 16 * 1024;
const ROW_BLOCK_BYTES: usize = 4 * 1024;

/// Bytes of a piece of an index or a Bloom filter.
const METADATA_BLOCK_BYTES: usize = 4096;

/// How the index and the Bloom filter of a file are stored.
#[derive(Clone, Copy, PartialEq)]
enum Metadata {
    /// For files of any size: the filter of a hundred million keys would fill the cache.
    InPieces,
    Whole,
}

/// Bytes of disk that stay free. A database that runs out of space in the middle of a write, a flush or a compaction
/// is in trouble; one that stops before is not.
pub const RESERVED_BYTES: u64 = 64 * 1024 * 1024;

/// The disk is as good as full. Nothing was written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum NoSpace {
    #[error(
        "no space left: {available} bytes are free on the disk of the data folder, and {RESERVED_BYTES} are kept in \
         reserve"
    )]
    Reserved { available: u64 },
    #[error(
        "no space was left when the database moved data to tables; it looks every few seconds whether there is some \
         again"
    )]
    Stopped,
    #[error("no space was left on the disk when the database was opened")]
    Opening,
}

/// Whether a database had no space left on its disk.
pub fn is_no_space(error: &rocksdb::Error) -> bool {
    error.kind() == rocksdb::ErrorKind::IOError && error.as_ref().contains("No space left on device")
}

impl NoSpace {
    /// What a refused write means. A database that could not flush or compact for want of space refuses writes before
    /// it does anything, until RocksDB has noticed that there is space again, which it does by itself. A write-ahead
    /// log that could not be written is another matter: a part of the write may be there.
    pub fn of_write(error: &rocksdb::Error) -> Option<Self> {
        let text: &str = error.as_ref();
        (is_no_space(error) && text.contains(".sst") && !text.contains(".log")).then_some(Self::Stopped)
    }

    /// What it means that a database did not open: whatever it was going to write, it had acknowledged nothing of it
    /// yet.
    pub fn of_open(error: &rocksdb::Error) -> Option<Self> {
        is_no_space(error).then_some(Self::Opening)
    }
}

/// Says no before the disk does. Where the free space cannot be found out, the disk has the last word.
pub fn ensure_space(dir: &Path) -> Result<(), NoSpace> {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let available = disk.f_bavail.saturating_mul(disk.f_frsize);
    if available < RESERVED_BYTES { Err(NoSpace::Reserved { available }) } else { Ok(()) }
}

/// Bytes that are free on the disk of a folder, beyond those that stay free; where that can be found out.
pub fn free_space(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(RESERVED_BYTES))
}

/// The resources that the databases of one host share. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    cache: Cache,
    rows: RowCache,
    write_buffers: WriteBufferManager,
}

/// Whether no database has been in a folder, or only one whose making a crash cut short: that one has no data yet.
fn is_new(dir: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(dir) else { return true };
    let holds_data = |entry: &std::fs::DirEntry| {
        let (name, bytes) = (entry.file_name(), entry.metadata().map_or(0, |metadata| metadata.len()));
        let is_log = |name: &str| name.ends_with(".log") && bytes > 0;
        name.to_str().is_some_and(|name| name == "CURRENT" || name.ends_with(".sst") || is_log(name))
    };
    !entries.flatten().any(|entry| holds_data(&entry))
}

fn block_cache() -> Cache {
    Cache::new_hyper_clock_cache(BLOCK_CACHE_BYTES, 0)
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            cache: block_cache(),
            rows: RowCache::default(),
            write_buffers: WriteBufferManager::new_write_buffer_manager(WRITE_BUFFERS_BYTES, false),
        }
    }
}

impl Storage {
    /// The same with a block cache of its own. RocksDB keeps the clock of the first database that uses a cache with
    /// that cache, and looks at it for all of them: so one whose environment goes before others must share none.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { cache: block_cache(), ..self.clone() }
    }

    /// Options of the database in `dir`: what holds for it as a whole. It is only made where there is none: one that
    /// has lost its first file must not be taken for a new one.
    pub fn database_options(&self, dir: &Path) -> Options {
        let mut options = self.family_options();
        options.create_if_missing(is_new(dir));
        options.create_missing_column_families(true);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_max_background_jobs(BACKGROUND_JOBS);
        options.set_max_open_files(256);
        options.set_keep_log_file_num(4);
        options.set_max_total_wal_size(WRITE_AHEAD_LOG_BYTES);
        options.set_bytes_per_sync(1024 * 1024);
        options
    }

    /// Options of a column family: Bloom filters, LZ4, and Zstandard for the coldest level.
    pub fn family_options(&self) -> Options {
        let mut options = self.options(BLOCK_BYTES, Metadata::InPieces);
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options
    }

    /// Where all read models keep the rows that were asked for last.
    pub fn rows(&self) -> &RowCache {
        &self.rows
    }

    /// Options of a column family whose rows are read one here, one there: to read one unpacks a block, so blocks are
    /// small, and packed in a way that is quick to unpack.
    pub fn row_options(&self) -> Options {
        let mut options = self.options(ROW_BLOCK_BYTES, Metadata::InPieces);
        let [window, deleted] = DENSE_DELETIONS;
        options.add_compact_on_deletion_collector_factory(window, deleted, MOSTLY_DELETIONS);
        options
    }

    /// Options of a sorted file that is written beside such a family, and taken up by it. Until it is merged it is
    /// one of several that every look-up asks, so its index and its filter are whole: they stay in memory, and are
    /// found without a search.
    pub fn row_file_options(&self) -> Options {
        self.options(ROW_BLOCK_BYTES, Metadata::Whole)
    }

    fn options(&self, block_bytes: usize, metadata: Metadata) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_block_size(block_bytes);
        table.set_format_version(6);
        table.set_cache_index_and_filter_blocks(true);
        if metadata == Metadata::InPieces {
            table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            table.set_partition_filters(true);
            table.set_metadata_block_size(METADATA_BLOCK_BYTES);
        }
        table.set_pin_top_level_index_and_filter(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);

        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_compression_type(DBCompressionType::Lz4);
        options
    }
}
