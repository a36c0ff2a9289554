//! Layout of the database: keys, values as bytes that sort, and what an index entry takes from a row.

pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod order;
pub(crate) mod pick;
