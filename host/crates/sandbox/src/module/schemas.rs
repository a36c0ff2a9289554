//! Schemas that are ready to check values: what named queries declare of their arguments and answers, and tables of
//! their rows, as JSON Schemas (draft 2020-12).
//!
//! Schemas come from strangers, as modules do. So what could take more time than the product of schema and value is
//! refused when a module is uploaded: references, which can call each other, and keywords that look at the same value
//! again and again.

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, Validator};
use kinora_types::{RowSchema, TableSpec};
use serde_json::Value;

use crate::module::manifest::{CommandSpec, EmittedSpec, NamedQuery};

/// Reasons that are listed: whoever mends the first ones will see the others.
const LISTED_REASONS: usize = 5;

/// Bytes that a pattern may take when it is compiled, and those that a search with it may keep.
const PATTERN_BYTES: usize = 256 << 10;
const SEARCH_BYTES: usize = 1 << 20;

/// Patterns of all schemas of a module, and the bytes of one: together they take 80 MB at worst.
const PATTERNS: usize = 64;
const PATTERN_TEXT_BYTES: usize = 1 << 10;

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
        let mut patterns = Patterns::default();
        let query = |query: &NamedQuery| {
            let mut made = |what: &str, schema: &Option<Value>| {
                let made = schema.as_ref().map(|schema| validator(schema, &mut patterns)).transpose();
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

/// The schemas of one decider: of what it takes and of what it emits, by their numbers.
pub struct DeciderSchemas {
    commands: Vec<Option<Validator>>,
    events: Vec<Option<Validator>>,
}

impl DeciderSchemas {
    /// Says which schema cannot be used, and why.
    pub fn new(commands: &[CommandSpec], events: &[EmittedSpec]) -> Result<Self, String> {
        let mut patterns = Patterns::default();
        let mut made = |what: String, schema: Option<&Value>| {
            let made = schema.map(|schema| validator(schema, &mut patterns)).transpose();
            made.map_err(|why| format!("the schema of {what} cannot be used: {why}"))
        };
        let commands = commands.iter().map(|it| made(format!("command {:?}", it.name), it.schema.as_ref()));
        let commands = commands.collect::<Result<_, String>>()?;
        let events = events.iter().map(|it| made(format!("event {}", it.kind), it.schema.as_ref()));
        Ok(Self { commands, events: events.collect::<Result<_, String>>()? })
    }

    /// Whether a command may have this data.
    pub fn check_command(&self, command: u32, data: &str) -> Result<(), String> {
        check(self.commands.get(command as usize).and_then(Option::as_ref), data)
    }

    /// Whether an event that was decided may have this data.
    pub fn check_event(&self, event: u32, data: &str) -> Result<(), String> {
        check(self.events.get(event as usize).and_then(Option::as_ref), data)
    }
}

/// The schemas of the rows of one projector.
pub struct RowSchemas(Vec<Option<Rows>>);

struct Rows {
    schema: RowSchema,
    /// None for a schema with what could take too long; its shape says most of it.
    validator: Option<Validator>,
}

impl RowSchemas {
    /// Says which schema cannot be used, and why.
    pub fn new(tables: &[TableSpec]) -> Result<Self, String> {
        let mut patterns = Patterns::default();
        let rows = |table: &TableSpec| {
            let Some(schema) = table.schema.clone() else { return Ok(None) };
            let document = schema.document();
            let validator = if refused(document).is_some() { None } else { Some(validator(document, &mut patterns)) };
            let validator = validator.transpose();
            let validator =
                validator.map_err(|why| format!("the schema of table {:?} cannot be used: {why}", table.name))?;
            Ok(Some(Rows { schema, validator }))
        };
        Ok(Self(tables.iter().map(rows).collect::<Result<_, String>>()?))
    }

    /// Whether a row of a table (by its number) is what is declared.
    pub fn check(&self, table: u16, row: &[u8]) -> Result<(), String> {
        let Some(Some(rows)) = self.0.get(usize::from(table)) else { return Ok(()) };
        let value: Value = serde_json::from_slice(row).map_err(|cause| cause.to_string())?;
        if let Some(misfit) = rows.schema.shape().misfit(&value) {
            return Err(misfit.trim_start().to_owned());
        }
        fits(rows.validator.as_ref(), &value)
    }
}

/// Counts the patterns of a module.
#[derive(Default)]
struct Patterns(usize);

impl Patterns {
    fn count(&mut self, schema: &Value) -> Result<(), String> {
        match schema {
            Value::Array(schemas) => schemas.iter().try_for_each(|schema| self.count(schema)),
            Value::Object(keywords) => keywords.iter().try_for_each(|(keyword, schema)| {
                match (keyword.as_str(), schema) {
                    ("pattern", Value::String(pattern)) => self.take(pattern)?,
                    ("patternProperties", Value::Object(schemas)) => {
                        schemas.keys().try_for_each(|pattern| self.take(pattern))?;
                    }
                    _ => {}
                }
                self.count(schema)
            }),
            _ => Ok(()),
        }
    }

    fn take(&mut self, pattern: &str) -> Result<(), String> {
        self.0 += 1;
        if self.0 > PATTERNS {
            return Err(format!("there are more than {PATTERNS} patterns in the schemas of the module"));
        }
        if pattern.len() > PATTERN_TEXT_BYTES {
            return Err(format!("a pattern has {} bytes, the limit is {PATTERN_TEXT_BYTES}", pattern.len()));
        }
        Ok(())
    }
}

fn validator(schema: &Value, patterns: &mut Patterns) -> Result<Validator, String> {
    patterns.count(schema)?;
    if let Some(keyword) = refused(schema) {
        return Err(format!("it has {keyword}, which schemas of queries may not have"));
    }
    // The engine whose time is linear in the text.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(SEARCH_BYTES);
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
    fits(Some(schema), &serde_json::from_str(json).map_err(|cause| cause.to_string())?)
}

fn fits(schema: Option<&Validator>, value: &Value) -> Result<(), String> {
    let Some(schema) = schema else { return Ok(()) };
    // Places, and not the values there: those may be large.
    let reasons = schema.iter_errors(value).map(|error| match error.instance_path().as_str() {
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
    fn a_row_is_checked_against_all_that_is_declared_of_it() {
        let table = |schema: Value| TableSpec {
            name: "rows".into(),
            key: "key".into(),
            schema: Some(schema.try_into().unwrap()),
            indexes: Vec::new(),
            history: None,
        };
        let plain = json!({"required": ["n"], "properties": {"n": {"minimum": 1}}, "additionalProperties": false});
        let nested = json!({"properties": {"next": {"$ref": "#"}}, "additionalProperties": false});
        let schemas = RowSchemas::new(&[table(plain), table(nested)]).unwrap();
        let check = |table, row: Value| schemas.check(table, row.to_string().as_bytes());
        assert_eq!((check(0, json!({"n": 1})), check(1, json!({"next": {"next": {}}}))), (Ok(()), Ok(())));
        assert!(check(0, json!({"n": 0})).unwrap_err().starts_with("/n: value is less than the minimum"));
        assert!(check(0, json!({})).unwrap_err().contains("required"));
        assert_eq!(check(0, json!({"n": 1, "m": 1})), Err("m is not declared".into()));
        assert_eq!(check(1, json!({"m": 1})), Err("m is not declared".into()), "without a validator, too");
        assert!(RowSchemas::new(&[table(json!({"minLength": "long"}))]).is_err());
    }

    #[test]
    fn a_schema_that_cannot_be_used_or_could_take_for_ever_is_refused() {
        let many: serde_json::Map<String, Value> = (0..=PATTERNS).map(|n| (format!("a{n}"), json!(true))).collect();
        for schema in [
            json!(5),
            json!({"minLength": "long"}),
            json!({"type": "strin"}),
            json!({"pattern": "(a{1000}){1000}"}),
            json!({"pattern": "a".repeat(PATTERN_TEXT_BYTES + 1)}),
            json!({"allOf": vec![json!({"pattern": "a{200}"}); PATTERNS + 1]}),
            json!({"properties": {"a": {"patternProperties": many}}}),
            json!({"$ref": "https://example.org/schema.json"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"properties": {"a": {"items": [{"unevaluatedItems": false}]}}}),
        ] {
            assert!(schemas(schema.clone()).is_err(), "{schema}");
        }
        assert!(schemas(json!({"allOf": vec![json!({"pattern": "a{200}"}); PATTERNS]})).is_ok());
        assert!(schemas(json!({"title": "any", "format": "date"})).is_ok());
    }
}
