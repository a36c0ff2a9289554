//! Every key layout of a read model's database. All in one column family, so that a flush keeps a prefix of the
//! writes, checkpoint included.
//!
//! | key | value |
//! |---|---|
//! | `00 "format"` | the format's number, u32 big-endian |
//! | `00 "checkpoint"` | how many events of the log have been applied, u64 big-endian |
//! | `00 "replayed"` | how long that took, as a replay, in microseconds, u64 big-endian |
//! | `00 "tables"` | the declared tables, JSON |
//! | `00 "incarnation"` | the life of the log that its events are of, a UUID; none: the first one |
//! | `01 table:u16 key` | a row: JSON text |
//! | `02 table:u16 index:u16 values key` | an index entry, empty; `values` after [`super::order`] |
//! | `03 table:u16 key 00 !progress:u64` | a row as it was after `progress` events: JSON text, empty if deleted |
//! | `04 table:u16 progress:u64 key` | that there is such a version, empty |

pub const FORMAT: &[u8] = b"\0format";
pub const CHECKPOINT: &[u8] = b"\0checkpoint";
pub const REPLAYED: &[u8] = b"\0replayed";
pub const TABLES: &[u8] = b"\0tables";
pub const INCARNATION: &[u8] = b"\0incarnation";

const ROWS: u8 = 1;
const INDEXES: u8 = 2;
const VERSIONS: u8 = 3;
const QUEUE: u8 = 4;

/// Bytes before the key of a row.
pub const ROW_PREFIX_BYTES: usize = 3;

/// Bytes before the values of an index entry.
pub const INDEX_PREFIX_BYTES: usize = 5;

/// The bytes that all rows of a table begin with.
pub fn rows(table: u16) -> Vec<u8> {
    let [high, low] = table.to_be_bytes();
    vec![ROWS, high, low]
}

pub fn row(table: u16, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROW_PREFIX_BYTES + key.len());
    row_into(table, key, &mut bytes);
    bytes
}

/// As [`row`], in memory that is used again.
pub fn row_into(table: u16, key: &str, bytes: &mut Vec<u8>) {
    let [high, low] = table.to_be_bytes();
    bytes.clear();
    bytes.extend_from_slice(&[ROWS, high, low]);
    bytes.extend_from_slice(key.as_bytes());
}

/// The bytes that all entries of an index begin with.
pub fn index(table: u16, index: u16) -> Vec<u8> {
    let ([a, b], [c, d]) = (table.to_be_bytes(), index.to_be_bytes());
    vec![INDEXES, a, b, c, d]
}

/// The bytes that the versions of all rows of a table begin with.
pub fn history(table: u16) -> Vec<u8> {
    let [high, low] = table.to_be_bytes();
    vec![VERSIONS, high, low]
}

/// The bytes that the versions of a row begin with. A key has no NUL, so no other key's do.
pub fn versions(table: u16, key: &str) -> Vec<u8> {
    [history(table).as_slice(), key.as_bytes(), &[0]].concat()
}

/// A version of a row. Newer ones stand first.
pub fn version(table: u16, key: &str, progress: u64) -> Vec<u8> {
    [versions(table, key).as_slice(), &(!progress).to_be_bytes()].concat()
}

/// The key of the row and the progress of a version.
pub fn version_parts(entry: &[u8]) -> Option<(&str, u64)> {
    let (key, progress) = entry.get(ROW_PREFIX_BYTES..)?.split_last_chunk::<8>()?;
    Some((std::str::from_utf8(key.strip_suffix(&[0])?).ok()?, !u64::from_be_bytes(*progress)))
}

/// The bytes that the queue of a table begins with.
pub fn queue(table: u16) -> Vec<u8> {
    let [high, low] = table.to_be_bytes();
    vec![QUEUE, high, low]
}

pub fn queued(table: u16, progress: u64, key: &str) -> Vec<u8> {
    [queue(table).as_slice(), &progress.to_be_bytes(), key.as_bytes()].concat()
}

pub fn queued_parts(entry: &[u8]) -> Option<(u64, &str)> {
    let (progress, key) = entry.get(ROW_PREFIX_BYTES..)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*progress), std::str::from_utf8(key).ok()?))
}

/// The first key that no longer begins with `prefix`. Our prefixes begin with small bytes, so there always is one.
pub fn after(prefix: &[u8]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            break;
        }
    }
    bytes
}

pub fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn layouts_stay_as_they_are_on_disk() {
        assert_eq!(row(1, "UA"), b"\x01\x00\x01UA");
        assert_eq!(index(1, 258), b"\x02\x00\x01\x01\x02");
        assert_eq!((rows(7).len(), index(7, 7).len()), (ROW_PREFIX_BYTES, INDEX_PREFIX_BYTES));
        assert_eq!(version(1, "UA", 1), b"\x03\x00\x01UA\x00\xff\xff\xff\xff\xff\xff\xff\xfe");
        assert_eq!(version_parts(&version(1, "UA", 7)), Some(("UA", 7)));
        assert_eq!(queued(1, 2, "UA"), b"\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02UA");
        assert_eq!(queued_parts(&queued(1, 2, "UA")), Some((2, "UA")));
        assert_eq!(number(&5_u64.to_be_bytes()), Some(5));
        assert_eq!(number(b"short"), None);
    }

    #[test]
    fn what_comes_after_a_prefix_is_the_first_key_without_it() {
        assert_eq!(after(b"\x01\x00\x01"), b"\x01\x00\x02");
        assert_eq!(after(b"\x01\xff\xff"), b"\x02");
    }
}
