//! A journal in a file, made of bytes and read, for fuzzing.

use std::io::{self, Seek, SeekFrom, Write};

use uuid::Uuid;

use kinora_types::Progress;

use crate::commit::journal::frame::{BLOCK, Header};
use crate::commit::journal::recovery::{self, Failure};

/// Writes a frame behind `blocks` empty ones, and reads it in the first epoch, from position 2 on: how far it leads,
/// and what is applied on the way.
pub fn recover(
    [epoch, durable, from, upto]: [u64; 4],
    blocks: u64,
    payload: &[u8],
    applied: &mut Vec<Vec<u8>>,
) -> Result<u64, String> {
    let header = Header {
        bytes: payload.len() as u64,
        epoch,
        durable: Progress(durable),
        from: Progress(from),
        upto: Progress(upto),
        payload_sum: crc32fast::hash(payload),
    };
    let write = || {
        let mut file = tempfile::tempfile()?;
        file.seek(SeekFrom::Start((1 + blocks) * BLOCK as u64))?;
        file.write_all(&header.encode(Uuid::nil()))?;
        file.write_all(payload)?;
        Ok::<_, io::Error>(file)
    };
    let file = write().map_err(|cause| cause.to_string())?;
    let apply = |batch: &[u8]| {
        applied.push(batch.to_vec());
        Ok::<_, String>(())
    };
    match recovery::recover(&file, Uuid::nil(), 1, Progress(2), apply) {
        Ok(recovered) => Ok(recovered.upto.0),
        Err(Failure::Apply(why)) => Err(why),
        Err(Failure::Read(cause)) => Err(cause.to_string()),
        Err(Failure::TablesOlder { journal, .. }) => Err(format!("epoch {journal}")),
    }
}
