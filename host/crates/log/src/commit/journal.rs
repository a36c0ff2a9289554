//! The journal: what is written to the log and not yet in its tables. It stands in for RocksDB's own write-ahead log,
//! for the sake of the sync: the blocks that it writes have been written before, so the disk is asked for them alone,
//! in one step, and not for the file's new length as well.
//!
//! Commits gather here while the disk is busy; what has gathered goes to the disk as one frame. Frames are written
//! one after another into a file that is used again and again ([`ring`]); a frame may be written over once what it
//! holds is in the tables, which RocksDB flushes all at once and in the order of the commits. What a crash leaves is
//! put into the tables when the log is opened ([`recovery`]).

mod examined;
mod file;
mod frame;
pub mod fuzz;
mod recovery;
mod ring;
mod tables;
mod witness;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::DB;
use uuid::Uuid;

use kinora_types::Progress;

use crate::commit::commit_log::CommitLog;
use crate::commit::drive::Drive;
use crate::commit::durability::Durability;
use crate::commit::site::Site;
use crate::error::Error;

pub use examined::{Examined, Expected};
use file::JournalFile;
use file::NAME;
use frame::{BLOCK, Buffer, FileHeader, HEADER_BYTES, Header};
use ring::{Place, Ring};
use tables::Tables;
pub use tables::{flush, part, without_wal};
use witness::Witness;

/// Bytes of a buffer that is kept for the next frame.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

pub struct Journal {
    path: PathBuf,
    durability: Durability,
    gathered: Mutex<Gathered>,
    disk: Mutex<Disk>,
    /// Held by the one that syncs. The system tells of a failure once: another who synced beside it might hear of
    /// success.
    syncing: Mutex<()>,
    fill: Fill,
}

/// The journal's bytes, for whoever does not wait for the disk.
struct Fill {
    bytes: AtomicU64,
    needed: AtomicU64,
}

/// Whatever becomes of a log that has lost something durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Refused,
    /// It goes on from what is sound.
    CutOff,
}

/// The frame that is to be written next: room for its header, and commits.
struct Gathered {
    buffer: Buffer,
    upto: Progress,
}

impl Gathered {
    fn new(upto: Progress) -> Self {
        Self { buffer: Buffer::from_slice(BLOCK, &[0; HEADER_BYTES]), upto }
    }
}

struct Disk {
    file: JournalFile,
    seed: Uuid,
    epoch: u64,
    ring: Ring,
    tables: Tables,
    witness: Witness,
    drive: Arc<dyn Drive>,
    /// Bytes that are needed before RocksDB is asked to flush its tables: early enough that it is done before there
    /// are twice as many.
    flush_bytes: u64,
    written: Progress,
    durable: Progress,
    spare: Option<Gathered>,
    /// After a failure nobody knows what the disk has, and nothing more is written.
    failed: bool,
}

/// Makes the journal of a log that has none, or one of which nothing is needed.
pub fn create(site: &Site, log: Uuid) -> Result<(), Error> {
    let made = Witness::create(&*site.drive).and_then(|()| create_file(site, log).map(drop));
    made.map_err(|cause| Error::journal_io(&site.dir.join(NAME), &cause))
}

/// Makes the file alone, and gives the seed and the bytes that it has.
fn create_file(site: &Site, log: Uuid) -> io::Result<(Uuid, u64)> {
    let seed = Uuid::new_v4();
    let mut bytes = FileHeader { log, seed }.encode();
    bytes.resize(site.initial_bytes, 0);
    site.drive.replace(NAME, &bytes)?;
    Ok((seed, bytes.len() as u64))
}

