//! Versions of rows: for tables that declare a history, what each event left of a row that it wrote, and so what a row
//! was at any position that the retention reaches back to.
//!
//! Versions stand newest first below their row's key. A queue in the order of positions says which version ends the use
//! of the ones before it, so that each commit forgets just what it makes too old: the newest version of each row that
//! is not younger than the horizon stays, since it is what the row was at the horizon.

use std::borrow::Cow;

use kinora_types::{Budget, Progress, TableSpec};
use rocksdb::WriteBatch;

use crate::error::Error;
use crate::layout::keys;
use crate::layout::shown::{shown, shown_row};
use crate::rows::snapshot::Snapshot;
use crate::rows::view::{self, View};
use crate::rows::writes::Write;

/// Versions that a commit forgets at most, beyond as many as it writes: an old table whose retention shrank is not
/// cleared at once.
const FORGOTTEN_VERSIONS: usize = 1_000;

/// A row as one event left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowVersion {
    /// How many events had been applied then.
    pub progress: Progress,
    /// None where the event deleted it.
    pub json: Option<String>,
}

/// The first progress that can be asked for.
fn horizon(retention: u64, progress: Progress) -> Progress {
    if retention == 0 { Progress(0) } else { Progress(progress.0.saturating_sub(retention)) }
}

/// Adds a version of a row to a commit.
pub fn add(batch: &mut WriteBatch, table: u16, key: &str, row: Write<'_>, progress: Progress) {
    batch.put(keys::version(table, key, progress.0), row.unwrap_or_default());
    batch.put(keys::queued(table, progress.0, key), b"");
}

/// Deletes the versions that nobody can ask for any more once this commit is made. `front` is where the queue begins:
/// RocksDB would pass all that was taken from it before, as long as no compaction has cleared that away. Gives where it
/// begins then.
pub fn forget(
    batch: &mut WriteBatch,
    view: View<'_>,
    table: u16,
    retention: u64,
    progress: Progress,
    written: usize,
    mut front: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let horizon = horizon(retention, progress);
    if horizon.0 == 0 {
        return Ok(front);
    }
    let mut queue = view.iterate(&front, &keys::queued(table, horizon.0 + 1, ""), false);
    let mut left = written + FORGOTTEN_VERSIONS;
    while let Some((entry, _)) = queue.current().filter(|_| left > 0) {
        let (at, key) = keys::queued_parts(entry).ok_or_else(|| damaged(entry))?;
        let version = keys::version(table, key, at);
        let mut older = view.iterate(&version, &keys::after(&keys::versions(table, key)), false);
        // The row was this at the horizon, unless it was nothing at all.
        if let Some((this, row)) = older.current() {
            if row.is_empty() {
                batch.delete(this);
            }
            older.advance();
        }
        // What was before is one version at most: the ones before that went when its turn in the queue came. To look
        // for more of them would be to pass all that this row has ever been.
        if let Some((before, _)) = older.current() {
            batch.delete(before);
        }
        older.end()?;
        batch.delete(entry);
        entry.clone_into(&mut front);
        left -= 1;
        queue.advance();
    }
    queue.end()?;
    Ok(front)
}

pub(crate) fn damaged(entry: &[u8]) -> Error {
    Error::Corrupt(format!("the entry {} of a history makes no sense", hex::encode(entry)))
}

impl Snapshot {
    /// The table, if it has a history that reaches back to there.
    pub(crate) fn past(&self, table: &str, at: Progress) -> Result<(u16, &TableSpec), Error> {
        let (ordinal, spec) = self.table(table)?;
        let retention = spec.history.ok_or_else(|| Error::NoHistory { table: table.to_owned() })?;
        let horizon = horizon(retention, self.checkpoint());
        if at < horizon {
            let (wanted, oldest) = (at.0.saturating_sub(1), horizon.0.saturating_sub(1));
            return Err(Error::BeyondHistory { table: table.to_owned(), wanted, oldest });
        }
        Ok((ordinal, spec))
    }

    /// A row as it was.
    pub fn get_at(&self, table: &str, key: &str, at: Progress) -> Result<Option<Vec<u8>>, Error> {
        let (ordinal, table) = self.past(table, at)?;
        let (newest, end) = (keys::version(ordinal, key, at.0), keys::after(&keys::versions(ordinal, key)));
        let entries = self.view().iterate(&newest, &end, false);
        let found = entries.current().map(|(_, row)| row.to_vec()).filter(|row| !row.is_empty());
        entries.end()?;
        found.map(|row| shown_row(table, row)).transpose()
    }

    /// What a row was, the newest first, at most `limit` of them.
    pub fn versions(&self, table: &str, key: &str, limit: usize, budget: &Budget) -> Result<Vec<RowVersion>, Error> {
        let (ordinal, table) = self.past(table, self.checkpoint())?;
        let prefix = keys::versions(ordinal, key);
        let mut entries = self.view().within(budget).iterate(&prefix, &keys::after(&prefix), false);
        let mut found = Vec::new();
        while let Some((entry, row)) = entries.current().filter(|_| found.len() < limit) {
            let (_, progress) = keys::version_parts(entry).ok_or_else(|| damaged(entry))?;
            budget.take(row.len())?;
            let json = (!row.is_empty()).then(|| view::text(key, row)).transpose()?;
            let json = json.map(|json| shown(table, &json).map(Cow::into_owned)).transpose()?;
            found.push(RowVersion { progress: Progress(progress), json });
            entries.advance();
        }
        entries.end()?;
        Ok(found)
    }
}
