//! Every key layout of a read model's database. All in one column family, so that a flush keeps a prefix of the
//! writes, checkpoint included.
//!
//! | key | value |
//! |---|---|
//! | `00 "format"` | the format's number, u32 big-endian |
//! | `00 "checkpoint"` | how many events of the log have been applied, u64 big-endian |
//! | `00 "tables"` | the declared tables, JSON |
//! | `01 table:u16 key` | a row: JSON text |
//! | `02 table:u16 index:u16 values key` | an index entry, empty; `values` after [`super::order`] |

pub const FORMAT: &[u8] = b"\0format";
pub const CHECKPOINT: &[u8] = b"\0checkpoint";
pub const TABLES: &[u8] = b"\0tables";

const ROWS: u8 = 1;
const INDEXES: u8 = 2;

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
    bytes.extend_from_slice(&rows(table));
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// The bytes that all entries of an index begin with.
pub fn index(table: u16, index: u16) -> Vec<u8> {
    let ([a, b], [c, d]) = (table.to_be_bytes(), index.to_be_bytes());
    vec![INDEXES, a, b, c, d]
}

/// The first key that no longer begins with `prefix`. Our prefixes begin with 1 or 2, so there always is one.
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
        assert_eq!(number(&5_u64.to_be_bytes()), Some(5));
        assert_eq!(number(b"short"), None);
    }

    #[test]
    fn what_comes_after_a_prefix_is_the_first_key_without_it() {
        assert_eq!(after(b"\x01\x00\x01"), b"\x01\x00\x02");
        assert_eq!(after(b"\x01\xff\xff"), b"\x02");
    }
}
