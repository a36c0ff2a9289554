//! Checks of what `describe()` says: names that can stand in URLs, no duplicates, no dangling references.

pub mod decider;

use std::collections::BTreeSet;

use kinora_types::{Column, EventType, IndexSpec, Place, RowSchema, TableSpec, Types};

use crate::error::Error;
use crate::limits::Limits;
use crate::module::manifest::{NamedQuery, Needs, Partition, ProjectorManifest, Step, UpcasterManifest};
use crate::module::schemas::{RowSchemas, Schemas};
use crate::run::bindings::projector::kinora::engine::{projection, types as wit};
use crate::run::bindings::upcaster::kinora::engine::upcasting;

/// The path segment of named queries: no table may have this name.
pub const QUERIES_SEGMENT: &str = "queries";

/// Bytes of a name of a table, an index or a query.
const NAME_BYTES: usize = 64;

/// Bytes of a description or of a module's own name.
const TEXT_BYTES: usize = 4096;

/// Bytes of all schemas of a module.
const SCHEMAS_BYTES: usize = 2 << 20;

/// Bytes of a schema: one of a row with a hundred described fields has 20 kilobytes.
const SCHEMA_BYTES: usize = 128 << 10;

pub fn projector(manifest: projection::Manifest, limits: &Limits) -> Result<ProjectorManifest, Error> {
    let checker = Checker { limits };
    checker.count("handles", manifest.handles.len())?;
    checker.count("ignores", manifest.ignores.len())?;
    checker.count("tables", manifest.tables.len())?;
    checker.count("queries", manifest.queries.len())?;
    checker.text("name", &manifest.name)?;
    let of_queries = manifest.queries.iter().flat_map(|query| [&query.arguments, &query.answer]);
    let schemas = manifest.tables.iter().map(|table| &table.schema).chain(of_queries);
    checker.schemas(schemas.flatten().map(String::len).sum())?;
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
    RowSchemas::new(&tables).map_err(Error::Manifest)?;
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

pub fn upcaster(manifest: upcasting::UpcasterManifest, limits: &Limits) -> Result<UpcasterManifest, Error> {
    let checker = Checker { limits };
    checker.text("name", &manifest.name)?;
    checker.count("steps", manifest.steps.len())?;
    if manifest.steps.is_empty() {
        return Err(Error::Manifest("it has no step".into()));
    }
    let step = |step: upcasting::Step| {
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

    fn schemas(&self, bytes: usize) -> Result<(), Error> {
        if bytes > SCHEMAS_BYTES {
            return Err(Error::Manifest(format!("its schemas have {bytes} bytes, the limit is {SCHEMAS_BYTES}")));
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

    fn table(&self, table: projection::Table) -> Result<TableSpec, Error> {
        self.name("table", &table.name)?;
        if table.name == QUERIES_SEGMENT {
            return Err(Error::Manifest(format!("a table cannot be called {QUERIES_SEGMENT:?}: its URL is taken")));
        }
        self.text("key description", &table.key)?;
        self.count("indexes", table.indexes.len())?;
        let schema = self.schema(&format!("schema of table {:?}", table.name), table.schema)?;
        let invalid = |why| Error::Manifest(format!("the schema of table {:?} cannot be used: {why}", table.name));
        let schema = schema.map(RowSchema::try_from).transpose().map_err(invalid)?;
        if schema.as_ref().is_some_and(|schema| !schema.shape().types().allow(Types::OBJECT)) {
            return Err(invalid("a row is an object".to_owned()));
        }
        let indexes = table.indexes.into_iter().map(|index| self.index(&table.name, index));
        let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
        distinct(&format!("index of table {:?}", table.name), indexes.iter().map(|index| index.name.clone()))?;
        let spec = TableSpec { name: table.name, key: table.key, schema, indexes, history: table.history };
        self.declared(&spec)?;
        distinct(&format!("key part of table {:?}", spec.name), spec.parts().map(str::to_owned))?;
        Ok(spec)
    }

    fn index(&self, table: &str, index: projection::Index) -> Result<IndexSpec, Error> {
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

    /// Whether the rows have the fields that indexes are on.
    fn declared(&self, table: &TableSpec) -> Result<(), Error> {
        let shape = table.shape();
        for index in &table.indexes {
            for path in index.columns().into_iter().map(|column| column.path) {
                if shape.at(&path) == Place::Unknown {
                    let nearest = shape.nearest(&path);
                    let instead = if nearest.is_empty() {
                        String::new()
                    } else {
                        format!("; nearest are {}", nearest.join(", "))
                    };
                    return Err(Error::Manifest(format!(
                        "index {:?} of table {:?} is not valid: rows have no field {path:?} for readers{instead}",
                        index.name, table.name
                    )));
                }
            }
        }
        Ok(())
    }

    fn schema(&self, what: &str, text: Option<String>) -> Result<Option<serde_json::Value>, Error> {
        let Some(text) = text else { return Ok(None) };
        if text.len() > SCHEMA_BYTES {
            return Err(Error::Manifest(format!("its {what} has {} bytes, the limit is {SCHEMA_BYTES}", text.len())));
        }
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|cause| Error::Manifest(format!("its {what} is not JSON: {cause}")))
    }

    fn partition(&self, by: projection::PartitionBy) -> Result<Partition, Error> {
        match by {
            projection::PartitionBy::Stream => Ok(Partition::Stream),
            projection::PartitionBy::Tag(prefix) if prefix.is_empty() => {
                Err(Error::Manifest("it is partitioned by a tag that may begin with anything".into()))
            }
            projection::PartitionBy::Tag(prefix) => {
                self.text("partition", &prefix)?;
                Ok(Partition::Tag(prefix))
            }
        }
    }

    fn query(&self, query: projection::NamedQuery) -> Result<NamedQuery, Error> {
        self.name("query", &query.name)?;
        self.text("description", &query.description)?;
        let arguments = self.schema(&format!("argument schema of query {:?}", query.name), query.arguments)?;
        let answer = self.schema(&format!("answer schema of query {:?}", query.name), query.answer)?;
        Ok(NamedQuery { name: query.name, description: query.description, arguments, answer })
    }
}
