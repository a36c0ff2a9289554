//! Appends: the queue, the pure decision, the one writer, and the protocol by which its callers take turns.

pub(crate) mod admission;
pub(crate) mod answers;
pub(crate) mod clock;
pub(crate) mod decide;
pub(crate) mod kept;
pub(crate) mod leader;
pub(crate) mod limits;
pub(crate) mod pending;
pub(crate) mod primitives;
pub(crate) mod queue;
pub(crate) mod recent;
pub(crate) mod search;
pub(crate) mod sync_times;
pub(crate) mod writer;
