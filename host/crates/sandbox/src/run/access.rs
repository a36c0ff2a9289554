//! The rows of an instance: a capability that whoever runs it hands over.

use kinora_types::Budget;

use crate::error::{Category, Failure};
use crate::run::bindings::projector::kinora::engine::rows;

pub use rows::Range;

/// What `rows` means for one instance: the rows of a version with its uncommitted writes, or a snapshot.
///
/// Keys and values have been checked against the contract's limits before they get here.
pub trait RowAccess: Send {
    /// Rows in the order of the keys; `None` where there is none.
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Rows of a range, as many as may be read.
    fn scan(&mut self, table: u32, range: &Range, most: &Most<'_>) -> Result<Scanned, Failure>;

    /// Writes a row, or deletes it (`None`).
    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure>;
}

/// How much a scan may read.
#[derive(Clone, Copy, Debug)]
pub struct Most<'a> {
    pub rows: usize,
    /// About so many bytes of rows.
    pub bytes: usize,
    /// Entries that are looked at, rows or not: what is left of the operations of a call.
    pub entries: u64,
    /// Operations of a whole call.
    pub operations: u64,
    pub budget: &'a Budget,
}

impl Most<'_> {
    /// Why a scan ends that would look at more.
    pub fn exceeded(&self) -> Failure {
        let message = "a scan would look at too many entries, deleted ones among them";
        Failure::over(Category::Rule, message, "call_operations", self.operations)
    }
}

/// What a scan has found, in the order of the keys, and how many entries it has looked at.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    pub rows: Vec<(String, Vec<u8>)>,
    pub entries: u64,
}

/// For guests that have no rows: upcasters, and a projector that is only asked to describe itself.
pub struct NoRows;

impl RowAccess for NoRows {
    fn get_many(&mut self, _: u32, _: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        Err(no_rows())
    }

    fn scan(&mut self, _: u32, _: &Range, _: &Most<'_>) -> Result<Scanned, Failure> {
        Err(no_rows())
    }

    fn write(&mut self, _: u32, _: &str, _: Option<&[u8]>) -> Result<(), Failure> {
        Err(no_rows())
    }
}

fn no_rows() -> Failure {
    Failure::new(Category::Rule, "describe() must not touch rows: they belong to a version, which it has not yet")
}
