//! Grammar of queries as text, in PostgREST's words: filters (`flights=gte.100`), `order=`, `select=`, `aggregate=`,
//! and `group=`.
//!
//! It only reads text and writes it: what a field is, and whether a table has it, is not known here. What is written
//! reads back as the same.

pub mod bounds;
mod error;
mod figures;
mod filter;
mod list;
mod names;
mod order;
mod select;

pub use error::{Error, InvalidNames};
pub use figures::{Figure, FigureKind, Figures};
pub use filter::{Filter, KEY, Numeral, Operator, PARAMETERS, Scalar, Test};
pub use list::List;
pub use names::Names;
pub use order::{Order, OrderTerm};
pub use select::{Select, SelectTerm};
