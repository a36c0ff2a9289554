//! Names of fields in a row, of `group=` and `facets=`: `carrier,route.origin`.

use std::fmt;
use std::str::FromStr;

use crate::grammar::bounds;
use crate::grammar::error::{InvalidNames, UNWRITABLE};

/// At least one, each once, and as many as [`bounds::TERMS`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// # Errors
    /// None, an empty one, or one with a comma.
    pub fn new(names: Vec<String>) -> Result<Self, InvalidNames> {
        let read = Self(names.clone()).to_string().parse::<Self>()?;
        if read.0 == names {
            Ok(read)
        } else {
            Err(InvalidNames { names: names.join(","), why: UNWRITABLE.to_owned() })
        }
    }

    pub fn into_inner(self) -> Vec<String> {
        self.0
    }
}

impl FromStr for Names {
    type Err = InvalidNames;

    fn from_str(text: &str) -> Result<Self, InvalidNames> {
        let invalid = |why: String| InvalidNames { names: text.to_owned(), why };
        let names: Vec<_> = text.split(',').map(str::to_owned).collect();
        bounds::number("names", names.len(), bounds::TERMS).map_err(invalid)?;
        names.iter().try_for_each(|name| bounds::path(name)).map_err(invalid)?;
        if names.iter().any(String::is_empty) {
            return Err(invalid("has an empty name".to_owned()));
        }
        if names.iter().enumerate().any(|(at, name)| names.iter().skip(at + 1).any(|other| other == name)) {
            return Err(invalid("has a name twice".to_owned()));
        }
        Ok(Self(names))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_name_is_refused() {
        for text in ["", "a,,b", "a,"] {
            let error = text.parse::<Names>().unwrap_err().to_string();
            assert_eq!(error, format!("{text:?} has an empty name"));
        }
        assert_eq!("a,b,a".parse::<Names>().unwrap_err().to_string(), "\"a,b,a\" has a name twice");
        assert!(Names::new(vec!["a,b".into()]).is_err() && Names::new(Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(names in prop::collection::btree_set("[^,]{1,4}", 1..4)) {
            let names = Names::new(names.into_iter().collect()).unwrap();
            prop_assert_eq!(names.to_string().parse(), Ok(names));
        }
    }
}
