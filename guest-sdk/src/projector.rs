//! The trait of projectors.

use crate::event::{Event, Fault};
use crate::manifest::Manifest;
use crate::rows::{Rows, Wanted};

/// Folds events into rows.
///
/// What it keeps in `self` must be a cache of rows: the host may go on with a fresh one after any commit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projector",
    label = "expected a projector",
    note = "a projector implements `Projector` and `Default`; an upcaster is exported with `export_upcaster!`"
)]
pub trait Projector: Default + 'static {
    /// Which events it handles and which tables it keeps. Must always answer the same.
    fn describe() -> Manifest;

    /// Applies one event.
    ///
    /// # Errors
    /// A fault stops this version of the projection, loudly. Nothing is skipped.
    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault>;

    /// Names rows that an event is going to touch, where that costs little: `wanted.row(TABLE, event.stream())`. While
    /// many rows are not in memory, those of a whole batch are then read at once, which is faster than one by one.
    ///
    /// It decides nothing: a row that is not named here is read when it is needed, and one that is named in vain is not
    /// changed.
    fn touches(_event: &Event<'_>, _wanted: &mut Wanted<'_>) {}

    /// Answers a named query. Arguments are a JSON object, the answer is any JSON text.
    ///
    /// # Errors
    /// The arguments do not fit, or there is no answer.
    fn query(&mut self, name: &str, _arguments: &str, _rows: &mut Rows) -> Result<String, QueryError> {
        Err(QueryError::Failed(format!("query {name:?} is declared in describe(), but query() does not answer it")))
    }
}

/// Why a named query has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// The arguments do not fit: which, and how.
    InvalidArguments(String),
    /// Why the query could not be answered.
    Failed(String),
}

impl From<Fault> for QueryError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.message)
    }
}