impl Journal {
    /// Opens the journal, puts what only it has into the tables, and begins anew: then all that is in the log is in
    /// tables. What is lost is a reason not to go on, or is left behind: another incarnation begins where it was.
    pub fn open(site: &Site, db: Arc<DB>, log: Uuid, durability: Durability, damage: Damage) -> Result<Self, Error> {
        let path = site.dir.join(NAME);
        let failed = |cause: &io::Error| Error::journal_io(&path, cause);
        let tables = Tables::new(db);
        let expected = Expected { log, epoch: tables.epoch()?, tables: tables.end()?, closed: tables.were_closed()? };
        let examined = Examined::of(site, &expected, |batch| tables.apply(batch))?;
        let Examined { file, upto, durable, epoch, damage: found, has_witness } = examined;
        match (found, damage) {
            (None, _) => {}
            (Some(what), Damage::Refused) => return Err(Error::JournalDamaged { path, what }),
            (Some(what), Damage::CutOff) => {
                tracing::warn!(what, kept = upto.0, known = durable.0, "the log goes on from what is sound");
                // Also where nothing is known to be lost: after the end of the machine nobody knows.
                tables.part(upto)?;
            }
        }
        if upto > expected.tables {
            tracing::info!(events = upto.0 - expected.tables.0, "took up what the journal had");
        }
        let (seed, bytes) = match file {
            Some(found) => found,
            None => {
                tracing::warn!("the journal was gone or damaged; it is made anew");
                create_file(site, log).map_err(|cause| failed(&cause))?
            }
        };
        if !has_witness {
            tracing::warn!("the file that says what was durable was missing or damaged; it is made anew");
            Witness::create(&*site.drive).map_err(|cause| failed(&cause))?;
        }
        let witness = Witness::open(&*site.drive).map_err(|cause| failed(&cause))?;
        let epoch = epoch + 1;
        tables.begin(epoch)?;
        witness.say(upto).and_then(|()| witness.sync()).map_err(|cause| failed(&cause))?;

        let disk = Disk {
            file: JournalFile::open(&site.drive, durability).map_err(|cause| failed(&cause))?,
            seed,
            epoch,
            ring: Ring::new(bytes - bytes % BLOCK as u64, site.limit_bytes),
            tables,
            witness,
            drive: Arc::clone(&site.drive),
            flush_bytes: site.limit_bytes / 2,
            written: upto,
            durable: upto,
            spare: None,
            failed: false,
        };
        let fill = Fill { bytes: AtomicU64::new(disk.ring.bytes()), needed: AtomicU64::default() };
        let (gathered, disk) = (Mutex::new(Gathered::new(upto)), Mutex::new(disk));
        Ok(Self { path, durability, gathered, disk, syncing: Mutex::default(), fill })
    }

    /// Bytes of the file, and of the frames in it that are needed.
    pub fn fill(&self) -> (u64, u64) {
        (self.fill.bytes.load(Ordering::Relaxed), self.fill.needed.load(Ordering::Relaxed))
    }

    fn write(&self, disk: &mut Disk) -> Result<(), Error> {
        if disk.failed {
            return Err(self.failure(&io::Error::other("a write to it has failed before")));
        }
        let mut gathered = {
            let mut gathered = lock(&self.gathered);
            let upto = gathered.upto;
            if upto == disk.written {
                return Ok(());
            }
            let next = disk.spare.take().map_or_else(|| Gathered::new(upto), |spare| Gathered { upto, ..spare });
            std::mem::replace(&mut *gathered, next)
        };
        let written = self.put(disk, &mut gathered);
        disk.failed = written.is_err();
        gathered.buffer.truncate(HEADER_BYTES);
        disk.spare = Some(gathered).filter(|gathered| gathered.buffer.capacity() <= BUFFER_BYTES);
        written
    }

    fn put(&self, disk: &mut Disk, gathered: &mut Gathered) -> Result<(), Error> {
        let payload = gathered.buffer.get(HEADER_BYTES..).unwrap_or_default();
        let header = Header {
            bytes: payload.len() as u64,
            epoch: disk.epoch,
            durable: disk.durable,
            from: disk.written,
            upto: gathered.upto,
            payload_sum: crc32fast::hash(payload),
        };
        let bytes = gathered.buffer.len().next_multiple_of(BLOCK);
        gathered.buffer.resize(bytes, 0);
        if let Some(room) = gathered.buffer.first_chunk_mut() {
            *room = header.encode(disk.seed);
        }
        let Some(at) = self.place(disk, bytes as u64)? else {
            // It was in the tables' memory before it came here, and now it is in their files.
            disk.tables.flush()?;
            disk.written = gathered.upto;
            return Ok(());
        };
        disk.file.write_at(&gathered.buffer, at).map_err(|cause| self.failure(&cause))?;
        disk.ring.put(bytes as u64, gathered.upto);
        disk.written = gathered.upto;
        self.make_room_ahead(disk)
    }

