//! The layout of the journal, little-endian. A file is a header block and a ring of frames, each of which begins at a
//! block.
//!
//! | header of the file | bytes | | header of a frame | bytes |
//! |---|---|---|---|---|
//! | magic, `KINORAJL` | 8 | | magic, `KJFR` | 4 |
//! | version | 4 | | CRC-32 of the seed and what follows | 4 |
//! | the log's id | 16 | | bytes of the payload | 8 |
//! | seed, at random | 16 | | epoch | 8 |
//! | CRC-32 of all that | 4 | | durable, when it was written | 8 |
//! | | | | from, upto | 16 |
//! | | | | CRC-32 of the payload | 4 |
//!
//! The payload is commits, each with the position behind it (8), its bytes (4), and a write batch of RocksDB. Since
//! the seed is in the sum, no payload can pass for a frame.

use aligned_vec::{AVec, ConstAlign};
use uuid::Uuid;

use kinora_types::Progress;

/// What is written is a multiple of this, and begins at one: no block that the disk has is ever written again before
/// what is in it is in the tables. No disk has larger sectors.
pub const BLOCK: usize = 4096;

pub const HEADER_BYTES: usize = 52;

/// What is written. Its memory begins at a block, as the disk wants it.
pub type Buffer = AVec<u8, ConstAlign<BLOCK>>;

const FILE_MAGIC: [u8; 8] = *b"KINORAJL";
const FILE_VERSION: [u8; 4] = 1_u32.to_le_bytes();
const FRAME_MAGIC: [u8; 4] = *b"KJFR";
const COMMIT_BYTES: usize = 12;

/// What a journal is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    pub log: Uuid,
    pub seed: Uuid,
}

impl FileHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = [&FILE_MAGIC[..], &FILE_VERSION, self.log.as_bytes(), self.seed.as_bytes()].concat();
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (log, rest) = bytes.get(FILE_MAGIC.len() + FILE_VERSION.len()..)?.split_first_chunk()?;
        let seed = rest.first_chunk()?;
        let header = Self { log: Uuid::from_bytes(*log), seed: Uuid::from_bytes(*seed) };
        bytes.starts_with(&header.encode()).then_some(header)
    }
}

/// What is written at once: the commits between two states of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of the payload.
    pub bytes: u64,
    /// How often the log had been opened. What is of an earlier time is in the tables, or was given up.
    pub epoch: u64,
    /// What the disk had when this was written. So if this can be read, all that must be there.
    pub durable: Progress,
    pub from: Progress,
    pub upto: Progress,
    pub payload_sum: u32,
}

impl Header {
    pub fn encode(&self, seed: Uuid) -> [u8; HEADER_BYTES] {
        let mut encoded = [0; HEADER_BYTES];
        let numbers = [self.bytes, self.epoch, self.durable.0, self.from.0, self.upto.0];
        let body: Vec<u8> =
            numbers.into_iter().flat_map(u64::to_le_bytes).chain(self.payload_sum.to_le_bytes()).collect();
        let signed = [&FRAME_MAGIC[..], &sum(seed, &body).to_le_bytes(), &body].concat();
        encoded.copy_from_slice(&signed);
        encoded
    }

    pub fn decode(block: &[u8], seed: Uuid) -> Option<Self> {
        let (signature, body) = block.strip_prefix(&FRAME_MAGIC)?.split_first_chunk::<4>()?;
        let body = body.first_chunk::<{ HEADER_BYTES - 8 }>()?;
        if u32::from_le_bytes(*signature) != sum(seed, body) {
            return None;
        }
        let (numbers, payload_sum) = body.split_last_chunk::<4>()?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let [bytes, epoch, durable, from, upto] = <[[u8; 8]; 5]>::try_from(numbers).ok()?.map(u64::from_le_bytes);
        Some(Self {
            bytes,
            epoch,
            durable: Progress(durable),
            from: Progress(from),
            upto: Progress(upto),
            payload_sum: u32::from_le_bytes(*payload_sum),
        })
    }
}

fn sum(seed: Uuid, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(seed.as_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// What stands before the batch of a commit; `None` if it is larger than any may be.
pub fn commit_header(upto: Progress, batch: &[u8]) -> Option<[u8; COMMIT_BYTES]> {
    let mut header = [0; COMMIT_BYTES];
    let (number, bytes) = header.split_at_mut(8);
    number.copy_from_slice(&upto.0.to_le_bytes());
    bytes.copy_from_slice(&u32::try_from(batch.len()).ok()?.to_le_bytes());
    Some(header)
}

/// The commits of a payload; `None` if it is not made of such.
pub fn commits(mut payload: &[u8]) -> Option<Vec<(Progress, &[u8])>> {
    let mut commits = Vec::new();
    while !payload.is_empty() {
        let (upto, rest) = payload.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_first_chunk::<4>()?;
        let (batch, rest) = rest.split_at_checked(u32::from_le_bytes(*bytes) as usize)?;
        commits.push((Progress(u64::from_le_bytes(*upto)), batch));
        payload = rest;
    }
    Some(commits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SEED: Uuid = Uuid::from_u128(7);

    fn header() -> Header {
        Header { bytes: 1, epoch: 2, durable: Progress(3), from: Progress(4), upto: Progress(5), payload_sum: 6 }
    }

    /// Version 1, for ever.
    #[test]
    fn the_layout_does_not_change() {
        let file = FileHeader { log: Uuid::from_u128(1), seed: SEED };
        let expected = "4b494e4f5241 4a4c 01000000 00000000000000000000000000000001 00000000000000000000000000000007";
        let bytes = file.encode();
        assert_eq!(hex::encode(bytes.get(..44).unwrap()), expected.replace(' ', ""));
        assert_eq!(FileHeader::decode(&bytes), Some(file));
        let frame = hex::encode(header().encode(SEED));
        let numbers: String = (1..6).map(|n| format!("{n:02x}00000000000000")).collect();
        assert!(frame.starts_with("4b4a4652") && frame.get(16..) == Some(&format!("{numbers}06000000")), "{frame}");
    }

    #[test]
    fn a_header_with_any_bit_changed_or_another_seed_is_none() {
        let bytes = header().encode(SEED);
        assert_eq!(Header::decode(&bytes, SEED), Some(header()));
        assert_eq!(Header::decode(&bytes, Uuid::from_u128(8)), None);
        for bit in 0..HEADER_BYTES * 8 {
            let mut changed = bytes;
            *changed.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&changed, SEED), None, "bit {bit}");
        }
    }

    #[test]
    fn a_payload_is_its_commits_and_nothing_more() {
        let mut payload = Vec::new();
        for (upto, batch) in [(3, &b"abc"[..]), (9, b"")] {
            payload.extend_from_slice(&commit_header(Progress(upto), batch).unwrap());
            payload.extend_from_slice(batch);
        }
        assert_eq!(commits(&payload), Some(vec![(Progress(3), &b"abc"[..]), (Progress(9), b"")]));
        assert_eq!(commits(payload.get(..payload.len() - 1).unwrap()), None);
    }
}
