//! The log: an append-only sequence of events in a RocksDB of its own, the only truth of a host.
//!
//! There is one writer; what it decides is a pure function of the log and the request. Reads go straight to the
//! database, and never beyond what is durable. This crate knows nothing of projections, and nothing of HTTP.
//!
//! ```
//! use kinora_log::{AppendRequest, Log, Options, StreamAppend};
//! use kinora_storage::Storage;
//! use kinora_types::{Direction, EventType, ExpectedRevision, NewEvent, Position, Revision};
//! use uuid::Uuid;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let log = Log::open(&Storage::default(), folder.path(), Options::default())?;
//! let mut durable = log.watch();
//!
//! // Appends two events to a stream that is not there yet, both or none.
//! let event = |kind: &str, data: &str| {
//!     let (kind, data) = (EventType::new(kind, 1)?, serde_json::from_str(data)?);
//!     Ok::<_, Box<dyn std::error::Error>>(NewEvent { id: Uuid::now_v7(), kind, data, metadata: None, tags: vec![] })
//! };
//! let opening = StreamAppend {
//!     stream: "account-1".parse()?,
//!     expected: ExpectedRevision::NoStream,
//!     events: vec![event("Opened", r#"{"owner":"Ann"}"#)?, event("Deposited", r#"{"cents":500}"#)?],
//! };
//! let appended = log.append(AppendRequest::from(vec![opening.clone()])).await?;
//! assert_eq!((appended.first, appended.last), (Position(0), Position(1)));
//!
//! // A retry has the same ids, and hears what the first time heard. Another append finds the stream there.
//! assert!(log.append(AppendRequest::from(vec![opening.clone()])).await?.duplicate);
//! let again = StreamAppend { events: vec![event("Opened", "{}")?], ..opening };
//! let refused = log.append(AppendRequest::from(vec![again])).await.unwrap_err();
//! assert_eq!(refused.to_string(), "stream account-1 was expected at no_stream, but it is at revision 1");
//!
//! // Reads what is there.
//! let account = log.read_stream(&"account-1".parse()?, Revision(0), Direction::Forwards, 100)?;
//! assert_eq!(account.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["Opened", "Deposited"]);
//!
//! // Subscribes: reads on whenever more has become durable. History and what comes later are read in the same way.
//! let mut next = Position(0);
//! while next < Position(2) {
//!     durable.wait_for(|progress| progress.includes(next)).await?;
//!     for event in log.read(next, Direction::Forwards, 100)? {
//!         println!("{} {} {}", event.position, event.kind, event.data);
//!         next = Position(event.position.0 + 1);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod append;
mod commit;
#[cfg(test)]
mod conformance;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod log;
mod maintain;
mod read;
mod record;
#[doc(hidden)]
pub mod simulation;

pub use append::limits::Limits;
pub use append::queue::ClientId;
pub use append::sync_times::Histogram;
pub use append::writer::Figures;
pub use commit::durability::Durability;
pub use error::{AppendError, Error};
pub use log::reading::Stats;
pub use log::searching::{FoundEvents, SearchRange};
pub use log::{Log, Options};
pub use maintain::backup::{Backup, Backups};
pub use maintain::inspection::{Inspection, Journal as InJournal, User, in_use};
pub use maintain::repair::{Diagnosis, Repaired, diagnose, repair};
pub use maintain::verify::{Flaw, Report};
pub use read::lookup::TypeCount;
pub use record::claims::{Claim, ClaimKey, Claims, HeldClaim};
pub use record::event::{RecordRef, Recorded};
pub use record::rejection::{ClaimFailed, IdReused, PartlyKnown, Rejection, TOLD, WrongRevision};
pub use record::request::{AppendRequest, Appended, Condition, IdempotencyKey, StreamAppend};
pub use record::selection::{Filter, Item, Selection, Streams};
