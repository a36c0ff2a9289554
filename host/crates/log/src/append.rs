//! Appends: the queue, the pure decision, and the one writer.

pub(crate) mod decide;
pub(crate) mod kept;
pub(crate) mod limits;
pub(crate) mod pending;
pub(crate) mod queue;
pub(crate) mod recent;
pub(crate) mod unsynced;
pub(crate) mod writer;
