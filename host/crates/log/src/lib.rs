//! The log: an append-only sequence of events in a RocksDB of its own, the only truth of a host.
//!
//! There is one writer ([`writer`]); what it decides is a pure function ([`decide`]). Reads go straight to
//! the database, and never beyond what is durable. This module knows nothing of projections.

mod append;
mod commit;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod log;
mod maintain;
mod read;
mod record;

pub use append::decide::{
    AppendRequest, Appended, ClaimFailed, Condition, IdReused, IdempotencyKey, Rejection, StreamAppend, WrongRevision,
};
pub use append::limits::Limits;
pub use append::queue::Client;
pub use append::writer::Durability;
pub use error::{AppendError, Error};
pub use log::{Log, Options};
pub use maintain::backup::{Backup, Backups};
pub use maintain::verify::{Fault, Report};
pub use read::reader::{Selected, Span, Stats, TypeCount};
pub use read::selection::{Filter, Item, Selection, Streams};
pub use record::claims::{Claim, ClaimKey, Claims, Held};
pub use record::event::{RecordRef, Recorded};
