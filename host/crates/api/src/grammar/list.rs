//! List of names, of `types=` and `tags=`: `FlightArrived,FlightCancelled`. A name with a comma stands in double
//! quotes: `"Smith, Ann",Lee`. Within quotes a backslash takes the next character as it is.

use std::fmt;
use std::str::FromStr;

use crate::grammar::bounds;
use crate::grammar::error::InvalidNames;

/// At least one, and as many as [`bounds::LISTED`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List(Vec<String>);

impl List {
    /// # Errors
    /// None, an empty one, or too many.
    pub fn new(names: Vec<String>) -> Result<Self, InvalidNames> {
        let empty = names.is_empty() || names.iter().any(String::is_empty);
        let fits = bounds::number("names", names.len(), bounds::LISTED);
        match if empty { Err("has an empty name".to_owned()) } else { fits } {
            Ok(()) => Ok(Self(names)),
            Err(why) => Err(InvalidNames { names: names.join(","), why }),
        }
    }

    pub fn into_inner(self) -> Vec<String> {
        self.0
    }
}

impl FromStr for List {
    type Err = InvalidNames;

    fn from_str(text: &str) -> Result<Self, InvalidNames> {
        let invalid = |why: &str| InvalidNames { names: text.to_owned(), why: why.to_owned() };
        let mut names = vec![String::new()];
        let mut characters = text.chars().peekable();
        // Whether the name at hand was in quotes, and has ended.
        let mut ended = false;
        while let Some(character) = characters.next() {
            let Some(name) = names.last_mut() else { break };
            match character {
                ',' => {
                    names.push(String::new());
                    ended = false;
                }
                _ if ended => return Err(invalid("has something between a quote mark and the next comma")),
                '"' if name.is_empty() => {
                    loop {
                        match characters.next() {
                            None => return Err(invalid("has a quote mark that is not closed")),
                            Some('"') => break,
                            Some('\\') => name.extend(characters.next()),
                            Some(other) => name.push(other),
                        }
                    }
                    ended = true;
                }
                other => name.push(other),
            }
        }
        Self::new(names).map_err(|error| invalid(&error.why))
    }
}

impl fmt::Display for List {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().enumerate() {
            if number > 0 {
                formatter.write_str(",")?;
            }
            if name.contains(',') || name.starts_with('"') {
                write!(formatter, "\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))?;
            } else {
                formatter.write_str(name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_may_have_commas_and_quote_marks() {
        let read = |text: &str| text.parse::<List>().map(List::into_inner).map_err(|error| error.to_string());
        assert_eq!(read("a,b c").unwrap(), ["a", "b c"]);
        assert_eq!(read(r#""Smith, \"Ann\"",a"b"#).unwrap(), [r#"Smith, "Ann""#, r#"a"b"#]);
        for (text, why) in [
            ("", "empty name"),
            ("a,,b", "empty name"),
            (r#""""#, "empty name"),
            (r#""a,b"#, "not closed"),
            (r#""a\"#, "not closed"),
            (r#""a"b,c"#, "between a quote mark"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(names in prop::collection::vec(r#"[a,"\\ é]{1,5}"#, 1..4)) {
            let list = List::new(names).unwrap();
            prop_assert_eq!(list.to_string().parse(), Ok(list));
        }
    }
}
