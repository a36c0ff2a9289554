//! Fields of a table as queries name them: whether rows have them, and what can be compared with them.

use std::sync::LazyLock;

use kinora_types::{Column, Place, Shape, TableSpec};

use crate::error::Error;
use crate::query::filter::KEY;

/// What keys are, and their parts.
static TEXT: LazyLock<Shape> = LazyLock::new(Shape::text);

/// The fields of one table. It remembers which ones were asked for that nobody has declared.
pub struct Fields<'a> {
    table: &'a TableSpec,
    undeclared: Vec<String>,
}

impl<'a> Fields<'a> {
    pub fn of(table: &'a TableSpec) -> Self {
        Self { table, undeclared: Vec::new() }
    }

    /// What a field is that a filter, an order, a group or a figure names: a path, the key, or a part of it. `None`
    /// where nobody has declared it.
    ///
    /// # Errors
    /// [`Error::UnknownField`] or [`Error::UnknownPart`].
    pub fn find(&mut self, field: &str) -> Result<Option<&'a Shape>, Error> {
        if field == KEY {
            return Ok(Some(&TEXT));
        }
        match field.strip_prefix("key.") {
            Some(part) if self.table.parts().any(|known| known == part) => Ok(Some(&TEXT)),
            Some(part) => Err(Error::UnknownPart {
                table: self.table.name.clone(),
                part: part.to_owned(),
                known: self.table.parts().map(str::to_owned).collect(),
            }),
            None => self.find_in_rows(field),
        }
    }

    /// The same of a field of the row itself.
    ///
    /// # Errors
    /// [`Error::UnknownField`].
    pub fn find_in_rows(&mut self, field: &str) -> Result<Option<&'a Shape>, Error> {
        // Of several arrays within one another, and of places in them, nothing is ever found.
        if Column::problem(field).is_some() && field.contains(['[', ']']) {
            return Err(self.unknown(field));
        }
        match self.table.shape().at(field) {
            Place::Declared(shape) => Ok(Some(shape)),
            Place::Unknown => Err(self.unknown(field)),
            Place::Open => {
                if !self.undeclared.iter().any(|known| known == field) {
                    self.undeclared.push(field.to_owned());
                }
                Ok(None)
            }
        }
    }

    /// That rows have no such field, and which ones they have that are most like it.
    pub fn unknown(&self, field: &str) -> Error {
        let (table, nearest) = (self.table.name.clone(), self.table.shape().nearest(field));
        Error::UnknownField { table, field: field.to_owned(), nearest }
    }

    /// The fields that were asked for and that nobody has declared: perhaps no row has them.
    pub fn into_undeclared(self) -> Vec<String> {
        self.undeclared
    }
}
