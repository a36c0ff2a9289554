//! The journal's file, as it is written. It grows beside what is written, ahead of it.

use std::io;
use std::sync::Arc;

use crate::commit::drive::{Drive, DriveFile, Running, Way};
use crate::commit::durability::Durability;
use crate::commit::journal::frame::{BLOCK, Buffer};

pub const NAME: &str = "JOURNAL";

pub struct JournalFile {
    drive: Arc<dyn Drive>,
    file: Arc<dyn DriveFile>,
    way: Way,
    growing: Option<Growing>,
}

struct Growing {
    to: u64,
    chore: Box<dyn Running>,
}

impl JournalFile {
    pub fn open(drive: &Arc<dyn Drive>, durability: Durability) -> io::Result<Self> {
        let (file, way) = open_to_write(drive, durability)?;
        Ok(Self { drive: Arc::clone(drive), file, way, growing: None })
    }

    /// Memory, offset and length are those of blocks.
    pub fn write_at(&self, blocks: &[u8], at: u64) -> io::Result<()> {
        self.file.write_at(blocks, at)
    }

    /// What is to be synced before the disk has what was written; nothing, if it has.
    pub fn cached(&self) -> Option<Arc<dyn DriveFile>> {
        (self.way == Way::Cached).then(|| Arc::clone(&self.file))
    }

    /// Makes the file longer.
    pub fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        self.drive.grow(NAME, from, to)
    }

    /// Makes it longer beside what is written, unless that is under way. Without a thread it grows when it must.
    pub fn grow_beside(&mut self, from: u64, to: u64) {
        if self.growing.is_none() {
            let drive = Arc::clone(&self.drive);
            let chore = self.drive.beside("log-journal", Box::new(move || drive.grow(NAME, from, to)));
            self.growing = chore.map(|chore| Growing { to, chore });
        }
    }

    /// The bytes that it has got meanwhile. `waits`: and if it is just getting some, only then.
    pub fn grown(&mut self, waits: bool) -> Option<io::Result<u64>> {
        let Growing { to, chore } = self.growing.take_if(|growing| waits || growing.chore.is_finished())?;
        Some(chore.wait().map(|()| to))
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
fn open_to_write(drive: &Arc<dyn Drive>, durability: Durability) -> io::Result<(Arc<dyn DriveFile>, Way)> {
    if durability == Durability::Sync {
        let tried = drive.open(NAME, Way::Direct).and_then(|file| {
            file.write_at(&Buffer::from_slice(BLOCK, &[0; BLOCK]), BLOCK as u64)?;
            Ok(file)
        });
        match tried {
            Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => {}
            opened => return Ok((opened?, Way::Direct)),
        }
    }
    Ok((drive.open(NAME, Way::Cached)?, Way::Cached))
}
