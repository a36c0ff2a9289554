//! A file beside the journal that says up to where the log was durable. It is written after each sync, and not synced
//! itself: so it lags behind after a crash of the machine, but never says too much. A journal that has lost what the
//! file knows of is damaged; the end of a journal alone cannot tell that from a write that a crash cut short.

use std::io;
use std::sync::Arc;

use kinora_types::Progress;

use crate::commit::drive::{Drive, DriveFile, Way};

const NAME: &str = "DURABLE";

/// The number, and its CRC-32, little-endian.
const BYTES: usize = 12;

pub struct Witness(Arc<dyn DriveFile>);

fn encode(durable: Progress) -> Vec<u8> {
    let number = durable.0.to_le_bytes();
    [&number[..], &crc32fast::hash(&number).to_le_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<Progress> {
    let number = Progress(u64::from_le_bytes(*bytes.first_chunk()?));
    (bytes == encode(number)).then_some(number)
}

/// Nothing, if the file is gone or damaged.
fn read(drive: &dyn Drive) -> io::Result<Option<Progress>> {
    let file = match drive.open(NAME, Way::Read) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    if file.bytes()? != BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; BYTES];
    file.read_at(&mut bytes, 0)?;
    Ok(decode(&bytes))
}

impl Witness {
    pub fn create(drive: &dyn Drive) -> io::Result<()> {
        drive.replace(NAME, &encode(Progress(0)))
    }

    /// What it says; nothing, if it is gone or damaged.
    pub fn read(drive: &dyn Drive) -> io::Result<Option<Progress>> {
        read(drive)
    }

    pub fn open(drive: &dyn Drive) -> io::Result<Self> {
        Ok(Self(drive.open(NAME, Way::Cached)?))
    }

    pub fn say(&self, durable: Progress) -> io::Result<()> {
        self.0.write_at(&encode(durable), 0)
    }

    pub fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}
