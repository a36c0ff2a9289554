//! [`Examined`]: a journal as it was found, before anything is written. Whether it is damaged is seen here, for those
//! that open a log, that mend one, and that only look at it.

use std::sync::Arc;

use uuid::Uuid;

use kinora_types::Progress;

use crate::commit::drive::{DriveFile, Way};
use crate::commit::journal::file::NAME;
use crate::commit::journal::frame::{BLOCK, FileHeader};
use crate::commit::journal::recovery::{self, Failure, Recovered};
use crate::commit::journal::witness::Witness;
use crate::commit::site::Site;
use crate::error::Error;

/// What the tables say that the journal belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub log: Uuid,
    /// How often the log has been opened.
    pub epoch: u64,
    /// How far the tables go.
    pub tables: Progress,
    /// Whether they have all there was when the log was used last: then no journal is needed.
    pub closed: bool,
}

pub struct Examined {
    /// By which its frames are known, and its bytes; `None`: it has to be made anew.
    pub file: Option<(Uuid, u64)>,
    /// How far tables and journal go.
    pub upto: Progress,
    /// How far they should go. What lies between is lost.
    pub durable: Progress,
    /// The newest time that anything is of.
    pub epoch: u64,
    /// Why it cannot be gone on with, unless a loss is accepted.
    pub damage: Option<String>,
    /// Whether the file that says what was durable was there.
    pub has_witness: bool,
}

impl Examined {
    /// Hands what only the journal has to `apply`, as far as it is sound.
    pub fn of(site: &Site, expected: &Expected, apply: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<Self, Error> {
        let failed = |cause: &std::io::Error| Error::journal_io(&site.dir.join(NAME), cause);
        let said = Witness::read(&*site.drive).map_err(|cause| failed(&cause))?;
        let mut examined = Self {
            file: None,
            upto: expected.tables,
            durable: expected.tables.max(said.unwrap_or_default()),
            epoch: expected.epoch,
            damage: None,
            has_witness: said.is_some(),
        };
        match found(site, expected.log).map_err(|cause| failed(&cause))? {
            Found::Usable { file, seed, bytes } => {
                examined.file = Some((seed, bytes));
                examined.recover(&*file, seed, expected, apply).map_err(|failure| match failure {
                    Failed::Read(cause) => failed(&cause),
                    Failed::Apply(error) => error,
                })?;
            }
            // What it had is in the tables.
            Found::Unusable(_) if expected.closed => {}
            Found::Unusable(what) | Found::Foreign(what) => examined.damage = Some(what),
        }
        if examined.damage.is_none() && examined.durable > examined.upto {
            let (first, last) = (examined.upto.0, examined.durable.0 - 1);
            examined.damage = Some(format!("events {first} to {last} were durable, and are not there"));
        }
        Ok(examined)
    }

    fn recover(
        &mut self,
        file: &dyn DriveFile,
        seed: Uuid,
        expected: &Expected,
        apply: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Failed> {
        match recovery::recover(file, seed, expected.epoch, expected.tables, apply) {
            Ok(Recovered { upto, durable }) => {
                self.upto = upto;
                self.durable = self.durable.max(durable);
            }
            Err(Failure::TablesOlder { tables, journal, upto }) => {
                self.epoch = journal;
                self.durable = self.durable.max(upto);
                self.damage = Some(format!(
                    "it knows of {journal} times that the log was opened, and the tables of {tables}: they are of an \
                     earlier time"
                ));
            }
            Err(Failure::Read(cause)) => return Err(Failed::Read(cause)),
            Err(Failure::Apply(error)) => return Err(Failed::Apply(error)),
        }
        Ok(())
    }
}

enum Failed {
    Read(std::io::Error),
    Apply(Error),
}

enum Found {
    Usable {
        file: Arc<dyn DriveFile>,
        seed: Uuid,
        bytes: u64,
    },
    /// It is not there, or not a journal.
    Unusable(String),
    /// It is of another log.
    Foreign(String),
}

fn found(site: &Site, log: Uuid) -> std::io::Result<Found> {
    let file = match site.drive.open(NAME, Way::Read) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Found::Unusable("it is missing".to_owned()));
        }
        opened => opened?,
    };
    let bytes = file.bytes()?;
    // A part of the first block would be written over when the file grows.
    let mut start = [0; BLOCK];
    let whole = bytes >= BLOCK as u64;
    if whole {
        file.read_at(&mut start, 0)?;
    }
    let Some(header) = FileHeader::decode(&start).filter(|_| whole) else {
        return Ok(Found::Unusable("it does not begin as a journal does".to_owned()));
    };
    if header.log != log {
        return Ok(Found::Foreign(format!("it belongs to the log {}, and this one is {log}", header.log)));
    }
    Ok(Found::Usable { file, seed: header.seed, bytes })
}
