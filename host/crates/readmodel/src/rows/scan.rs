//! Scans: the rows of a range with what is pending on top of what was committed, and all that was looked at on the way.
//!
//! What was deleted takes time, too, until the database has forgotten it. So it counts, and a scan has an end even
//! where it finds nothing.

use kinora_types::Budget;
use rocksdb::DBRawIterator;
use rocksdb::perf::{PerfContext, PerfMetric};

use crate::error::Error;
use crate::layout::keys;
use crate::rows::range::KeyRange;
use crate::rows::view::{View, row_key};
use crate::rows::writes::Writes;

/// Deleted entries that take about as long as one row.
const DELETED_PER_ENTRY: u64 = 16;

/// Entries between two looks at the budget.
const ENTRIES_PER_LOOK: u64 = 64;

/// How much a scan may read.
#[derive(Clone, Copy, Debug)]
pub struct Most<'a> {
    pub rows: usize,
    /// About so many bytes of keys and rows.
    pub bytes: usize,
    /// Entries that are looked at: rows, those that are pending and delete one, and, many for one, what the database
    /// passes over because it is deleted.
    pub entries: u64,
    pub budget: &'a Budget,
}

impl<'a> Most<'a> {
    /// So many rows, whatever they take.
    pub fn rows(rows: usize, budget: &'a Budget) -> Self {
        Self { rows, bytes: usize::MAX, entries: u64::MAX, budget }
    }
}

/// What a scan has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// In the order of the keys.
    pub rows: Vec<(String, Vec<u8>)>,
    /// Entries that were looked at.
    pub entries: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum EntrySource {
    Stored,
    Pending,
    Both,
}

/// Counts what is looked at, and says when that is too much.
struct Looks<'a> {
    most: &'a Most<'a>,
    entries: u64,
    context: PerfContext,
    /// What the database had passed over on this thread before.
    deleted_before: u64,
}

impl<'a> Looks<'a> {
    fn new(most: &'a Most<'a>) -> Self {
        let context = PerfContext::default();
        let deleted_before = deleted(&context);
        Self { most, entries: 0, context, deleted_before }
    }

    /// With what was passed over meanwhile.
    fn entries(&self) -> u64 {
        self.entries + deleted(&self.context).saturating_sub(self.deleted_before) / DELETED_PER_ENTRY
    }

    fn take(&mut self) -> Result<(), Error> {
        self.entries += 1;
        if self.entries.is_multiple_of(ENTRIES_PER_LOOK) {
            self.most.budget.look(ENTRIES_PER_LOOK)?;
        }
        if self.entries() > self.most.entries { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> Error {
        Error::TooManyEntries { limit: self.most.entries }
    }

    /// Whether the end of the rows was the end, and not trouble.
    fn end(self, stored: &DBRawIterator<'_>) -> Result<u64, Error> {
        match stored.status() {
            Ok(()) => Ok(self.entries()),
            Err(cause) if cause.kind() == rocksdb::ErrorKind::Incomplete => Err(self.too_many()),
            Err(cause) => Err(cause.into()),
        }
    }
}

fn deleted(context: &PerfContext) -> u64 {
    context.metric(PerfMetric::InternalDeleteSkippedCount) + context.metric(PerfMetric::InternalKeySkippedCount)
}

impl View<'_> {
    /// The rows of a range, with what is pending on top.
    pub fn scan(&self, table: u16, range: &KeyRange, most: &Most<'_>, pending: &Writes) -> Result<Scanned, Error> {
        most.budget.check()?;
        let prefix = keys::rows(table);
        let lower = range.start.as_deref().map_or_else(|| prefix.clone(), |start| keys::row(table, start));
        let upper = range.end.as_deref().map_or_else(|| keys::after(&prefix), |end| keys::row(table, end));
        let mut looks = Looks::new(most);
        let mut stored = self.raw(&lower, &upper, range.reverse, most.entries.saturating_mul(DELETED_PER_ENTRY));
        let mut pending = pending.range(table, range).peekable();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < most.rows && bytes < most.bytes {
            let here = stored.item().map(|(key, _)| row_key(key)).transpose()?;
            if here.is_none() && !stored.valid() && stored.status().is_err() {
                break;
            }
            let first = match (here, pending.peek()) {
                (None, None) => break,
                (Some(_), None) => EntrySource::Stored,
                (None, Some(_)) => EntrySource::Pending,
                (Some(here), Some((name, _))) => match here.cmp(name) {
                    std::cmp::Ordering::Equal => EntrySource::Both,
                    order if (order == std::cmp::Ordering::Less) != range.reverse => EntrySource::Stored,
                    _ => EntrySource::Pending,
                },
            };
            looks.take()?;
            if first == EntrySource::Stored {
                if let Some((key, row)) = stored.item() {
                    bytes += key.len() + row.len();
                    rows.push((row_key(key)?.to_owned(), row.to_vec()));
                }
            } else if let Some((name, row)) = pending.next()
                && let Some(row) = row
            {
                bytes += name.len() + row.len();
                rows.push((name.to_owned(), row.to_vec()));
            }
            if first != EntrySource::Pending {
                if range.reverse { stored.prev() } else { stored.next() }
            }
        }
        Ok(Scanned { entries: looks.end(&stored)?, rows })
    }
}
