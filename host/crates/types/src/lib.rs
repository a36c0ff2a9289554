//! The words that every part of Kinora shares: positions, names, events.

mod budget;
mod digest;
mod event;
mod incarnation;
mod name;
mod position;
mod schema;
mod shape;
mod table;

pub use budget::{Allowance, Budget, CancelOnDrop, Exhausted};
pub use digest::{Digest, InvalidDigest};
pub use event::{ExpectedRevision, NewEvent, on_one_line};
pub use incarnation::{Incarnation, InvalidMark, Lineage, Mark};
pub use name::{EventType, InvalidName, RESERVED, StreamName, Tag};
pub use position::{Direction, Micros, Position, Progress, Revision};
pub use schema::RowSchema;
pub use shape::{Others, Place, Shape, Types, likeness};
pub use table::{Column, Elements, IndexSpec, TableSpec};
