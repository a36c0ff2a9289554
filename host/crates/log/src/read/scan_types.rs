//! Visiting the events of some types only, found by their posting lists, for those who want few of all events.

use std::ops::ControlFlow;

use rocksdb::ReadOptions;

use kinora_types::{Direction, Position, Progress};

use crate::error::Error;
use crate::log::Log;
use crate::read::postings::Matches;
use crate::read::reader;
use crate::read::selection::{Filter, Item, Selection};
use crate::record::event::RecordRef;
use crate::record::keys;

/// Up to so many events are passed over one by one: to go to the next one costs less than to search for one.
const STEPS: u64 = 8;

impl Log {
    /// Visits the events of these types (in any schema) from `from` on, up to `upto` or what is durable, until `visit`
    /// breaks off.
    pub fn scan_types(
        &self,
        types: &[String],
        from: Position,
        upto: Progress,
        mut visit: impl FnMut(Position, RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let upto = upto.min(self.progress());
        if !upto.includes(from) || types.is_empty() {
            return Ok(());
        }
        let db = &self.inner.db;
        let item = Item { types: types.to_vec(), tags: Vec::new() };
        let filter = Filter { selection: Some(Selection { items: vec![item] }), ..Filter::default() };
        let mut matches = Matches::new(db, &filter, Direction::Forwards)?;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::event(upto.next()));
        options.fill_cache(false);
        let mut rows = db.raw_iterator_cf_opt(reader::family(db, keys::EVENTS)?, options);
        let mut at: Option<Position> = None;
        let mut asked = from.0;
        while let Some(position) = matches.find(asked)?.map(Position).filter(|position| upto.includes(*position)) {
            match at.map(|at| position.0 - at.0).filter(|distance| *distance <= STEPS) {
                Some(distance) => (0..distance).for_each(|_| rows.next()),
                None => rows.seek(keys::event(position)),
            }
            at = Some(position);
            let Some((_, bytes)) = rows.item().filter(|(key, _)| *key == keys::event(position)) else {
                rows.status()?;
                return Err(Error::Corrupt { position, what: "an index says that there is an event".into() });
            };
            if visit(position, reader::decode(position, bytes)?).is_break() {
                return Ok(());
            }
            let Some(next) = position.0.checked_add(1) else { return Ok(()) };
            asked = next;
        }
        Ok(())
    }
}
