//! Tables and indexes of a read model, as a manifest declares them; how they are kept is `kinora-readmodel`'s.

use std::sync::LazyLock;

use crate::schema::RowSchema;
use crate::shape::Shape;

/// What is not declared.
static ANYTHING: LazyLock<Shape> = LazyLock::new(Shape::default);

/// A table of a read model, as the projector's manifest declares it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSpec {
    pub name: String,
    /// What the key stands for. The parts of a composite key are separated by slashes, here and in the keys.
    pub key: String,
    /// What its rows are, if that is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<RowSchema>,
    pub indexes: Vec<IndexSpec>,
    /// How many of the last events can be asked for as they were; none if there is no history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<u64>,
}

/// A secondary index: rows ordered by the values at `paths` (see [`Column`]), then by key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexSpec {
    pub name: String,
    pub paths: Vec<String>,
    /// No two rows may have the same values here, unless one of them is null.
    #[serde(default)]
    pub unique: bool,
}

impl TableSpec {
    /// Rows that are not declared may be anything.
    pub fn shape(&self) -> &Shape {
        self.schema.as_ref().map_or(&ANYTHING, RowSchema::shape)
    }

    /// The names of the parts of a composite key; none for a simple one.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.key.split('/').filter(|_| self.key.contains('/'))
    }
}

/// One field of an index: `delay.mean`, `-flights` (greater values first), `tags[]` or `stops[].airport` (an entry for
/// each element of an array).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As filters name it, so without the sign.
    pub path: String,
    pub descending: bool,
    pub array: Option<Elements>,
}

/// A path through the elements of an array: that of the array, and the one within an element (may be empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    pub array: String,
    pub within: String,
}

impl Elements {
    /// `None` if a path leads through no array.
    pub fn of(path: &str) -> Option<Self> {
        let (array, within) = path.split_once("[]")?;
        Some(Self { array: array.to_owned(), within: within.trim_start_matches('.').to_owned() })
    }
}

impl Column {
    pub fn new(path: &str) -> Self {
        let (path, descending) = path.strip_prefix('-').map_or((path, false), |path| (path, true));
        Self { path: path.to_owned(), descending, array: Elements::of(path) }
    }

    /// Why a path cannot stand in an index, if it cannot.
    pub fn problem(path: &str) -> Option<&'static str> {
        let column = Self::new(path);
        let plain = |path: &str| path.split('.').all(|field| !field.is_empty() && !field.contains(['[', ']']));
        match &column.array {
            None if !plain(&column.path) => Some("a path has no empty fields"),
            Some(Elements { array, within }) if !plain(array) || !(within.is_empty() || plain(within)) => {
                Some("a path leads through one array at most, such as tags[] or stops[].airport")
            }
            _ => None,
        }
    }
}

impl IndexSpec {
    pub fn columns(&self) -> Vec<Column> {
        self.paths.iter().map(|path| Column::new(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_nothing_are_found() {
        for path in ["a", "-a.b", "a[]", "a.b[].c", "-a[]"] {
            assert_eq!(Column::problem(path), None, "{path}");
        }
        for path in ["", "-", "a..b", "a[].b[]", "[]", "a[", "a[0]"] {
            assert!(Column::problem(path).is_some(), "{path}");
        }
    }
}
