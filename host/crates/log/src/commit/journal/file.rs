//! The journal's file, as it is written. It grows in a thread of its own, ahead of what is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::commit::durability::Durability;
use crate::commit::journal::frame::{BLOCK, Buffer};

/// What is written at once when the file grows.
const ZEROS_BYTES: usize = 1024 * 1024;

/// How what is written comes to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Past the page cache, and it is there when the write returns.
    Direct,
    /// By a sync.
    Cached,
}

pub struct JournalFile {
    path: PathBuf,
    file: Arc<File>,
    way: Way,
    growing: Option<Growing>,
}

struct Growing {
    to: u64,
    thread: JoinHandle<io::Result<()>>,
}

impl JournalFile {
    pub fn open(path: &Path, durability: Durability) -> io::Result<Self> {
        let (file, way) = open_to_write(path, durability)?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), way, growing: None })
    }

    /// Memory, offset and length are those of blocks.
    pub fn write_at(&self, blocks: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(blocks, at)
    }

    /// What is to be synced before the disk has what was written; nothing, if it has.
    pub fn cached(&self) -> Option<Arc<File>> {
        match self.way {
            Way::Direct => None,
            Way::Cached => Some(Arc::clone(&self.file)),
        }
    }

    /// Makes the file longer.
    pub fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        fill(&self.path, from, to)
    }

    /// Makes it longer beside what is written, unless that is under way. Without a thread it grows when it must.
    pub fn grow_beside(&mut self, from: u64, to: u64) {
        if self.growing.is_none() {
            let path = self.path.clone();
            let run = move || fill(&path, from, to);
            let thread = std::thread::Builder::new().name("log-journal".into()).spawn(run);
            self.growing = thread.ok().map(|thread| Growing { to, thread });
        }
    }

    /// The bytes that it has got meanwhile. `waits`: and if it is just getting some, only then.
    pub fn grown(&mut self, waits: bool) -> Option<io::Result<u64>> {
        let Growing { to, thread } = self.growing.take_if(|growing| waits || growing.thread.is_finished())?;
        let panicked = |_| Err(io::Error::other("the thread that makes the file longer has panicked"));
        Some(thread.join().unwrap_or_else(panicked).map(|()| to))
    }
}

impl Drop for JournalFile {
    /// Waits for the thread: the folder may be removed once the log is closed.
    fn drop(&mut self) {
        let _ = self.grown(true);
    }
}

/// Where the file system or the disk has no way past the page cache, or syncs are put off, writes are cached. Whether
/// there is one is tried on the first block, which nobody needs when the journal is opened.
fn open_to_write(path: &Path, durability: Durability) -> io::Result<(File, Way)> {
    #[cfg(target_os = "linux")]
    if durability == Durability::Sync {
        let direct = rustix::fs::OFlags::DIRECT | rustix::fs::OFlags::DSYNC;
        let flags = i32::try_from(direct.bits()).map_err(io::Error::other)?;
        let tried = OpenOptions::new().write(true).custom_flags(flags).open(path).and_then(|file| {
            file.write_all_at(&Buffer::from_slice(BLOCK, &[0; BLOCK]), BLOCK as u64)?;
            Ok(file)
        });
        match tried {
            Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => {}
            opened => return Ok((opened?, Way::Direct)),
        }
    }
    Ok((OpenOptions::new().write(true).open(path)?, Way::Cached))
}

/// Writes the new blocks of a file once, so that they are there, and on the disk, when they are needed.
fn fill(path: &Path, from: u64, to: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let zeros = vec![0; ZEROS_BYTES];
    let mut at = from;
    while at < to {
        let bytes = usize::try_from(to - at).unwrap_or(ZEROS_BYTES).min(ZEROS_BYTES);
        file.write_all_at(zeros.get(..bytes).unwrap_or_default(), at)?;
        at += bytes as u64;
    }
    file.sync_data()?;
    // What goes past the cache had better find nothing there.
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, from, std::num::NonZeroU64::new(to - from), rustix::fs::Advice::DontNeed)?;
    Ok(())
}
