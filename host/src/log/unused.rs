//! Whether nobody has ever used a tag: what a condition over all of history mostly comes to, such as that a name is not taken.
//!
//! It is asked of an iterator that is kept, since to make one costs as much as the rest of the decision. The iterator knows the log
//! up to where it was made; what came after, the writer remembers.

use std::sync::Arc;

use rocksdb::{DB, DBRawIterator, ReadOptions};
use self_cell::self_cell;

use crate::event::{Progress, Tag};

use super::error::Error;
use super::recent::Recent;
use super::{keys, reader};

/// Events after which an iterator is let go of. It keeps the files and the memtables alive that it was made for.
const KEPT_EVENTS: u64 = 65_536;

self_cell!(
    struct Kept {
        owner: Arc<DB>,
        #[covariant]
        dependent: DBRawIterator,
    }
);

#[derive(Default)]
pub struct Unused {
    /// With how far the log had come.
    kept: Option<(Progress, Kept)>,
}

impl Unused {
    /// `written` is how far the log has come; `false` is no answer.
    pub fn is_certain(&mut self, db: &Arc<DB>, recent: &Recent, tag: &Tag, written: Progress) -> Result<bool, Error> {
        if recent.tags.get(tag).is_some() {
            return Ok(false);
        }
        let mut kept = match self.kept.take() {
            Some((made, kept)) if recent.tags.knows_all_since(made) => (made, kept),
            _ => (written, Kept::try_new(Arc::clone(db), |db| iterator(db))?),
        };
        let found = kept.1.with_dependent_mut(|_, rows| {
            rows.seek(keys::posting(tag.as_str(), 0));
            rows.status()?;
            Ok::<_, Error>(rows.key().is_some_and(|key| keys::posted_under(key, tag.as_str()).is_some()))
        })?;
        self.kept = Some(kept);
        Ok(!found)
    }

    /// To be called now and then.
    pub fn let_go(&mut self, written: Progress) {
        self.kept.take_if(|(made, _)| written.0 - made.0 > KEPT_EVENTS);
    }
}

fn iterator(db: &DB) -> Result<DBRawIterator<'_>, Error> {
    let mut options = ReadOptions::default();
    // It never leaves its name, so a filter may say that there is none such.
    options.set_prefix_same_as_start(true);
    Ok(db.raw_iterator_cf_opt(reader::family(db, keys::BY_TAG)?, options))
}
