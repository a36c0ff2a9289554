//! Fields in which two rows differ. Most of two rows is the same text, so only what is written differently is looked
//! into.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep fields are told apart: what is nested deeper counts for the field that it is in.
const DEPTH: usize = 2;

/// The paths of the fields that differ, came or went, nested ones with dots. None, if the same values are written in
/// another way.
pub fn differing(old: &[u8], new: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let mut found = Vec::new();
    // As text: bytes would be checked name by name, and value by value.
    let text = |row| std::str::from_utf8(row).map_err(serde_json::Error::custom);
    let (old, new): (Members<'_>, Members<'_>) = (serde_json::from_str(text(old)?)?, serde_json::from_str(text(new)?)?);
    members(&old, &new, "", 1, &mut found)?;
    Ok(found)
}

fn members(
    old: &Members<'_>,
    new: &Members<'_>,
    path: &str,
    depth: usize,
    found: &mut Vec<String>,
) -> Result<(), serde_json::Error> {
    for (index, (name, value)) in new.0.iter().enumerate() {
        match old.get(name, index) {
            Some(before) if before.get() == value.get() => {}
            Some(before) => values(before, value, &join(path, name), depth, found)?,
            None => found.push(join(path, name)),
        }
    }
    let gone = old.0.iter().enumerate().filter(|(index, (name, _))| new.get(name, *index).is_none());
    found.extend(gone.map(|(_, (name, _))| join(path, name)));
    Ok(())
}

fn values(
    old: &RawValue,
    new: &RawValue,
    path: &str,
    depth: usize,
    found: &mut Vec<String>,
) -> Result<(), serde_json::Error> {
    let are_objects = old.get().starts_with('{') && new.get().starts_with('{');
    if are_objects && depth < DEPTH {
        let (old, new) = (serde_json::from_str(old.get())?, serde_json::from_str(new.get())?);
        return members(&old, &new, path, depth + 1, found);
    }
    // What is nested too deep to be read as a value is not the same, since it is not written the same.
    let value = |json: &RawValue| serde_json::from_str::<Value>(json.get()).ok();
    let (old, new) = (value(old), value(new));
    if old.is_none() || new.is_none() || old != new {
        found.push(path.to_owned());
    }
    Ok(())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The members of an object, as they are written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The member of this name, which mostly stands where it stands on the other side. Of several the last one counts.
    fn get(&self, name: &str, index: usize) -> Option<&'a RawValue> {
        match self.0.get(index) {
            Some((here, value)) if here == name => Some(value),
            _ => self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object).map(Members)
    }
}

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fields(old: &str, new: &str) -> Vec<String> {
        let mut fields = differing(old.as_bytes(), new.as_bytes()).unwrap();
        fields.sort();
        fields
    }

    #[test]
    fn fields_that_differ_came_or_went_are_named_wherever_they_stand() {
        assert_eq!(fields(r#"{"a":1,"b":2,"c":3}"#, r#"{"c":3,"b":9,"d":4}"#), ["a", "b", "d"]);
        assert_eq!(fields(r#"{"a":{"x":1,"y":{"z":1}}}"#, r#"{"a":{"x":1,"y":{"z":2}}}"#), ["a.y"]);
        assert_eq!(fields(r#"{"a":{"x":1}}"#, r#"{"a":5}"#), ["a"]);
        assert_eq!(fields(r#"{"a":{"x":1}}"#, r#"{"a":{}}"#), ["a.x"]);
        assert_eq!(fields(r#"{"\u0061":1}"#, r#"{"a":2}"#), ["a"]);
    }

    #[test]
    fn the_same_written_in_another_way_does_not_differ() {
        assert_eq!(fields(r#"{"a": [1, 2], "b": {"c" : "\u0041"}}"#, r#"{"b":{"c":"A"},"a":[1,2]}"#), [""; 0]);
    }

    #[test]
    fn what_is_nested_too_deep_is_compared_as_it_is_written() {
        let deep = |within: &str| format!(r#"{{"a":1,"b":{}{within}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(fields(&deep("1"), &deep("2")), ["b"]);
        assert_eq!(fields(&deep("1"), &deep("1")), [""; 0]);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        assert!(differing(b"[]", b"{}").is_err());
        assert!(differing(b"{}", b"{").is_err());
    }
}
