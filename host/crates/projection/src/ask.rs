//! Questions about versions: queries, comparisons, explanations, verifications.

pub(crate) mod compare;
pub(crate) mod explain;
pub(crate) mod query;
pub(crate) mod reproduction;
pub(crate) mod verify;
