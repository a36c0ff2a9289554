//! Checks of what `describe()` says: names that can stand in URLs, no duplicates, no dangling references.

use std::collections::BTreeSet;

use kinora_types::{Column, EventType, IndexSpec, TableSpec};

use crate::error::Error;
use crate::limits::Limits;
use crate::module::manifest::{NamedQuery, Needs, Partition, ProjectorManifest, Step, UpcasterManifest};
use crate::module::schemas::Schemas;
use crate::run::bindings::projector::kinora::engine::types as wit;
use crate::run::bindings::{projector, upcaster};

/// The path segment of named queries: no table may have this name.
pub const QUERIES_SEGMENT: &str = "queries";

/// Bytes of a name of a table, an index or a query.
const NAME_BYTES: usize = 64;

/// Bytes of a description or of a module's own name.
const TEXT_BYTES: usize = 4096;

pub fn projector(manifest: projector::Manifest, limits: &Limits) -> Result<ProjectorManifest, Error> {
    let checker = Checker { limits };
    checker.count("handles", manifest.handles.len())?;
    checker.count("ignores", manifest.ignores.len())?;
    checker.count("tables", manifest.tables.len())?;
    checker.count("queries", manifest.queries.len())?;
    checker.text("name", &manifest.name)?;
    if manifest.handles.is_empty() {
        return Err(Error::Manifest("it handles no event type, so it would never have a row".into()));
    }
    let handles = manifest.handles.into_iter().map(event_type).collect::<Result<Vec<_>, _>>()?;
    distinct("handled event type", handles.iter().map(EventType::to_string))?;
    let tables = manifest.tables.into_iter().map(|table| checker.table(table)).collect::<Result<Vec<_>, _>>()?;
    distinct("table", tables.iter().map(|table| table.name.clone()))?;
    let queries = manifest.queries.into_iter().map(|query| checker.query(query)).collect::<Result<Vec<_>, _>>()?;
    distinct("query", queries.iter().map(|query| query.name.clone()))?;
    Schemas::new(&queries).map_err(Error::Manifest)?;
    Ok(ProjectorManifest {
        name: manifest.name,
        handles,
        ignores: manifest.ignores,
        tables,
        queries,
        needs: needs(manifest.needs),
        partition: manifest.partition.map(|by| checker.partition(by)).transpose()?,
    })
}

pub fn upcaster(manifest: upcaster::UpcasterManifest, limits: &Limits) -> Result<UpcasterManifest, Error> {
    let checker = Checker { limits };
    checker.text("name", &manifest.name)?;
    checker.count("steps", manifest.steps.len())?;
    if manifest.steps.is_empty() {
        return Err(Error::Manifest("it has no step".into()));
    }
    let step = |step: upcaster::Step| {
        checker.count("outputs of a step", step.to.len())?;
        let to = step.to.into_iter().map(event_type).collect::<Result<Vec<_>, _>>()?;
        Ok(Step { from: event_type(step.from)?, to })
    };
    let steps = manifest.steps.into_iter().map(step).collect::<Result<Vec<_>, Error>>()?;
    distinct("step from", steps.iter().map(|step| step.from.to_string()))?;
    Ok(UpcasterManifest { name: manifest.name, steps, needs: needs(manifest.needs) })
}

fn event_type(event_type: wit::EventType) -> Result<EventType, Error> {
    EventType::new(event_type.name.as_str(), event_type.schema).map_err(|cause| Error::Manifest(cause.to_string()))
}

fn needs(needs: wit::Needs) -> Needs {
    Needs { metadata: needs.contains(wit::Needs::METADATA), tags: needs.contains(wit::Needs::TAGS) }
}

fn distinct(what: &str, names: impl Iterator<Item = String>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            return Err(Error::Manifest(format!("{what} {name:?} stands there twice")));
        }
    }
    Ok(())
}

struct Checker<'a> {
    limits: &'a Limits,
}

