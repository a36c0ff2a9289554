//! What named queries declare of their arguments and answers, as JSON Schemas (draft 2020-12), ready to be held against them.
//!
//! Only what can be told from a value alone is known here: no references, no patterns. A schema that uses more is refused when
//! it is deployed, so nothing that it says goes unchecked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::sandbox::NamedQuery;

/// Reasons that are listed: whoever mends the first ones will see the others.
const LISTED_REASONS: usize = 5;

/// Keywords that say something to people only.
const ANNOTATIONS: [&str; 8] =
    ["$schema", "$comment", "title", "description", "default", "examples", "deprecated", "format"];

/// The schemas of the queries of one projector.
#[derive(Default)]
pub struct Schemas {
    queries: BTreeMap<String, Query>,
}

struct Query {
    arguments: Option<Value>,
    answer: Option<Value>,
}

impl Schemas {
    /// Says which schema cannot be used, and why.
    pub fn new(queries: &[NamedQuery]) -> Result<Self, String> {
        let known = |name: &str, what: &str, schema: &Option<Value>| -> Result<Option<Value>, String> {
            let Some(schema) = schema else { return Ok(None) };
            understood(schema).map_err(|why| format!("the {what} schema of query {name:?} cannot be used: {why}"))?;
            Ok(Some(schema.clone()))
        };
        let query = |query: &NamedQuery| {
            let arguments = known(&query.name, "argument", &query.arguments)?;
            let answer = known(&query.name, "answer", &query.answer)?;
            Ok((query.name.clone(), Query { arguments, answer }))
        };
        Ok(Self { queries: queries.iter().map(query).collect::<Result<_, String>>()? })
    }

    /// Whether a query takes these arguments.
    pub fn check_arguments(&self, query: &str, arguments: &str) -> Result<(), String> {
        check(self.queries.get(query).and_then(|query| query.arguments.as_ref()), arguments)
    }

    /// Whether an answer is what the projector declares.
    pub fn check_answer(&self, query: &str, answer: &str) -> Result<(), String> {
        check(self.queries.get(query).and_then(|query| query.answer.as_ref()), answer)
    }
}

fn check(schema: Option<&Value>, json: &str) -> Result<(), String> {
    let Some(schema) = schema else { return Ok(()) };
    let value: Value = serde_json::from_str(json).map_err(|cause| cause.to_string())?;
    let mut reasons = Vec::new();
    validate(schema, &value, "", &mut reasons);
    reasons.truncate(LISTED_REASONS);
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}

/// Whether all of a schema is known here.
fn understood(schema: &Value) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(keywords) => keywords,
        _ => return Err(format!("{schema} is no schema")),
    };
    for (name, value) in keywords {
        let fits = match name.as_str() {
            "type" => value.is_string() || value.as_array().is_some_and(|kinds| kinds.iter().all(Value::is_string)),
            "enum" | "required" => value.is_array(),
            "const" => true,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            "items" | "additionalProperties" => {
                understood(value)?;
                true
            }
            "properties" => {
                let properties = value.as_object().ok_or("properties is no object")?;
                properties.values().try_for_each(understood)?;
                true
            }
            "anyOf" => {
                let schemas = value.as_array().ok_or("anyOf is no list")?;
                schemas.iter().try_for_each(understood)?;
                true
            }
            name if ANNOTATIONS.contains(&name) => true,
            name => return Err(format!("the keyword {name:?} is not known to this host")),
        };
        if !fits {
            return Err(format!("{name:?} does not take {value}"));
        }
    }
    Ok(())
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.as_number().is_some_and(|n| n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|n| n.fract() == 0.0))
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// Adds a reason for each way in which a value does not fit, with its place.
fn validate(schema: &Value, value: &Value, place: &str, reasons: &mut Vec<String>) {
    let here = || if place.is_empty() { "it".to_owned() } else { place.to_owned() };
    let Value::Object(keywords) = schema else {
        if schema == &Value::Bool(false) {
            reasons.push(format!("{} is not allowed", here()));
        }
        return;
    };
    let number = |name: &str| keywords.get(name).and_then(Value::as_f64);
    let size = |name: &str| keywords.get(name).and_then(Value::as_u64);
    let kinds: Vec<&str> = match keywords.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_kind(value, kind)) {
        reasons.push(format!("{} is not of type {}", here(), kinds.join(" or ")));
        return;
    }
    if keywords.get("enum").and_then(Value::as_array).is_some_and(|known| !known.contains(value)) {
        reasons.push(format!("{} is none of {}", here(), Value::from(keywords.get("enum").cloned())));
    }
    if keywords.get("const").is_some_and(|only| only != value) {
        reasons.push(format!("{} is not {}", here(), Value::from(keywords.get("const").cloned())));
    }
    if let Some(found) = value.as_f64() {
        let mut bound = |name: &str, holds: fn(f64, f64) -> bool| {
            if let Some(bound) = number(name).filter(|bound| !holds(found, *bound)) {
                reasons.push(format!("{} is {found}, its {name} is {bound}", here()));
            }
        };
        bound("minimum", |found, bound| found >= bound);
        bound("maximum", |found, bound| found <= bound);
        bound("exclusiveMinimum", |found, bound| found > bound);
        bound("exclusiveMaximum", |found, bound| found < bound);
    }
    let length = value.as_str().map(|text| (text.chars().count() as u64, "minLength", "maxLength"));
    let length = length.or_else(|| value.as_array().map(|items| (items.len() as u64, "minItems", "maxItems")));
    if let Some((found, least, most)) = length
        && (size(least).is_some_and(|least| found < least) || size(most).is_some_and(|most| found > most))
    {
        reasons.push(format!("{} has a length of {found}, which is not from {least} to {most}", here()));
    }
    if let (Some(items), Some(schema)) = (value.as_array(), keywords.get("items")) {
        for (index, item) in items.iter().enumerate() {
            validate(schema, item, &format!("{place}/{index}"), reasons);
        }
    }
    if let Some(fields) = value.as_object() {
        validate_fields(keywords, fields, place, reasons);
    }
    if let Some(schemas) = keywords.get("anyOf").and_then(Value::as_array) {
        let fits = |schema: &Value| {
            let mut reasons = Vec::new();
            validate(schema, value, place, &mut reasons);
            reasons.is_empty()
        };
        if !schemas.iter().any(fits) {
            reasons.push(format!("{} fits none of anyOf", here()));
        }
    }
}

