//! Bounds of queries as text. What follows from a query is as deep and as much as the query says, so its depth, number
//! and length end here, and whatever works with it need not ask again.

/// Names in a path: whoever follows one goes a step deeper for each.
pub const PATH_NAMES: usize = 32;

/// Bytes of a path, and of what something is called.
pub const NAME_BYTES: usize = 1_024;

/// How deep `and` and `or` stand within one another.
pub const DEPTH: usize = 16;

/// Conditions of one query.
pub const CONDITIONS: usize = 100;

/// Values that the conditions of one query compare with, all in all.
pub const VALUES: usize = 1_000;

/// Values of what has to be contained. Each is looked for in all of an array.
pub const CONTAINED: usize = 100;

/// Characters of a pattern. Each may be compared with each of a text.
pub const PATTERN_CHARACTERS: usize = 256;

/// Terms of an order, fields that make groups, and facets.
pub const TERMS: usize = 32;

/// Figures of one query.
pub const FIGURES: usize = 100;

/// Fields that are selected.
pub const SELECTED: usize = 256;

/// Names in a list of types or tags.
pub const LISTED: usize = 100;

/// Why a path is too long or too deep, if it is.
pub(super) fn path(path: &str) -> Result<(), String> {
    name(path)?;
    match path.split('.').count() {
        names if names > PATH_NAMES => Err(format!("a path has at most {PATH_NAMES} names, and this one {names}")),
        _ => Ok(()),
    }
}

/// Why a name is too long, if it is.
pub(super) fn name(name: &str) -> Result<(), String> {
    if name.len() <= NAME_BYTES {
        return Ok(());
    }
    Err(format!("a name and a path have at most {NAME_BYTES} bytes, and this one {}", name.len()))
}

/// Why there are too many of something, if there are.
pub(super) fn number(what: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most { Ok(()) } else { Err(format!("it has {found} {what}, and {most} is the most")) }
}
