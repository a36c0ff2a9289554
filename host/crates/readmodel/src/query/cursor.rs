//! Cursors: where a page ended, as text that a client hands back.

use std::hash::Hash;

use kinora_types::TableSpec;

use crate::error::Error;
use crate::query::list_query::ListQuery;

/// Where a page ended.
pub(crate) enum Cursor {
    /// Behind this entry of an index, or of the rows.
    Entry { index: [u8; 4], within: Vec<u8> },
    /// Behind the row with these values.
    Sorted(Vec<u8>),
}

const ENTRY: u8 = 1;
const SORTED: u8 = 2;

impl ListQuery {
    /// What has to be the same for a cursor to make sense, whatever the version of the projection.
    pub(crate) fn fingerprint(&self) -> [u8; 4] {
        checksum(&(&self.table, &self.filter, &self.order, &self.log))
    }

    pub(crate) fn read_cursor(&self) -> Result<Option<Cursor>, Error> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let damaged = || Error::InvalidCursor("it is damaged");
        let bytes = hex::decode(cursor).map_err(|_| damaged())?;
        let (fingerprint, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        if *fingerprint != self.fingerprint() {
            let why = "its filters, order or table were others, or the log was restored or repaired since";
            return Err(Error::InvalidCursor(why));
        }
        match rest.split_first() {
            Some((&ENTRY, rest)) => {
                let (index, within) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
                Ok(Some(Cursor::Entry { index: *index, within: within.to_vec() }))
            }
            Some((&SORTED, rest)) => Ok(Some(Cursor::Sorted(rest.to_vec()))),
            _ => Err(damaged()),
        }
    }

    /// The values of the row that a page of a sorted list begins behind.
    pub(crate) fn sorted_after(&self) -> Result<Option<Vec<u8>>, Error> {
        match self.read_cursor()? {
            None => Ok(None),
            Some(Cursor::Sorted(values)) => Ok(Some(values)),
            Some(Cursor::Entry { .. }) => Err(Error::InvalidCursor("it is one of the rows as they are now")),
        }
    }

    pub(crate) fn write_cursor(&self, cursor: &Cursor) -> String {
        let mut bytes = self.fingerprint().to_vec();
        match cursor {
            Cursor::Entry { index, within } => {
                bytes.push(ENTRY);
                bytes.extend_from_slice(index);
                bytes.extend_from_slice(within);
            }
            Cursor::Sorted(values) => {
                bytes.push(SORTED);
                bytes.extend_from_slice(values);
            }
        }
        hex::encode(bytes)
    }
}

/// Against mistakes, not against malice: a cursor that is made up leads to other rows, which its client may see anyway.
/// Another build of this program may have another one: a cursor of before is then refused.
fn checksum(what: &impl Hash) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    what.hash(&mut hasher);
    hasher.finalize().to_be_bytes()
}

/// Tells an index from others by what it is ordered by: its number can change from version to version.
pub(crate) fn index_checksum(table: &TableSpec, index: Option<u16>) -> [u8; 4] {
    checksum(&index.and_then(|index| table.indexes.get(usize::from(index))).map(|index| &index.paths))
}
