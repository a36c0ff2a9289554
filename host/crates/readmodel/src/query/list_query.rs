//! Plain data of lists: what is asked for, what comes back, and how much may be read for it.

use std::sync::Arc;

use kinora_types::Mark;

use crate::error::Error;
use crate::query::filter::RowFilter;

/// How many entries a query may read, whatever its budget.
#[derive(Clone, Copy, Debug)]
pub struct EntryLimits {
    /// Entries that a page looks at, unless the client asks for a scan: some hundredths of a second.
    pub list_entries: usize,
    /// Rows that a count or statistics look at, unless the client asks for a scan: some tenths of a second.
    pub total_entries: usize,
    /// Entries that any query looks at when a scan was asked for: some seconds. A list goes on from there.
    pub scan_entries: usize,
}

impl Default for EntryLimits {
    fn default() -> Self {
        Self { list_entries: 20_000, total_entries: 200_000, scan_entries: 5_000_000 }
    }
}

impl EntryLimits {
    /// Entries that a count or statistics look at.
    pub(crate) fn of_totals(scan: bool) -> usize {
        let limits = Self::default();
        if scan { limits.scan_entries } else { limits.total_entries }
    }
}

/// Which rows of a table, in which order.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub table: String,
    pub filter: RowFilter,
    pub order: Vec<Order>,
    /// Rows of a page, at least 1.
    pub limit: usize,
    /// Bytes of its rows after which a page ends; `None`: only its limit ends it.
    pub page_bytes: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// Whether it may read up to [`EntryLimits::scan_entries`].
    pub scan: bool,
    /// The life of the log that the rows are of: a cursor of another one is none of this list.
    pub log: Option<Mark>,
    /// Fields that nobody has declared: the page says which of them no row had.
    pub undeclared: Vec<String>,
}

impl ListQuery {
    /// Whether rows of so many bytes are as much as a page has.
    pub(crate) fn fills_a_page(&self, bytes: usize) -> bool {
        self.page_bytes.is_some_and(|most| bytes >= most)
    }

    /// Entries that this list looks at.
    pub(crate) fn most_entries(&self) -> usize {
        let limits = EntryLimits::default();
        if self.scan { limits.scan_entries } else { limits.list_entries }
    }
}

/// One term of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The path of a field, or [`KEY`](crate::KEY).
    pub(crate) field: String,
    pub(crate) descending: bool,
}

impl Order {
    /// Least values first; null before them.
    ///
    /// # Errors
    /// A field without a name, or a path through an array: of several values none has a place.
    pub fn ascending(field: impl Into<String>) -> Result<Self, Error> {
        let field = field.into();
        match field.as_str() {
            "" => Err(Error::InvalidQuery("an order takes fields that have names".into())),
            path if path.contains("[]") => Err(Error::InvalidQuery(format!("{path:?} has no place in an order"))),
            _ => Ok(Self { field, descending: false }),
        }
    }

    /// Greatest values first, with the same errors; null after them.
    pub fn descending(field: impl Into<String>) -> Result<Self, Error> {
        Ok(Self { descending: true, ..Self::ascending(field)? })
    }
}

/// A row: its key, and the JSON text that the projector wrote, without what it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: String,
    pub json: Arc<str>,
}

/// Bytes of memory that a row has besides its key and its text.
const ROW_BYTES: usize = 64;

impl Row {
    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        ROW_BYTES + self.key.len() + self.json.len()
    }
}

/// Some rows of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// Of the undeclared fields those that none of the rows had that were looked at.
    pub absent: Vec<String>,
}

/// How a query was, or would be, answered.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The index that is read; none for the rows themselves, by key.
    pub index: Option<String>,
    /// What that index is ordered by.
    pub paths: Vec<String>,
    /// How many ranges of it.
    pub ranges: usize,
    pub backwards: bool,
    /// Whether the rows themselves are asked, as the index alone does not tell.
    pub filters_rows: bool,
    /// Whether rows are collected and sorted, as they do not come in the order that is wanted.
    pub sorts: bool,
    /// Entries that were looked at for this page, and rows that it has.
    pub entries_visited: usize,
    pub rows: usize,
    pub budget_entries: usize,
    /// Why there is no answer, if there is none.
    pub refused: Option<String>,
    /// The paths of an index that would serve this query, if it is not served by one alone.
    pub helpful_index: Option<Vec<String>>,
}
