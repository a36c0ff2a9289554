//! The preflight of a deployment: what becomes of the events that the log has, by its own counts, before anything runs.

use kinora_log as log;
use kinora_log::{Filter, Item, Log, SearchRange, Selection, TypeCount};
use kinora_types::{Direction, Progress, RESERVED};

use crate::error::Error;
use crate::feed::routes::{Route, Routes};
use crate::record::gap::Gap;
use crate::trial::forecast::{Forecast, Sample};

/// Events that are read at once when the first one of a type and schema is looked for.
const LOOK_EVENTS: usize = 1_000;

/// What would become of the events of a type and schema.
#[derive(Clone, Debug)]
pub struct Fate {
    pub kind: String,
    pub schema: u32,
    pub count: u64,
    pub becomes: &'static str,
}

/// What a deployment would come to.
#[derive(Clone, Debug)]
pub struct Preflight {
    pub projection: String,
    /// Each type and schema of the log.
    pub events: Vec<Fate>,
    pub forecast: Forecast,
}

/// The types and schemas of the log, from `start` on, that have no route.
pub fn gaps(log: &Log, routes: &Routes, start: Progress) -> Result<Vec<Gap>, log::Error> {
    let mut gaps = Vec::new();
    for found in log.types()?.iter().filter(|found| routes.of(&found.kind, found.schema).is_none()) {
        if let Some(first_position) = first_from(log, routes, found, start)? {
            let why = routes.explain(&found.kind, found.schema);
            gaps.push(Gap { kind: found.kind.clone(), schema: found.schema, count: found.count, first_position, why });
        }
    }
    gaps.sort_by_key(|gap| gap.first_position);
    Ok(gaps)
}

pub fn refuse_gaps(log: &Log, routes: &Routes, start: Progress) -> Result<(), Error> {
    let gaps = gaps(log, routes, start)?;
    if gaps.is_empty() { Ok(()) } else { Err(Error::Gaps(gaps)) }
}

/// The first event of a type and schema from `start` on that is not passed over by name.
fn first_from(log: &Log, routes: &Routes, found: &TypeCount, start: Progress) -> Result<Option<u64>, log::Error> {
    if found.first >= start.next() && !routes.skips(found.first) {
        return Ok(Some(found.first.0));
    }
    let selection = Selection { items: vec![Item { types: vec![found.kind.clone()], tags: Vec::new() }] };
    let filter = Filter { selection: Some(selection), ..Filter::default() };
    let (end, mut from) = (log.progress(), start.next());
    loop {
        let page =
            log.select(&filter, SearchRange { from, upto: end, direction: Direction::Forwards, limit: LOOK_EVENTS })?;
        if let Some(event) =
            page.events.iter().find(|event| event.schema == found.schema && !routes.skips(event.position))
        {
            return Ok(Some(event.position.0));
        }
        match page.next {
            Some(next) => from = next,
            None => return Ok(None),
        }
    }
}

/// The fates of all types, and a forecast from a sample.
pub fn run(projection: &str, routes: &Routes, sample: Sample<'_>) -> Result<Preflight, Error> {
    let types = sample.log.types()?;
    let fate = |found: &TypeCount| {
        let becomes = match routes.of(&found.kind, found.schema) {
            Some(Route::Handle(_)) => "handled",
            Some(Route::Step { .. }) => "upcast",
            Some(Route::Ignore) if found.kind.starts_with(RESERVED) => "the host's own",
            Some(Route::Ignore) => "ignored",
            None => "before the start",
        };
        Fate { kind: found.kind.clone(), schema: found.schema, count: found.count, becomes }
    };
    let events: Vec<_> = types.iter().map(fate).collect();
    let concerned =
        events.iter().filter(|fate| matches!(fate.becomes, "handled" | "upcast")).map(|fate| fate.count).sum();
    Ok(Preflight { projection: projection.to_owned(), forecast: sample.forecast(concerned)?, events })
}
