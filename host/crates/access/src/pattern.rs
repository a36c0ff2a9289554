//! Patterns of names: one name as it is, or with `*` at its end all that begin so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a pattern: as of the longest name.
const MAX_BYTES: usize = 512;

/// `account-7`, that name only; `account-*`, all names that begin with `account-`; `*`, all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    start: String,
    open: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pattern: write a name, or the beginning of names and * behind it, such as account-*")]
pub struct InvalidPattern(pub String);

impl Pattern {
    pub fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&self.start) } else { name == self.start }
    }

    /// Whether it is of all names.
    pub fn is_all(&self) -> bool {
        self.open && self.start.is_empty()
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let (start, open) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        let is_one =
            !text.is_empty() && text.len() <= MAX_BYTES && !start.contains(|c: char| c == '*' || c.is_control());
        if is_one { Ok(Self { start: start.to_owned(), open }) } else { Err(InvalidPattern(text.to_owned())) }
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.start, if self.open { "*" } else { "" })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_itself_and_a_beginning_is_what_begins_so() {
        let matches = |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(name);
        assert!(matches("account-1", "account-1") && !matches("account-1", "account-10"));
        assert!(matches("account-*", "account-10") && !matches("account-*", "accounts") && matches("*", ""));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "a*b", "**", "a\n*", &"a".repeat(513)] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
