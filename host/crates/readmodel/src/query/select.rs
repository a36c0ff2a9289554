//! Some fields of a row: what is taken stays byte for byte as it was.

use kinora_types::{Place, Shape};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::layout::fields::fields;
use crate::query::filter::KEY;

/// Which fields, in which order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelectedFields {
    fields: Vec<(String, Take)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Take {
    /// What stands at this path of the row.
    At(String),
    /// These fields of the object there.
    Within(SelectedFields),
}

impl SelectedFields {
    /// Fields by name and path: nested fields stay nested, and one with a name stands at the top.
    ///
    /// # Errors
    /// A path or a name that is empty, in part or as a whole, one through the elements of an array, and two of the same
    /// name.
    pub fn of<'a>(fields: impl IntoIterator<Item = (Option<&'a str>, &'a str)>) -> Result<Self, Error> {
        let mut selected = Self::default();
        let mut taken: Vec<(Option<&str>, &str)> = Vec::new();
        for (name, path) in fields {
            if taken.iter().any(|known| clash(*known, (name, path))) {
                return Err(Error::InvalidQuery(format!("{:?} is taken twice, under one name", name.unwrap_or(path))));
            }
            taken.push((name, path));
            let is_empty = path.split('.').any(str::is_empty) || name.is_some_and(str::is_empty);
            if is_empty || path.contains("[]") {
                return Err(Error::InvalidQuery(format!("{path:?} is not a field that can be taken")));
            }
            match name {
                // The key stands beside each row anyway.
                None if path == KEY => {}
                Some(name) => selected.fields.push((name.to_owned(), Take::At(path.to_owned()))),
                None => selected.add(path),
            }
        }
        Ok(selected)
    }

    /// What is taken of rows of this shape.
    pub fn of_shape(&self, shape: &Shape) -> Shape {
        let at = |path: &str| match shape.at(path) {
            Place::Declared(shape) => shape.clone(),
            Place::Open | Place::Unknown => Shape::default(),
        };
        let field = |(name, take): &(String, Take)| {
            let taken = match take {
                Take::At(path) => at(path),
                Take::Within(within) => within.of_shape(&at(name)),
            };
            (name.clone(), taken)
        };
        Shape::record(self.fields.iter().map(field).collect())
    }

    fn add(&mut self, path: &str) {
        let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
        let at = self.fields.iter().position(|(known, _)| known == field).unwrap_or_else(|| {
            let take = if rest.is_some() { Take::Within(Self::default()) } else { Take::At(field.to_owned()) };
            self.fields.push((field.to_owned(), take));
            self.fields.len() - 1
        });
        if let (Some((_, Take::Within(within))), Some(rest)) = (self.fields.get_mut(at), rest) {
            within.add(rest);
        }
    }

    /// The JSON text of what is taken from a row; null for what it does not have.
    pub fn apply(&self, json: &str) -> Result<String, serde_json::Error> {
        let mut taken = String::with_capacity(json.len());
        self.write(json, &mut taken)?;
        Ok(taken)
    }

    fn write(&self, json: &str, taken: &mut String) -> Result<(), serde_json::Error> {
        let Some(fields) = fields(json)? else {
            taken.push_str("null");
            return Ok(());
        };
        taken.push('{');
        for (index, (name, take)) in self.fields.iter().enumerate() {
            taken.extend([if index == 0 { "" } else { "," }, &serde_json::to_string(name)?, ":"]);
            match take {
                Take::Within(within) => match find(&fields, name) {
                    Some(value) => within.write(value.get(), taken)?,
                    None => taken.push_str("null"),
                },
                Take::At(path) => taken.push_str(&at(&fields, path)?.unwrap_or_else(|| "null".to_owned())),
            }
        }
        taken.push('}');
        Ok(())
    }
}

/// Whether two fields would stand at one place: nested ones stand beside others of their object, but not beside the
/// whole of it or something that is called so.
fn clash(one: (Option<&str>, &str), other: (Option<&str>, &str)) -> bool {
    let top = |(name, path): (Option<&str>, &str)| name.or(path.split('.').next()).map(str::to_owned);
    let is_nested = |(name, path): (Option<&str>, &str)| name.is_none() && path.contains('.');
    top(one) == top(other) && (one.1 == other.1 || !is_nested(one) || !is_nested(other))
}

fn find<'a>(fields: &[(String, &'a RawValue)], name: &str) -> Option<&'a RawValue> {
    fields.iter().rfind(|(field, _)| field == name).map(|(_, value)| *value)
}

fn at(fields: &[(String, &RawValue)], path: &str) -> Result<Option<String>, serde_json::Error> {
    let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    match (find(fields, field), rest) {
        (Some(value), None) => Ok(Some(value.get().to_owned())),
        (Some(value), Some(rest)) => self::fields(value.get())?.map_or(Ok(None), |fields| at(&fields, rest)),
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn select(fields: &[(Option<&str>, &str)], json: &str) -> String {
        SelectedFields::of(fields.iter().copied()).unwrap().apply(json).unwrap()
    }

    #[test]
    fn what_is_taken_stays_as_it_was_written() {
        let row = r#"{"n": 1.50, "delay": {"mean": 3, "max": 9007199254740993, "by": [1, 2]}, "s": "é\u00e9"}"#;
        assert_eq!(select(&[(None, "s"), (None, "n")], row), r#"{"s":"é\u00e9","n":1.50}"#);
        let nested = [(None, "delay.max"), (None, "n"), (None, "delay.by")];
        assert_eq!(select(&nested, row), r#"{"delay":{"max":9007199254740993,"by":[1, 2]},"n":1.50}"#);
        assert_eq!(select(&[(Some("worst"), "delay.max"), (None, "key")], row), r#"{"worst":9007199254740993}"#);
        let absent = [(None, "nothing"), (None, "n.x"), (None, "delay.x")];
        assert_eq!(select(&absent, row), r#"{"nothing":null,"n":null,"delay":{"x":null}}"#);
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        for field in [(None, ""), (None, "a..b"), (Some(""), "a"), (None, "tags[]")] {
            assert!(SelectedFields::of([field]).is_err(), "{field:?}");
        }
        for twice in [
            [(None, "a"), (None, "a")],
            [(None, "a.b"), (None, "a.b")],
            [(None, "a.b"), (None, "a")],
            [(None, "a"), (None, "a.b")],
            [(Some("a"), "b"), (None, "a")],
            [(Some("a"), "b"), (Some("a"), "c")],
            [(None, "a.b"), (Some("a"), "c")],
        ] {
            assert!(SelectedFields::of(twice).is_err(), "{twice:?}");
        }
        assert!(SelectedFields::of([(None, "a.b"), (None, "a.c"), (Some("d"), "a")]).is_ok());
    }
}
