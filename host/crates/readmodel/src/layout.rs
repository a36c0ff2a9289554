//! Layout of the database: keys, values as bytes that sort, what an index entry takes from a row, and what
//! readers are shown of one.

pub(crate) mod fields;
pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod order;
pub(crate) mod pick;
pub(crate) mod shown;
