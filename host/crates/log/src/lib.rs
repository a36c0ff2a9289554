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

pub use append::limits::Limits;
pub use append::queue::Client;
pub use commit::durability::Durability;
pub use error::{AppendError, Error};
pub use log::{Log, Options, Selected, Span, Stats};
pub use maintain::backup::{Backup, Backups};
pub use maintain::verify::{Flaw, Report};
pub use read::lookup::TypeCount;
pub use record::claims::{Claim, ClaimKey, Claims, HeldClaim};
pub use record::event::{RecordRef, Recorded};
pub use record::rejection::{ClaimFailed, IdReused, Rejection, WrongRevision};
pub use record::request::{AppendRequest, Appended, Condition, IdempotencyKey, StreamAppend};
pub use record::selection::{Filter, Item, Selection, Streams};