fn validate_fields(keywords: &Map<String, Value>, fields: &Map<String, Value>, place: &str, reasons: &mut Vec<String>) {
    let required = keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        reasons.push(format!("{place}/{name} is missing"));
    }
    let properties = keywords.get("properties").and_then(Value::as_object);
    for (name, value) in fields {
        let declared = properties.and_then(|properties| properties.get(name));
        if let Some(schema) = declared.or_else(|| keywords.get("additionalProperties")) {
            validate(schema, value, &format!("{place}/{name}"), reasons);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schemas(arguments: Value) -> Result<Schemas, String> {
        let query =
            NamedQuery { name: "q".into(), description: String::new(), arguments: Some(arguments), answer: None };
        Schemas::new(&[query])
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place() {
        let schema = json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {
                "a": {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
                "b": {"type": ["string", "null"], "minLength": 2, "maxLength": 3},
                "c": {"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 2},
                "d": {"anyOf": [{"const": 1}, {"type": "boolean"}]},
            },
        });
        let schemas = schemas(schema).unwrap();
        let check = |value: Value| schemas.check_arguments("q", &value.to_string());
        for fits in [
            json!({"a": 1}),
            json!({"a": 8.0, "b": null, "c": ["x", "y"], "d": true}),
            json!({"a": 2, "b": "éé", "d": 1}),
        ] {
            assert_eq!(check(fits.clone()), Ok(()), "{fits}");
        }
        for (unfit, words) in [
            (json!([]), "it is not of type object"),
            (json!({}), "/a is missing"),
            (json!({"a": 0}), "/a is 0, its minimum is 1"),
            (json!({"a": 9}), "its exclusiveMaximum is 9"),
            (json!({"a": 1.5}), "/a is not of type integer"),
            (json!({"a": 1, "b": "x"}), "/b has a length of 1"),
            (json!({"a": 1, "c": ["x", "z"]}), "/c/1 is none of"),
            (json!({"a": 1, "c": ["x", "x", "x"]}), "/c has a length of 3"),
            (json!({"a": 1, "d": 2}), "/d fits none"),
            (json!({"a": 1, "e": 2}), "/e is not allowed"),
        ] {
            let why = check(unfit.clone()).unwrap_err();
            assert!(why.contains(words), "{unfit}: {why}");
        }
        assert_eq!(schemas.check_answer("q", "anything"), Ok(()), "nothing is declared");
    }

    #[test]
    fn a_schema_that_says_more_than_is_checked_is_refused() {
        for schema in [
            json!({"pattern": "a*"}),
            json!({"$ref": "https://example.org/schema.json"}),
            json!({"properties": {"a": {"items": {"oneOf": []}}}}),
            json!({"minLength": "long"}),
            json!(5),
        ] {
            assert!(schemas(schema.clone()).is_err(), "{schema}");
        }
        assert!(schemas(json!({"title": "any", "format": "date"})).is_ok());
    }
}
