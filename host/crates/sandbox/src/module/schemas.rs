//! Schemas of named queries: what they declare of their arguments and answers, as JSON Schemas (draft 2020-12), ready
//! to check values.
//!
//! Schemas come from strangers, as modules do. So what could take more time than the product of schema and value is
//! refused when a module is uploaded: references, which can call each other, and keywords that look at the same value
//! again and again.

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::module::manifest::NamedQuery;

/// Reasons that are listed: whoever mends the first ones will see the others.
const LISTED_REASONS: usize = 5;

/// Bytes that a pattern may take when it is compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// Keywords that are refused; see above.
const REFUSED: [&str; 5] = ["$ref", "$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems"];

/// The schemas of the queries of one projector.
#[derive(Default)]
pub struct Schemas {
    queries: BTreeMap<String, Query>,
}

struct Query {
    arguments: Option<Validator>,
    answer: Option<Validator>,
}

impl Schemas {
    /// Says which schema cannot be used, and why.
    pub fn new(queries: &[NamedQuery]) -> Result<Self, String> {
        let query = |query: &NamedQuery| {
            let made = |what: &str, schema: &Option<Value>| {
                let made = schema.as_ref().map(validator).transpose();
                made.map_err(|why| format!("the {what} schema of query {:?} cannot be used: {why}", query.name))
            };
            let (arguments, answer) = (made("argument", &query.arguments)?, made("answer", &query.answer)?);
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

fn validator(schema: &Value) -> Result<Validator, String> {
    if let Some(keyword) = refused(schema) {
        return Err(format!("it has {keyword}, which schemas of queries may not have"));
    }
    // The engine whose time is linear in the text.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES);
    let options = jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(patterns);
    options.build(schema).map_err(|cause| match cause.instance_path().as_str() {
        "" => cause.to_string(),
        place => format!("{place}: {cause}"),
    })
}

fn refused(schema: &Value) -> Option<&'static str> {
    match schema {
        Value::Array(schemas) => schemas.iter().find_map(refused),
        Value::Object(keywords) => {
            let here = REFUSED.into_iter().find(|keyword| keywords.contains_key(*keyword));
            here.or_else(|| keywords.values().find_map(refused))
        }
        _ => None,
    }
}

fn check(schema: Option<&Validator>, json: &str) -> Result<(), String> {
    let Some(schema) = schema else { return Ok(()) };
    let value: Value = serde_json::from_str(json).map_err(|cause| cause.to_string())?;
    // Places, and not the values there: those may be large.
    let reasons = schema.iter_errors(&value).map(|error| match error.instance_path().as_str() {
        "" => error.masked().to_string(),
        place => format!("{place}: {}", error.masked()),
    });
    let reasons: Vec<_> = reasons.take(LISTED_REASONS).collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
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
                "a": {"type": "integer", "minimum": 1},
                "c": {"type": "array", "items": {"pattern": "^x+$"}},
            },
        });
        let schemas = schemas(schema).unwrap();
        let check = |value: Value| schemas.check_arguments("q", &value.to_string());
        assert_eq!(check(json!({"a": 1, "c": ["x", "xx"]})), Ok(()));
        for (unfit, words) in [
            (json!([]), "value is not of type \"object\""),
            (json!({}), "\"a\" is a required property"),
            (json!({"a": 0}), "/a: value is less than the minimum of 1"),
            (json!({"a": 1, "c": ["x", "y"]}), "/c/1: value does not match"),
        ] {
            let why = check(unfit.clone()).unwrap_err();
            assert!(why.contains(words), "{unfit}: {why}");
        }
        assert_eq!(schemas.check_answer("q", "anything"), Ok(()), "nothing is declared");
    }

    #[test]
    fn a_schema_that_cannot_be_used_or_could_take_for_ever_is_refused() {
        for schema in [
            json!(5),
            json!({"minLength": "long"}),
            json!({"type": "strin"}),
            json!({"pattern": "(a{1000}){1000}"}),
            json!({"$ref": "https://example.org/schema.json"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"properties": {"a": {"items": [{"unevaluatedItems": false}]}}}),
        ] {
            assert!(schemas(schema.clone()).is_err(), "{schema}");
        }
        assert!(schemas(json!({"title": "any", "format": "date"})).is_ok());
    }
}
