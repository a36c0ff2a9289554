//! The rows of an instance: a capability that whoever runs it hands over.

use crate::error::{Category, Failure};
use crate::run::bindings::projector::kinora::engine::rows;

pub use rows::Range;

/// What `rows` means for one instance: the rows of a version with its uncommitted writes, or a snapshot.
///
/// Keys and values have been checked against the contract's limits before they get here.
pub trait RowAccess: Send {
    /// Rows in the order of the keys; `None` where there is none.
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Rows of a range, at most `limit` of them and about `max_bytes` bytes.
    fn scan(
        &mut self,
        table: u32,
        range: &Range,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure>;

    /// Writes a row, or deletes it (`None`).
    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure>;
}

/// For guests that have no rows: upcasters, and a projector that is only asked to describe itself.
pub struct NoRows;

impl RowAccess for NoRows {
    fn get_many(&mut self, _: u32, _: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        Err(no_rows())
    }

    fn scan(&mut self, _: u32, _: &Range, _: usize, _: usize) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        Err(no_rows())
    }

    fn write(&mut self, _: u32, _: &str, _: Option<&[u8]>) -> Result<(), Failure> {
        Err(no_rows())
    }
}

fn no_rows() -> Failure {
    Failure::new(Category::Rule, "describe() must not touch rows: they belong to a version, which it has not yet")
}
