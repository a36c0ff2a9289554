//! Shown form of rows: what readers get. A row is stored with what only its projector needs (`writeOnly` members, such
//! as the state of a sketch); what is left of it for others stays byte for byte as it was.

use std::borrow::Cow;

use kinora_types::{Others, RowSchema, Shape, TableSpec};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::layout::fields::fields;

/// A row as readers get it: as it is, unless its table hides something.
pub fn shown<'a>(table: &TableSpec, json: &'a str) -> Result<Cow<'a, str>, Error> {
    if !table.schema.as_ref().is_some_and(RowSchema::hides) {
        return Ok(Cow::Borrowed(json));
    }
    let mut text = String::with_capacity(json.len());
    let written = write(table.shape(), json, &mut text);
    written.map_err(|cause| Error::Corrupt(format!("a row of table {:?} is not JSON: {cause}", table.name)))?;
    Ok(Cow::Owned(text))
}

/// The same of bytes.
pub fn shown_bytes<'a>(table: &TableSpec, json: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    if !table.schema.as_ref().is_some_and(RowSchema::hides) {
        return Ok(Cow::Borrowed(json));
    }
    let text = std::str::from_utf8(json).map_err(|cause| Error::Corrupt(cause.to_string()))?;
    Ok(Cow::Owned(shown(table, text)?.into_owned().into_bytes()))
}

/// The same of a row that is at hand.
pub fn shown_row(table: &TableSpec, json: Vec<u8>) -> Result<Vec<u8>, Error> {
    match shown_bytes(table, &json)? {
        Cow::Owned(shown) => Ok(shown),
        Cow::Borrowed(_) => Ok(json),
    }
}

fn write(shape: &Shape, json: &str, text: &mut String) -> Result<(), serde_json::Error> {
    if !shape.hides() {
        text.push_str(json);
    } else if let Some(fields) = fields(json)? {
        let mut before = '{';
        for (name, value) in fields {
            let known = shape.members().find(|(known, _)| *known == name).map(|(_, shape)| shape);
            if known.is_some_and(Shape::is_hidden) {
                continue;
            }
            text.push(before);
            before = ',';
            text.push_str(&serde_json::to_string(&name)?);
            text.push(':');
            let each = if let Others::Each(each) = shape.others() { Some(&**each) } else { None };
            match known.or(each) {
                Some(shape) => write(shape, value.get(), text)?,
                None => text.push_str(value.get()),
            }
        }
        text.push_str(if before == '{' { "{}" } else { "}" });
    } else if let (Some(element), true) = (shape.elements(), json.starts_with('[')) {
        let elements: Vec<&RawValue> = serde_json::from_str(json)?;
        text.push('[');
        for (at, value) in elements.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "," });
            write(element, value.get(), text)?;
        }
        text.push(']');
    } else {
        text.push_str(json);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn table(schema: Option<Value>) -> TableSpec {
        let schema = schema.map(|schema| schema.try_into().unwrap());
        TableSpec { name: "rows".into(), key: "key".into(), schema, indexes: Vec::new(), history: None }
    }

    #[test]
    fn what_is_hidden_is_left_out_wherever_it_stands_and_the_rest_stays_as_it_was() {
        let sketch = json!({"properties": {"p90": {}, "sketch": {"writeOnly": true}}});
        let table = table(Some(json!({"properties": {
            "delay": {"anyOf": [sketch, {"type": "null"}]}, "by_day": {"additionalProperties": sketch},
            "stops": {"items": sketch}, "only": {"properties": {"sketch": {"writeOnly": true}}}, "sketch": {},
        }})));
        let row = r#"{"n": 1.50, "delay": {"p90": 2.0 , "sketch": [1]}, "by_day": {"é": {"sketch": 1, "p90": 1}},
            "stops": [{"p90": 3,"sketch": {}}, 5], "only": {"sketch": 1}, "sketch": "\u00e9"}"#;
        let expected = r#"{"n":1.50,"delay":{"p90":2.0},"by_day":{"é":{"p90":1}},"#.to_owned()
            + r#""stops":[{"p90":3},5],"only":{},"sketch":"\u00e9"}"#;
        assert_eq!(shown(&table, row).unwrap(), expected);
        assert_eq!(shown(&table, r#"{"delay": null}"#).unwrap(), r#"{"delay":null}"#);
        assert_eq!(shown_bytes(&table, row.as_bytes()).unwrap(), expected.as_bytes());
    }

    #[test]
    fn a_table_that_hides_nothing_has_its_rows_passed_on() {
        for schema in [None, Some(json!({"properties": {"sketch": {}}}))] {
            assert!(matches!(shown(&table(schema), r#"{ "sketch" : 1}"#), Ok(Cow::Borrowed(_))));
        }
    }
}
