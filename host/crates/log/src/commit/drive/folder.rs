//! [`Folder`]: the drive of a host: files of a folder, and threads of the system.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use kinora_files::write_durably;

use crate::commit::drive::{Chore, Drive, DriveFile, Running, Way};

/// What is written at once when a file grows.
const ZEROS_BYTES: usize = 1024 * 1024;

pub struct Folder(pub PathBuf);

struct Thread(JoinHandle<io::Result<()>>);

impl Drive for Folder {
    fn open(&self, name: &'static str, way: Way) -> io::Result<Arc<dyn DriveFile>> {
        let mut options = OpenOptions::new();
        match way {
            Way::Read => options.read(true),
            Way::Cached => options.write(true),
            Way::Direct => options.write(true).custom_flags(direct()?),
        };
        Ok(Arc::new(options.open(self.0.join(name))?))
    }

    fn replace(&self, name: &'static str, bytes: &[u8]) -> io::Result<()> {
        write_durably(&self.0.join(name), bytes)
    }

    /// Writes the new blocks once, so that they are there, and on the disk, when they are needed.
    fn grow(&self, name: &'static str, from: u64, to: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.0.join(name))?;
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

    fn beside(&self, thread: &'static str, chore: Chore) -> Option<Box<dyn Running>> {
        let thread = std::thread::Builder::new().name(thread.into()).spawn(chore).ok()?;
        Some(Box::new(Thread(thread)))
    }
}

#[cfg(target_os = "linux")]
fn direct() -> io::Result<i32> {
    let flags = rustix::fs::OFlags::DIRECT | rustix::fs::OFlags::DSYNC;
    i32::try_from(flags.bits()).map_err(io::Error::other)
}

#[cfg(not(target_os = "linux"))]
fn direct() -> io::Result<i32> {
    Err(io::ErrorKind::InvalidInput.into())
}

impl DriveFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(bytes, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Running for Thread {
    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    fn wait(self: Box<Self>) -> io::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the journal has panicked")))
    }
}
