//! Recovery: what the journal has that the tables do not.
//!
//! Frames are found by their headers, block by block, and put into the order of their positions. They are taken as
//! far as they follow each other without a gap and each is whole; what comes after that was never acknowledged, or
//! the journal is damaged. Damage is what has a witness: a later frame that says what was durable when it was
//! written, or the file beside the journal.

use std::io;

use uuid::Uuid;

use kinora_types::Progress;

use crate::commit::drive::DriveFile;
use crate::commit::journal::frame::{self, BLOCK, HEADER_BYTES, Header};

/// What is read at once while frames are looked for.
const CHUNK_BYTES: usize = 256 * BLOCK;

struct Found {
    at: u64,
    header: Header,
}

/// How far the journal goes, and how far it should.
#[derive(Debug, PartialEq, Eq)]
pub struct Recovered {
    pub upto: Progress,
    /// What the frames say was durable.
    pub durable: Progress,
}

/// A reason not to go on.
#[derive(Debug)]
pub enum Failure<E> {
    Read(io::Error),
    /// The frames are of a later time than the tables: of how many openings of the log each knows, and how far the
    /// log went then.
    TablesOlder {
        tables: u64,
        journal: u64,
        upto: Progress,
    },
    Apply(E),
}

/// Hands the commits behind `from` to `apply`, in order. `epoch` is what the frames in question have.
pub fn recover<E>(
    file: &dyn DriveFile,
    seed: Uuid,
    epoch: u64,
    from: Progress,
    mut apply: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Recovered, Failure<E>> {
    let mut found = headers(file, seed).map_err(Failure::Read)?;
    if let Some(journal) = found.iter().map(|found| found.header.epoch).max().filter(|newest| *newest > epoch) {
        let upto = found.iter().map(|found| found.header.upto).max().unwrap_or_default();
        return Err(Failure::TablesOlder { tables: epoch, journal, upto });
    }
    found.retain(|found| found.header.epoch == epoch);
    let durable = found.iter().map(|found| found.header.durable).max().unwrap_or_default();
    found.sort_unstable_by_key(|found| found.header.from);
    let mut upto = from;
    for Found { at, header } in found {
        if header.upto <= upto {
            continue;
        }
        if header.from > upto {
            break;
        }
        let Some(payload) = payload(file, at, &header).map_err(Failure::Read)? else { break };
        let Some(commits) = frame::commits(&payload) else { break };
        for (commit, batch) in commits {
            if commit > upto {
                apply(batch).map_err(Failure::Apply)?;
                upto = commit;
            }
        }
    }
    Ok(Recovered { upto, durable })
}

fn headers(file: &dyn DriveFile, seed: Uuid) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let bytes = file.bytes()?;
    let mut from = BLOCK as u64;
    while from < bytes {
        let wanted = usize::try_from(bytes - from).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let Some(chunk) = chunk.get_mut(..wanted) else { break };
        file.read_at(chunk, from)?;
        for (block, at) in chunk.chunks(BLOCK).zip((from..).step_by(BLOCK)) {
            found.extend(Header::decode(block, seed).map(|header| Found { at, header }));
        }
        from += wanted as u64;
    }
    Ok(found)
}

/// `None` if it is not what was written.
fn payload(file: &dyn DriveFile, at: u64, header: &Header) -> io::Result<Option<Vec<u8>>> {
    let at = at + HEADER_BYTES as u64;
    if header.bytes > file.bytes()?.saturating_sub(at) {
        return Ok(None);
    }
    let Ok(bytes) = usize::try_from(header.bytes) else { return Ok(None) };
    let mut payload = vec![0; bytes];
    file.read_at(&mut payload, at)?;
    Ok((crc32fast::hash(&payload) == header.payload_sum).then_some(payload))
}
