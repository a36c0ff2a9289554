//! Streams: where one stands, and where an event stands in it.

use kinora_types::{Position, Revision};

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of its first event, which stands for the stream in the index.
    pub first: Position,
    pub revision: Revision,
}

/// The place of an event in its stream, as the decision numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlace {
    /// The position of the stream's first event; `None` if that one is in the same request.
    pub first: Option<Position>,
    pub revision: Revision,
}
