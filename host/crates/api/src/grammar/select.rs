//! Selections of fields: `flights,delay.mean,worst:delay.max`.

use std::fmt;
use std::str::FromStr;

use crate::grammar::bounds;
use crate::grammar::error::{Error, UNWRITABLE};

/// Fields in the order in which they are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select(pub Vec<SelectTerm>);

/// What stands at a path. Nested fields stay nested, and one with a name stands at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectTerm {
    name: Option<String>,
    path: String,
}

impl SelectTerm {
    /// # Errors
    /// A name or a path that is empty, in part or as a whole, a path through the elements of an array, and what cannot
    /// be told from something else as text: a comma, or a colon in a name.
    pub fn new(name: Option<String>, path: impl Into<String>) -> Result<Self, Error> {
        let term = Self { name, path: path.into() };
        let text = term.to_string();
        match text.parse::<Select>()?.0.as_slice() {
            [read] if *read == term => Ok(term),
            _ => Err(Error::InvalidSelect { select: text, why: UNWRITABLE.to_owned() }),
        }
    }

    /// What the field is called in the answer, if that is said.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether both would stand at one place of the answer: nested fields stand in the object that they are from,
    /// beside others of it, but not beside the whole object or something that is called so.
    fn clashes(&self, other: &Self) -> bool {
        let top = |term: &Self| term.name.as_deref().or(term.path.split('.').next()).map(str::to_owned);
        let is_nested = |term: &Self| term.name.is_none() && term.path.contains('.');
        top(self) == top(other) && (self.path == other.path || !is_nested(self) || !is_nested(other))
    }

    fn read(term: &str) -> Result<Self, String> {
        let (name, path) = term.split_once(':').map_or((None, term), |(name, path)| (Some(name), path));
        bounds::path(path)?;
        bounds::name(name.unwrap_or_default())?;
        if path.split('.').any(str::is_empty) || name.is_some_and(str::is_empty) {
            return Err("it takes fields, such as select=flights,delay.mean,worst:delay.max".to_owned());
        }
        if path.contains("[]") {
            return Err("an array is taken as a whole, without []".to_owned());
        }
        Ok(Self { name: name.map(str::to_owned), path: path.to_owned() })
    }
}

impl FromStr for Select {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |why: String| Error::InvalidSelect { select: text.to_owned(), why };
        bounds::number("fields", text.split(',').count(), bounds::SELECTED).map_err(invalid)?;
        let terms = text.split(',').map(|term| SelectTerm::read(term).map_err(invalid));
        let terms = terms.collect::<Result<Vec<_>, _>>()?;
        match terms.iter().enumerate().find(|(at, term)| terms.iter().take(*at).any(|known| known.clashes(term))) {
            Some((_, term)) => Err(invalid(format!("{term} is there twice, under one name"))),
            None => Ok(Self(terms)),
        }
    }
}

impl fmt::Display for SelectTerm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{name}:{}", self.path),
            None => formatter.write_str(&self.path),
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            write!(formatter, "{}{term}", if index == 0 { "" } else { "," })?;
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
    fn a_name_stands_before_its_path() {
        let read: Select = "flights,delay.mean,worst:delay.max".parse().unwrap();
        let term = |name: Option<&str>, path: &str| SelectTerm::new(name.map(str::to_owned), path).unwrap();
        let expected = [term(None, "flights"), term(None, "delay.mean"), term(Some("worst"), "delay.max")];
        assert_eq!(read, Select(expected.to_vec()));
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        for text in [
            "", "a,,b", "a..b", ":a", "tags[]", "a,a", "a.b,a.b", "a.b,a", "a,a.b", "a:b,a", "a:b,a:c", "a.b,a:c",
            "a:b,a:b",
        ] {
            assert!(text.parse::<Select>().is_err(), "{text}");
        }
        assert!(SelectTerm::new(Some("a:b".into()), "c").is_err() && SelectTerm::new(None, "a,b").is_err());
        assert!(SelectTerm::new(None, "a:b").is_err());
        assert!("a.b,a.c,d:a".parse::<Select>().is_ok());
    }

    fn term() -> impl Strategy<Value = SelectTerm> {
        let path = "[^,:.\\[]{1,3}(\\.[a-c:]{1,2})?";
        let can_be_said = |(name, path)| SelectTerm::new(name, path).ok();
        (prop::option::of("[^,:]{1,3}"), path).prop_filter_map("no colon in a path alone", can_be_said)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(terms in prop::collection::vec(term(), 1..4)) {
            let mut select = Select(Vec::new());
            for term in terms {
                if !select.0.iter().any(|known| known.clashes(&term)) {
                    select.0.push(term);
                }
            }
            prop_assert_eq!(select.to_string().parse(), Ok(select));
        }

        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(text in "[a:.,]{1,6}") {
            if let Ok(select) = text.parse::<Select>() {
                prop_assert_eq!(select.to_string().parse(), Ok(select));
            }
        }
    }
}
