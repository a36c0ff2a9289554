//! A file beside the journal that says up to where the log was durable. It is written after each sync, and not synced
//! itself: so it lags behind after a crash of the machine, but never says too much. A journal that has lost what the
//! file knows of is damaged; the end of a journal alone cannot tell that from a write that a crash cut short.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use kinora_files::write_durably;
use kinora_types::Progress;

const NAME: &str = "DURABLE";

pub struct Witness(File);

/// The number, and its CRC-32, little-endian.
fn encode(durable: Progress) -> Vec<u8> {
    let number = durable.0.to_le_bytes();
    [&number[..], &crc32fast::hash(&number).to_le_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<Progress> {
    let number = Progress(u64::from_le_bytes(*bytes.first_chunk()?));
    (bytes == encode(number)).then_some(number)
}

impl Witness {
    pub fn create(dir: &Path) -> io::Result<()> {
        write_durably(&dir.join(NAME), &encode(Progress(0)))
    }

    /// The file, and what it says; nothing, if it is gone or damaged: then it is made anew.
    pub fn open(dir: &Path) -> io::Result<(Self, Option<Progress>)> {
        let path = dir.join(NAME);
        let said = match std::fs::read(&path) {
            Ok(bytes) => decode(&bytes),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(cause),
        };
        if said.is_none() {
            Self::create(dir)?;
        }
        Ok((Self(OpenOptions::new().write(true).open(path)?), said))
    }

    pub fn say(&self, durable: Progress) -> io::Result<()> {
        self.0.write_all_at(&encode(durable), 0)
    }

    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
