//! Errors of the grammar: what cannot be read, and what could be instead.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the filter {filter:?} is not valid: {why}")]
    InvalidFilter { filter: String, why: String },
    #[error("the order {order:?} is not valid: {why}")]
    InvalidOrder { order: String, why: String },
    #[error("the selection {select:?} is not valid: {why}")]
    InvalidSelect { select: String, why: String },
    #[error("two figures are called {name:?}")]
    TwiceNamed { name: String },
    #[error("{figure:?} is not a figure")]
    InvalidFigure { figure: String },
    #[error("the figures are not valid: {why}")]
    InvalidFigures { why: String },
}

/// Names that are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{names:?} {why}")]
pub struct InvalidNames {
    pub(super) names: String,
    pub(super) why: String,
}

/// Why something that was put together by hand is refused: names with commas, for one.
pub(super) const UNWRITABLE: &str = "as text it would say something else";
