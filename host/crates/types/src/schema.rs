//! Schema of rows: a JSON Schema (draft 2020-12) as a manifest declares it, with the shape that follows from it.

use std::sync::Arc;

use serde_json::Value;

use crate::shape::Shape;
use crate::shape::read::read;

/// What the rows of a table are. Cheap to clone.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct RowSchema(Arc<Read>);

#[derive(Debug)]
struct Read {
    document: Value,
    shape: Shape,
    hides: bool,
}

impl RowSchema {
    pub fn document(&self) -> &Value {
        &self.0.document
    }

    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// Whether rows have something that is not for readers.
    pub fn hides(&self) -> bool {
        self.0.hides
    }

    /// The schema of what readers are shown: without what is hidden from them.
    pub fn shown(&self) -> Value {
        let mut shown = self.0.document.clone();
        if self.0.hides {
            show(&mut shown);
        }
        shown
    }
}

fn show(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(show),
        Value::Object(keywords) => {
            let mut hidden = Vec::new();
            if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
                properties.retain(|name, schema| {
                    let is_hidden = schema.get("writeOnly") == Some(&Value::Bool(true));
                    if is_hidden {
                        hidden.push(name.clone());
                    }
                    !is_hidden
                });
            }
            if let Some(Value::Array(required)) = keywords.get_mut("required") {
                required.retain(|name| !hidden.iter().any(|hidden| name == hidden));
            }
            keywords.values_mut().for_each(show);
        }
        _ => {}
    }
}

impl TryFrom<Value> for RowSchema {
    /// Why it cannot be used.
    type Error = String;

    fn try_from(document: Value) -> Result<Self, String> {
        let shape = read(&document)?;
        Ok(Self(Arc::new(Read { hides: shape.hides(), document, shape })))
    }
}

impl From<RowSchema> for Value {
    fn from(schema: RowSchema) -> Self {
        schema.0.document.clone()
    }
}

impl PartialEq for RowSchema {
    fn eq(&self, other: &Self) -> bool {
        self.0.document == other.0.document
    }
}

impl Eq for RowSchema {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_shown_lacks_what_is_hidden() {
        let sketch = json!({
            "type": "object", "required": ["p90", "sketch"],
            "properties": {"p90": {"type": "number"}, "sketch": {"writeOnly": true}},
        });
        let schema =
            RowSchema::try_from(json!({"properties": {"delay": sketch, "writeOnly": {"type": "boolean"}}})).unwrap();
        assert!(schema.hides());
        let expected = json!({"type": "object", "required": ["p90"], "properties": {"p90": {"type": "number"}}});
        assert_eq!(schema.shown(), json!({"properties": {"delay": expected, "writeOnly": {"type": "boolean"}}}));
        let text = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<RowSchema>(&text).unwrap(), schema);
    }
}
