//! What a projector says about itself.

use crate::rows::Table;

/// Built in `describe`; see the example of this crate.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    pub name: &'static str,
    pub handles: Vec<(&'static str, u32)>,
    pub ignores: Vec<&'static str>,
    pub tables: Vec<TableEntry>,
    pub queries: Vec<(&'static str, &'static str)>,
    pub needs_metadata: bool,
    pub needs_tags: bool,
}

/// A table as it was declared: its name, what its key stands for, its indexes (name, paths).
#[derive(Clone, Debug)]
pub struct TableEntry {
    pub name: &'static str,
    pub key: &'static str,
    pub indexes: Vec<(&'static str, &'static [&'static str])>,
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

    /// Declares a table. `key` says what a key stands for.
    pub fn table<T>(mut self, table: Table<T>, key: &'static str) -> Self {
        self.tables.push(TableEntry { name: table.name(), key, indexes: Vec::new() });
        self
    }

    /// Declares a secondary index of a table that has been declared: rows ordered by the fields at these paths.
    pub fn index<T>(mut self, table: Table<T>, name: &'static str, paths: &'static [&'static str]) -> Self {
        if let Some(entry) = self.tables.iter_mut().find(|entry| entry.name == table.name()) {
            entry.indexes.push((name, paths));
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

    /// Declares a query that the projector answers itself.
    pub fn query(mut self, name: &'static str, description: &'static str) -> Self {
        self.queries.push((name, description));
        self
    }
}
