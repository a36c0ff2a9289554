//! Iterators that the writer keeps: to make one costs as much as the rest of a decision. They know the log up to
//! where they were made; what came after, the writer remembers, and where it has forgotten some of that, a new one is
//! made.

use std::sync::Arc;

use rocksdb::{DB, DBRawIterator};
use self_cell::self_cell;

use kinora_types::{Progress, StreamName, Tag};

use crate::append::recent::Recent;
use crate::error::Error;
use crate::read::lookup;
use crate::record::keys;
use crate::record::stream::Head;

/// Events after which an iterator is let go of. It keeps the files and the memtables alive that it was made for.
const KEPT_EVENTS: u64 = 65_536;

self_cell!(
    struct Rows {
        owner: Arc<DB>,
        #[covariant]
        dependent: DBRawIterator,
    }
);

pub struct Kept {
    revisions: KeptRows,
    by_tag: KeptRows,
}

impl Default for Kept {
    fn default() -> Self {
        Self { revisions: KeptRows::of(keys::REVISIONS), by_tag: KeptRows::of(keys::BY_TAG) }
    }
}

impl Kept {
    /// Where a stream stands that the writer does not remember. `written` is how far the log has come.
    pub fn head(
        &mut self,
        db: &Arc<DB>,
        recent: &Recent,
        stream: &StreamName,
        written: Progress,
    ) -> Result<Option<Head>, Error> {
        let knows = |made| recent.heads.knows_all_since(made);
        lookup::head_by(db, stream, |first| {
            self.revisions.ask(db, written, knows, |rows| lookup::last_revision(rows, first))
        })
    }

    /// Whether it is certain that nobody has ever used a tag: what a condition over all of history mostly comes to,
    /// such as that a name is not taken.
    pub fn is_unused(&mut self, db: &Arc<DB>, recent: &Recent, tag: &Tag, written: Progress) -> Result<bool, Error> {
        if recent.tags.get(tag).is_some() {
            return Ok(false);
        }
        self.by_tag.ask(
            db,
            written,
            |made| recent.tags.knows_all_since(made),
            |rows| {
                rows.seek(keys::posting(tag.as_str(), 0));
                rows.status()?;
                Ok(rows.key().is_none_or(|key| keys::posted_under(key, tag.as_str()).is_none()))
            },
        )
    }

    /// To be called now and then.
    pub fn let_go(&mut self, written: Progress) {
        for rows in [&mut self.revisions, &mut self.by_tag] {
            rows.kept.take_if(|(made, _)| written.0 - made.0 > KEPT_EVENTS);
        }
    }
}

/// The iterator of a family.
struct KeptRows {
    family: &'static str,
    /// With how far the log had come.
    kept: Option<(Progress, Rows)>,
}

impl KeptRows {
    fn of(family: &'static str) -> Self {
        Self { family, kept: None }
    }

    /// `knows_all_since`: whether the writer remembers all of this that came after.
    fn ask<T>(
        &mut self,
        db: &Arc<DB>,
        written: Progress,
        knows_all_since: impl FnOnce(Progress) -> bool,
        question: impl FnOnce(&mut DBRawIterator<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (made, mut rows) = match self.kept.take() {
            Some((made, rows)) if knows_all_since(made) => (made, rows),
            _ => (written, Rows::try_new(Arc::clone(db), |db| iterator(db, self.family))?),
        };
        let answer = rows.with_dependent_mut(|_, rows| question(rows))?;
        self.kept = Some((made, rows));
        Ok(answer)
    }
}

fn iterator<'a>(db: &'a DB, family: &'static str) -> Result<DBRawIterator<'a>, Error> {
    Ok(db.raw_iterator_cf_opt(lookup::family(db, family)?, lookup::under_one_name()))
}