    /// Where a frame of `bytes` goes. What is in its way is flushed to the tables first. `None`: nowhere, since it is
    /// larger than the file, which cannot grow.
    fn place(&self, disk: &mut Disk, bytes: u64) -> Result<Option<u64>, Error> {
        loop {
            let place = disk.ring.place(bytes);
            if let Place::At(at) = place {
                return Ok(Some(at));
            }
            if let Some(grown) = disk.file.grown(true) {
                self.take(disk, grown);
                continue;
            }
            if let Place::Grow(to) = place {
                let grown = disk.file.grow(disk.ring.bytes(), to).map(|()| to);
                let failed = grown.is_err();
                self.take(disk, grown);
                if failed && disk.ring.needed() == 0 {
                    return Ok(None);
                }
                continue;
            }
            let needed = disk.ring.needed();
            disk.ring.free(|upto| disk.tables.keep(upto))?;
            if disk.ring.needed() == needed {
                disk.tables.flush()?;
            }
        }
    }

    /// Uses what the file has grown by. If it could not grow, for want of space or of descriptors, what it has must do
    /// for a while: no block that is needed has been touched.
    fn take(&self, disk: &mut Disk, grown: io::Result<u64>) {
        match grown {
            Ok(bytes) => {
                disk.ring.grown(bytes);
                self.fill.bytes.store(bytes, Ordering::Relaxed);
            }
            Err(cause) => {
                tracing::warn!(%cause, path = %self.path.display(), "the journal cannot grow; it goes on as it is");
                disk.ring.does_not_grow_now();
            }
        }
    }

    /// Has the file grow, and the tables flushed, before anybody has to wait for it.
    fn make_room_ahead(&self, disk: &mut Disk) -> Result<(), Error> {
        if let Some(grown) = disk.file.grown(false) {
            self.take(disk, grown);
        }
        if let Some(to) = disk.ring.should_grow() {
            disk.file.grow_beside(disk.ring.bytes(), to);
        }
        let mut needed = disk.ring.needed();
        if needed > disk.flush_bytes && !disk.tables.are_flushed() {
            disk.ring.free(|upto| disk.tables.keep(upto))?;
            needed = disk.ring.needed();
            if needed > disk.flush_bytes {
                disk.tables.flush_beside(&*disk.drive);
            }
        }
        self.fill.needed.store(needed, Ordering::Relaxed);
        Ok(())
    }

    fn failure(&self, cause: &io::Error) -> Error {
        Error::journal_io(&self.path, cause)
    }
}

/// Survives the end of the process, and of the machine: what was synced is on the disk. A disk that loses or changes
/// what it said it had is found out when the log is opened.
impl CommitLog for Journal {
    /// If syncs are put off a commit is written here, so that it survives the host, and otherwise by the next sync.
    fn add(&self, upto: Progress, batch: &[u8]) -> Result<(), Error> {
        let too_large = || self.failure(&io::Error::from(io::ErrorKind::FileTooLarge));
        let header = frame::commit_header(upto, batch).ok_or_else(too_large)?;
        {
            let mut gathered = lock(&self.gathered);
            gathered.buffer.extend_from_slice(&header);
            gathered.buffer.extend_from_slice(batch);
            gathered.upto = upto;
        }
        match self.durability {
            Durability::Sync => Ok(()),
            Durability::Interval(_) => self.write(&mut lock(&self.disk)),
        }
    }

    /// Writes what has gathered, and fsyncs it unless it was written past the page cache.
    fn sync(&self) -> Result<(), Error> {
        let _alone = lock(&self.syncing);
        let (upto, cached) = {
            let mut disk = lock(&self.disk);
            self.write(&mut disk)?;
            if disk.durable == disk.written {
                return Ok(());
            }
            (disk.written, disk.file.cached())
        };
        // Others may write meanwhile.
        let synced = cached.map_or(Ok(()), |file| file.sync());
        let disk = &mut *lock(&self.disk);
        if let Err(cause) = synced.and_then(|()| disk.witness.say(upto)) {
            disk.failed = true;
            return Err(self.failure(&cause));
        }
        disk.durable = upto;
        Ok(())
    }

    /// Flushes all tables: the next opening has nothing to take up, and needs no journal.
    fn close(&self) -> Result<(), Error> {
        self.sync()?;
        let disk = lock(&self.disk);
        disk.tables.close(disk.epoch)?;
        disk.witness.sync().map_err(|cause| self.failure(&cause))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
