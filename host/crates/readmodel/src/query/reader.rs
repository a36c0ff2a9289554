//! Reader of rows for one query: takes the values that it needs, and says whether a row is what it asks for.

use std::borrow::Cow;

use kinora_types::{Elements, TableSpec};
use serde_json::Value;

use crate::error::Error;
use crate::layout::index::{not_json, values};
use crate::layout::pick::Picker;
use crate::query::filter::{KEY, RowFilter, RowTest};

/// Where a value of a row comes from.
#[derive(Clone, Debug)]
pub enum ValueSource {
    Slot(usize),
    Elements(usize, Elements),
    Key,
    Part(usize),
}

/// Reads rows of one table for one query.
pub struct Reader<'a> {
    table: &'a TableSpec,
    picker: Picker,
    filters: Vec<Compiled<'a>>,
}

enum Compiled<'a> {
    All(Vec<Compiled<'a>>),
    Any(Vec<Compiled<'a>>),
    Test(&'a RowTest, ValueSource),
}

/// The values of a row that a query needs.
pub struct Values<'a> {
    key: &'a str,
    slots: Vec<Value>,
}

impl<'a> Reader<'a> {
    /// A reader that lets rows pass which all these filters accept.
    pub fn new(table: &'a TableSpec, filters: impl IntoIterator<Item = &'a RowFilter>) -> Result<Self, Error> {
        let mut reader = Self { table, picker: Picker::default(), filters: Vec::new() };
        for filter in filters {
            let compiled = reader.compile(filter)?;
            reader.filters.push(compiled);
        }
        Ok(reader)
    }

    fn compile(&mut self, filter: &'a RowFilter) -> Result<Compiled<'a>, Error> {
        let mut all = |filters: &'a [RowFilter]| -> Result<Vec<_>, Error> {
            filters.iter().map(|one| self.compile(one)).collect()
        };
        Ok(match filter {
            RowFilter::All(filters) => Compiled::All(all(filters)?),
            RowFilter::Any(filters) => Compiled::Any(all(filters)?),
            RowFilter::Test(test) => Compiled::Test(test, self.source(&test.field)?),
        })
    }

    /// Where a field comes from; from then on it is read.
    pub fn source(&mut self, field: &str) -> Result<ValueSource, Error> {
        if field == KEY {
            return Ok(ValueSource::Key);
        }
        if let Some(part) = field.strip_prefix("key.") {
            let known = self.table.parts().position(|name| name == part);
            return known.map(ValueSource::Part).ok_or_else(|| Error::UnknownPart {
                table: self.table.name.clone(),
                part: part.to_owned(),
                known: self.table.parts().map(str::to_owned).collect(),
            });
        }
        Ok(match Elements::of(field) {
            Some(elements) => ValueSource::Elements(self.picker.add(&elements.array), elements),
            None => ValueSource::Slot(self.picker.add(field)),
        })
    }

    /// The values of a row, if it passes.
    pub fn read<'r>(&self, key: &'r str, row: &[u8]) -> Result<Option<Values<'r>>, Error> {
        let slots = self.picker.pick(row).map_err(|cause| not_json(&self.table.name, key, &cause))?;
        let values = Values { key, slots };
        Ok(self.filters.iter().all(|filter| filter.accepts(&values)).then_some(values))
    }
}

impl Compiled<'_> {
    fn accepts(&self, row: &Values<'_>) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.accepts(row)),
            Self::Any(filters) => filters.iter().any(|filter| filter.accepts(row)),
            Self::Test(test, ValueSource::Elements(slot, elements)) => {
                test.accepts_any(values(elements, row.slots.get(*slot).unwrap_or(&Value::Null)))
            }
            Self::Test(test, source) => test.accepts(&row.value(source)),
        }
    }
}

impl Values<'_> {
    /// A value; of a path through an array, the array.
    pub fn value(&self, source: &ValueSource) -> Cow<'_, Value> {
        match source {
            ValueSource::Slot(slot) | ValueSource::Elements(slot, _) => {
                Cow::Borrowed(self.slots.get(*slot).unwrap_or(&Value::Null))
            }
            ValueSource::Key => Cow::Owned(Value::String(self.key.to_owned())),
            ValueSource::Part(number) => Cow::Owned(part(self.key, *number).map_or(Value::Null, Value::String)),
        }
    }
}

/// A part of a composite key, as it was before it was put together.
fn part(key: &str, number: usize) -> Option<String> {
    let part = key.split('/').nth(number)?;
    Some(if part.contains('%') { part.replace("%2F", "/").replace("%25", "%") } else { part.to_owned() })
}

/// A part of a composite key as it stands in the key. The SDK writes it so.
pub fn escape_part(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_they_were() {
        let parts = ["a/b", "100%", "%2F", "plain", ""];
        let key = parts.map(escape_part).join("/");
        for (number, expected) in parts.iter().enumerate() {
            assert_eq!(part(&key, number).as_deref(), Some(*expected), "{key}");
        }
        assert_eq!(part(&key, 5), None);
    }
}
