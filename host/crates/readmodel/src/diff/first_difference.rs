//! The first row in which two read models with the same tables differ, byte by byte. Where [`super::tables`] tells
//! people what has changed, this tells whether anything has.

use kinora_types::Budget;

use crate::error::Error;
use crate::rows::snapshot::Snapshot;
use crate::rows::view::{Entries, row_key};

/// A row that is not the same in two read models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDifference {
    pub table: String,
    pub key: String,
    /// JSON text, or nothing where there is no such row.
    pub one: Option<String>,
    pub other: Option<String>,
}

/// Compares the tables of `one`, in their order, with those of the same names.
pub fn first_difference(one: &Snapshot, other: &Snapshot, budget: &Budget) -> Result<Option<RowDifference>, Error> {
    for (ordinal, table) in (0..).zip(one.tables()) {
        let (theirs, _) = other.table(&table.name)?;
        let (mut ours, mut theirs) = (one.rows(ordinal, budget), other.rows(theirs, budget));
        loop {
            let (left, right) = (current(&ours)?, current(&theirs)?);
            if left.is_none() && right.is_none() {
                break;
            }
            if left != right {
                return Ok(Some(differing(&table.name, left, right)));
            }
            ours.advance();
            theirs.advance();
        }
    }
    Ok(None)
}

type Keyed<'a> = Option<(&'a str, &'a [u8])>;

/// An end is an end only if the database has no trouble.
fn current<'a>(entries: &'a Entries<'_>) -> Result<Keyed<'a>, Error> {
    match entries.current() {
        Some((key, row)) => Ok(Some((row_key(key)?, row))),
        None => entries.end().map(|()| None),
    }
}

/// Of two entries that are not the same, the row that comes first.
fn differing(table: &str, left: Keyed<'_>, right: Keyed<'_>) -> RowDifference {
    let key = match (left, right) {
        (Some((left, _)), Some((right, _))) => left.min(right),
        (Some((key, _)), None) | (None, Some((key, _))) => key,
        (None, None) => "",
    };
    let of = |side: Keyed<'_>| {
        side.filter(|(name, _)| *name == key).map(|(_, row)| String::from_utf8_lossy(row).into_owned())
    };
    RowDifference { table: table.to_owned(), key: key.to_owned(), one: of(left), other: of(right) }
}
