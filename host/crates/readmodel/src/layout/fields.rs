//! Fields of a row's JSON text, each value as it is written.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object in their order, each value as it is written; `None` if it is no object.
pub fn fields(json: &str) -> Result<Option<Vec<(String, &RawValue)>>, serde_json::Error> {
    if !json.trim_start().starts_with('{') {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str::<Fields<'_>>(json)?.0))
}

struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

/// Whether a row has something at a path, be it null: of one through an array, whether an element has.
pub fn has(json: &str, path: &str) -> Result<bool, serde_json::Error> {
    let (path, within) = path.split_once("[]").map_or((path, None), |(path, within)| (path, Some(within)));
    let (field, rest) = path.split_once('.').map_or((path, None), |(field, rest)| (field, Some(rest)));
    let found = fields(json)?.unwrap_or_default();
    let Some(value) = found.iter().rfind(|(name, _)| name == field).map(|(_, value)| value.get()) else {
        return Ok(false);
    };
    match (rest, within.map(|within| within.trim_start_matches('.'))) {
        (Some(rest), None) => has(value, rest),
        (Some(rest), Some(within)) => has(value, &format!("{rest}[].{within}")),
        (None, Some(within)) if !within.is_empty() && value.starts_with('[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(value)?;
            elements.iter().try_fold(false, |found, element| Ok(found || has(element.get(), within)?))
        }
        (None, _) => Ok(true),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_there_whatever_its_value() {
        let row = r#"{"a": null, "b": {"c": 1}, "d": [{"e": 1}], "f": {"g": []}}"#;
        for (path, is_there) in [
            ("a", true),
            ("b.c", true),
            ("d[].e", true),
            ("d[]", true),
            ("f.g[]", true),
            ("x", false),
            ("a.b", false),
            ("b.d", false),
            ("d[].f", false),
            ("d.e", false),
            ("f.h[]", false),
        ] {
            assert_eq!(has(row, path).unwrap(), is_there, "{path}");
        }
    }
}
