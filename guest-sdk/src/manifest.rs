//! The manifest of a projector: the events that it handles, its tables, indexes and queries.

use schemars::JsonSchema;

use crate::rows::Table;
use crate::schema::SchemaEntry;

/// What a projector says about itself. It is built in `describe`; see the example of this crate.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// What the projector calls itself; for people.
    pub name: &'static str,
    /// Types and schemas of the events that come to `apply`.
    pub handles: Vec<(&'static str, u32)>,
    /// Types of the events that are passed over.
    pub ignores: Vec<&'static str>,
    pub tables: Vec<TableEntry>,
    pub queries: Vec<QueryEntry>,
    pub needs_metadata: bool,
    pub needs_tags: bool,
    pub partition: Option<Partition>,
}

/// What each row depends on, if it is less than all events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// The events of one stream.
    Stream,
    /// The events whose first tag that begins with this text is the same.
    Tag(&'static str),
}

/// A table as it was declared.
#[derive(Clone, Debug)]
pub struct TableEntry {
    pub name: &'static str,
    /// What its keys stand for, such as `date/route`.
    pub key: &'static str,
    /// What its rows are.
    pub schema: SchemaEntry,
    pub indexes: Vec<IndexEntry>,
    /// How many of the last events can be asked for as they were, 0 for all; `None`: it has no history.
    pub history: Option<u64>,
}

/// An index as it was declared.
#[derive(Clone, Debug)]
pub struct IndexEntry {
    pub name: &'static str,
    /// As [`Manifest::index`] takes them.
    pub paths: &'static [&'static str],
    pub unique: bool,
}

/// A named query as it was declared.
#[derive(Clone, Debug)]
pub struct QueryEntry {
    pub name: &'static str,
    pub description: &'static str,
    /// What its arguments have to be.
    pub arguments: Option<SchemaEntry>,
    /// What its answers have to be.
    pub answer: Option<SchemaEntry>,
}

impl Manifest {
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Events of this type and schema come to `apply`.
    pub fn handles(mut self, kind: &'static str, schema: u32) -> Self {
        self.handles.push((kind, schema));
        self
    }

    /// Events of this type are passed over, whatever their schema. `*` stands for all that is not handled.
    pub fn ignores(mut self, kind: &'static str) -> Self {
        self.ignores.push(kind);
        self
    }

    /// Declares a table. `key` says what a key stands for; the parts of a composite one are separated by slashes
    /// (`date/route`), and [`composite_key`](crate::composite_key) puts such keys together.
    ///
    /// What its rows are follows from their type, which derives [`JsonSchema`](crate::JsonSchema): so the host knows
    /// their fields, and refuses a query that misspells one. Rows of `serde_json::Value` are not declared.
    pub fn table<T: JsonSchema>(mut self, table: Table<T>, key: &'static str) -> Self {
        let schema = SchemaEntry::of_written::<T>();
        self.tables.push(TableEntry { name: table.name(), key, schema, indexes: Vec::new(), history: None });
        self
    }

    /// Declares a secondary index of a table that has been declared: rows ordered by the fields at these paths.
    /// `delay.mean` is a nested field, `-flights` has greater values first, `tags[]` an entry for each element of an
    /// array.
    pub fn index<T>(self, table: Table<T>, name: &'static str, paths: &'static [&'static str]) -> Self {
        self.indexed(table, IndexEntry { name, paths, unique: false })
    }

    /// As [`Manifest::index`], but no two rows may have the same values there, unless one of them is null: an event
    /// after which they do stops this version. Each event is committed alone then, which costs speed.
    pub fn unique<T>(self, table: Table<T>, name: &'static str, paths: &'static [&'static str]) -> Self {
        self.indexed(table, IndexEntry { name, paths, unique: true })
    }

    fn indexed<T>(mut self, table: Table<T>, index: IndexEntry) -> Self {
        if let Some(entry) = self.tables.iter_mut().find(|entry| entry.name == table.name()) {
            entry.indexes.push(index);
        }
        self
    }

    /// Keeps what the rows of a table were after each of the last `events` events, 0 for all: they can be asked for
    /// `at_position` and `at_time`. Each event is committed alone then, which costs speed.
    pub fn history<T>(mut self, table: Table<T>, events: u64) -> Self {
        if let Some(entry) = self.tables.iter_mut().find(|entry| entry.name == table.name()) {
            entry.history = Some(events);
        }
        self
    }

    /// Events come with their metadata.
    pub fn needs_metadata(mut self) -> Self {
        self.needs_metadata = true;
        self
    }

    /// Events come with their tags.
    pub fn needs_tags(mut self) -> Self {
        self.needs_tags = true;
        self
    }

    /// Declares that each row depends on the events of one stream only, so that a host may replay streams side by side.
    /// A row that two streams write, or a look at the row of another one, breaks this promise: such a projector is
    /// refused or stopped.
    pub fn partitioned_by_stream(mut self) -> Self {
        self.partition = Some(Partition::Stream);
        self
    }

    /// As [`Manifest::partitioned_by_stream`], for the events whose first tag that begins with `prefix` is the same.
    pub fn partitioned_by_tag(mut self, prefix: &'static str) -> Self {
        self.partition = Some(Partition::Tag(prefix));
        self
    }

    /// Declares a query that the projector answers itself.
    pub fn query(self, name: &'static str, description: &'static str) -> Self {
        self.queried(name, description, None, None)
    }

    /// As [`Manifest::query`], with the types of its arguments and of its answer, which the host checks them against.
    ///
    /// ```
    /// use kinora_sdk::{JsonSchema, Manifest, schemars};
    ///
    /// #[derive(serde::Deserialize, JsonSchema)]
    /// struct Days {
    ///     from: String,
    ///     to: String,
    /// }
    ///
    /// #[derive(serde::Serialize, JsonSchema)]
    /// struct Found {
    ///     flights: u64,
    /// }
    ///
    /// Manifest::new("flights").query_of::<Days, Found>("flights-between", "How many flights left between two days.");
    /// ```
    pub fn query_of<A: JsonSchema, R: JsonSchema>(self, name: &'static str, description: &'static str) -> Self {
        self.queried(name, description, Some(SchemaEntry::of_read::<A>()), Some(SchemaEntry::of_written::<R>()))
    }

    /// The same with JSON Schemas, as text.
    pub fn query_with(
        self,
        name: &'static str,
        description: &'static str,
        arguments: &'static str,
        answer: &'static str,
    ) -> Self {
        self.queried(name, description, Some(SchemaEntry::Text(arguments)), Some(SchemaEntry::Text(answer)))
    }

    fn queried(
        mut self,
        name: &'static str,
        description: &'static str,
        arguments: Option<SchemaEntry>,
        answer: Option<SchemaEntry>,
    ) -> Self {
        self.queries.push(QueryEntry { name, description, arguments, answer });
        self
    }
}
