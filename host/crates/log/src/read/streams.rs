//! The positions of a stream's events: the list that the stream's own index is, searched like a posting list.

use rocksdb::{DB, IteratorMode};

use kinora_types::{Direction, Position, Revision, StreamName};

use crate::error::Error;
use crate::read::lookup;
use crate::record::keys;

/// Streams of a prefix whose lists are merged. With more of them, their category's list is gone through instead.
const MERGED_STREAMS: usize = 128;

/// The events of one stream.
pub struct StreamList<'a> {
    db: &'a DB,
    /// The position of the first one.
    first: Position,
    /// How many events it has.
    count: u64,
    direction: Direction,
    /// The last answer: its revision and position.
    at: Option<(u64, u64)>,
}

impl<'a> StreamList<'a> {
    pub fn new(db: &'a DB, stream: &StreamName, direction: Direction) -> Result<Self, Error> {
        let (first, count) =
            lookup::head(db, stream)?.map_or((Position(0), 0), |head| (head.first, head.revision.0 + 1));
        Ok(Self { db, first, count, direction, at: None })
    }

    /// The nearest position from `at` on, in the direction of the search.
    pub fn find(&mut self, at: u64) -> Result<Option<u64>, Error> {
        let found = match self.direction {
            Direction::Forwards => self.first_from(at)?,
            Direction::Backwards => self.last_upto(at)?,
        };
        self.at = found;
        Ok(found.map(|(_, position)| position))
    }

    fn first_from(&self, at: u64) -> Result<Option<(u64, u64)>, Error> {
        // Mostly the question goes on from the last answer: steps of growing size find the range to halve.
        let (mut low, mut high) = match self.at {
            Some((revision, position)) if position >= at => {
                let before = revision.checked_sub(1).map(|before| self.position(before)).transpose()?;
                if before.is_none_or(|before| before < at) {
                    return Ok(Some((revision, position)));
                }
                (0, revision)
            }
            Some((revision, _)) => {
                let (mut low, mut step) = (revision + 1, 1);
                while low + step < self.count && self.position(low + step - 1)? < at {
                    low += step;
                    step *= 2;
                }
                (low, (low + step).min(self.count))
            }
            None => (0, self.count),
        };
        while low < high {
            let middle = low + (high - low) / 2;
            if self.position(middle)? < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low < self.count { Ok(Some((low, self.position(low)?))) } else { Ok(None) }
    }

    fn last_upto(&self, at: u64) -> Result<Option<(u64, u64)>, Error> {
        let (mut low, mut high) = (0, self.count);
        if let Some((revision, position)) = self.at
            && position > at
        {
            high = revision;
            let mut step = 1;
            while step <= high && self.position(high - step)? > at {
                high -= step;
                step *= 2;
            }
            low = high.saturating_sub(step);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.position(middle)? <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        match low.checked_sub(1) {
            Some(revision) => Ok(Some((revision, self.position(revision)?))),
            None => Ok(None),
        }
    }

    fn position(&self, revision: u64) -> Result<u64, Error> {
        lookup::position_in_stream(self.db, self.first, Revision(revision)).map(|position| position.0)
    }
}

/// The streams whose names begin so, or `None` if there are too many to merge.
pub fn few_with_prefix(db: &DB, prefix: &str) -> Result<Option<Vec<StreamName>>, Error> {
    let mut found = Vec::new();
    let from = IteratorMode::From(prefix.as_bytes(), rocksdb::Direction::Forward);
    for entry in db.iterator_cf(lookup::family(db, keys::STREAMS)?, from) {
        let (name, _) = entry?;
        if !name.starts_with(prefix.as_bytes()) {
            break;
        }
        if found.len() == MERGED_STREAMS {
            return Ok(None);
        }
        let parsed = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        found.push(parsed.ok_or_else(|| lookup::bad_key(keys::STREAMS, &name))?);
    }
    Ok(Some(found))
}

/// The categories of the streams whose names begin so, or `None` if there are too many to merge.
pub fn few_categories(db: &DB, prefix: &str) -> Result<Option<Vec<String>>, Error> {
    let own = keys::category(prefix);
    if own.ends_with('-') {
        return Ok(Some(vec![own.to_owned()]));
    }
    let mut found: Vec<String> = Vec::new();
    let mut rows = db.raw_iterator_cf(lookup::family(db, keys::BY_CATEGORY)?);
    rows.seek(prefix);
    while let Some(key) = rows.key().filter(|key| key.starts_with(prefix.as_bytes())) {
        if found.len() == MERGED_STREAMS {
            return Ok(None);
        }
        let name = key.split(|byte| *byte == 0).next().and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| lookup::bad_key(keys::BY_CATEGORY, key))?.to_owned();
        // Past the last key of this category.
        rows.seek([name.as_bytes(), &[1]].concat());
        found.push(name);
    }
    rows.status()?;
    Ok(Some(found))
}
