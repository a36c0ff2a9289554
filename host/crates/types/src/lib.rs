//! The words that every part of Kinora shares: positions, names, events.

mod digest;
mod event;
mod name;
mod position;
mod schema;
mod shape;
mod table;

pub use digest::{Digest, InvalidDigest};
pub use event::{ExpectedRevision, NewEvent};
pub use name::{EventType, InvalidName, RESERVED, StreamName, Tag};
pub use position::{Direction, Micros, Position, Progress, Revision};
pub use schema::RowSchema;
pub use shape::{Others, Place, Shape, Types, likeness};
pub use table::{Column, Elements, IndexSpec, TableSpec};