impl Checker<'_> {
    fn count(&self, what: &str, count: usize) -> Result<(), Error> {
        let limit = self.limits.manifest_entries;
        if count > limit {
            return Err(Error::Manifest(format!("it has {count} {what}, the limit is {limit}")));
        }
        Ok(())
    }

    fn text(&self, what: &str, text: &str) -> Result<(), Error> {
        if text.len() > TEXT_BYTES {
            return Err(Error::Manifest(format!("its {what} has {} bytes, the limit is {TEXT_BYTES}", text.len())));
        }
        Ok(())
    }

    /// Names that stand in URLs as they are.
    fn name(&self, what: &str, name: &str) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(plain) {
            return Err(Error::Manifest(format!(
                "{what} {name:?} is not a valid name: 1 to {NAME_BYTES} letters, digits, `_` and `-`"
            )));
        }
        Ok(())
    }

    fn table(&self, table: projector::Table) -> Result<TableSpec, Error> {
        self.name("table", &table.name)?;
        if table.name == QUERIES_SEGMENT {
            return Err(Error::Manifest(format!("a table cannot be called {QUERIES_SEGMENT:?}: its URL is taken")));
        }
        self.text("key description", &table.key)?;
        self.count("indexes", table.indexes.len())?;
        let indexes = table.indexes.into_iter().map(|index| self.index(&table.name, index));
        let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
        distinct(&format!("index of table {:?}", table.name), indexes.iter().map(|index| index.name.clone()))?;
        let spec = TableSpec { name: table.name, key: table.key, indexes, history: table.history };
        distinct(&format!("key part of table {:?}", spec.name), spec.parts().map(str::to_owned))?;
        Ok(spec)
    }

    fn index(&self, table: &str, index: projector::Index) -> Result<IndexSpec, Error> {
        self.name("index", &index.name)?;
        let invalid =
            |why: &str| Err(Error::Manifest(format!("index {:?} of table {table:?} is not valid: {why}", index.name)));
        if index.paths.is_empty() || index.paths.len() > self.limits.manifest_entries {
            return invalid("it has no paths, or too many");
        }
        if index.paths.iter().any(|path| path.len() > TEXT_BYTES) {
            return invalid("a path is too long");
        }
        if let Some(why) = index.paths.iter().find_map(|path| Column::problem(path)) {
            return invalid(why);
        }
        let columns: Vec<_> = index.paths.iter().map(|path| Column::new(path)).collect();
        if columns.iter().filter(|column| column.array.is_some()).count() > 1 {
            return invalid("one of its paths may lead through an array, not several");
        }
        distinct(&format!("path of index {:?}", index.name), columns.into_iter().map(|column| column.path))?;
        Ok(IndexSpec { name: index.name, paths: index.paths, unique: index.unique })
    }

    fn partition(&self, by: projector::PartitionBy) -> Result<Partition, Error> {
        match by {
            projector::PartitionBy::Stream => Ok(Partition::Stream),
            projector::PartitionBy::Tag(prefix) if prefix.is_empty() => {
                Err(Error::Manifest("it is partitioned by a tag that may begin with anything".into()))
            }
            projector::PartitionBy::Tag(prefix) => {
                self.text("partition", &prefix)?;
                Ok(Partition::Tag(prefix))
            }
        }
    }

    fn query(&self, query: projector::NamedQuery) -> Result<NamedQuery, Error> {
        self.name("query", &query.name)?;
        self.text("description", &query.description)?;
        let schema = |what: &str, text: Option<String>| {
            let Some(text) = text else { return Ok(None) };
            self.text(what, &text)?;
            let invalid = |cause| Error::Manifest(format!("{what} of query {:?} is not JSON: {cause}", query.name));
            serde_json::from_str(&text).map(Some).map_err(invalid)
        };
        let arguments = schema("argument schema", query.arguments)?;
        let answer = schema("answer schema", query.answer)?;
        Ok(NamedQuery { name: query.name, description: query.description, arguments, answer })
    }
}
