//! Layout of rows and index entries in the database: keys, values as bytes that sort, and what an entry takes from a
//! row.

pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod order;
pub(crate) mod pick;
