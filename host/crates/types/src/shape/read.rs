//! Reader of shapes: what a JSON Schema (draft 2020-12) says of the fields of a value. Keywords that say nothing of
//! these, such as `minimum`, are passed over.
//!
//! Schemas come from strangers, as modules do: what is read of one is bounded, however its references lead through it.

use serde_json::{Map, Value};

use crate::shape::{Others, Shape, Types};

/// Schemas that are read for one table: references make many of few.
const MAX_SCHEMAS: usize = 20_000;

/// How deep schemas stand within one another.
const MAX_DEPTH: usize = 64;

/// The shape of what a schema describes.
pub fn read(schema: &Value) -> Result<Shape, String> {
    Reader { root: schema, followed: Vec::new(), left: MAX_SCHEMAS, depth: 0, is_closed: false }.schema(schema)
}

struct Reader<'a> {
    root: &'a Value,
    /// The references that lead here.
    followed: Vec<&'a str>,
    left: usize,
    depth: usize,
    /// Whether a schema of the same value says that there are no members but those that some schema of it names.
    is_closed: bool,
}

impl<'a> Reader<'a> {
    fn schema(&mut self, schema: &'a Value) -> Result<Shape, String> {
        self.left = self.left.checked_sub(1).ok_or_else(|| format!("it has more than {MAX_SCHEMAS} schemas"))?;
        if self.depth == MAX_DEPTH {
            return Err(format!("its schemas stand within one another more than {MAX_DEPTH} times"));
        }
        self.depth += 1;
        let shape = match schema {
            Value::Bool(true) => Ok(Shape::default()),
            Value::Bool(false) => Ok(Shape { types: Types::NONE, others: Others::None, ..Shape::default() }),
            Value::Object(keywords) => self.keywords(keywords),
            _ => Err("a schema is an object, true or false".to_owned()),
        };
        self.depth -= 1;
        shape
    }

    fn keywords(&mut self, keywords: &'a Map<String, Value>) -> Result<Shape, String> {
        let was_closed = std::mem::take(&mut self.is_closed);
        let mut shape = Shape {
            types: types(keywords)?,
            members: self.members(keywords)?,
            others: self.others(keywords, was_closed)?,
            elements: self.elements(keywords)?,
            is_hidden: keywords.get("writeOnly") == Some(&Value::Bool(true)),
        };
        self.is_closed = was_closed || keywords.get("unevaluatedProperties") == Some(&Value::Bool(false));
        if let Some(reference) = keywords.get("$ref") {
            shape = shape.and(self.reference(reference)?);
        }
        for all in self.list(keywords, "allOf")? {
            shape = shape.and(all);
        }
        for name in ["anyOf", "oneOf"] {
            if let Some(any) = self.list(keywords, name)?.into_iter().reduce(Shape::or) {
                shape = shape.and(any);
            }
        }
        // What holds under a condition may be there.
        for name in ["then", "else"] {
            if let Some(schema) = keywords.get(name) {
                shape = shape.and(self.schema(schema)?.or(Shape::default()));
            }
        }
        self.is_closed = false;
        if let Some(schema) = keywords.get("unevaluatedProperties") {
            shape.others = self.each(schema)?;
        }
        self.is_closed = was_closed;
        Ok(shape)
    }

    fn list(&mut self, keywords: &'a Map<String, Value>, name: &str) -> Result<Vec<Shape>, String> {
        match keywords.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(schemas)) => schemas.iter().map(|schema| self.schema(schema)).collect(),
            Some(_) => Err(format!("{name} is not an array")),
        }
    }

    /// A type within itself is open from its second time on.
    fn reference(&mut self, reference: &'a Value) -> Result<Shape, String> {
        let Some(pointer) = reference.as_str().and_then(|text| text.strip_prefix('#')) else {
            return Err(format!("it refers to {reference}, which is not within it"));
        };
        if self.followed.contains(&pointer) {
            return Ok(Shape::default());
        }
        let schema =
            self.root.pointer(pointer).ok_or_else(|| format!("it refers to #{pointer}, which is not there"))?;
        self.followed.push(pointer);
        let shape = self.schema(schema);
        self.followed.pop();
        shape
    }

    fn members(&mut self, keywords: &'a Map<String, Value>) -> Result<Vec<(String, Shape)>, String> {
        let Some(properties) = keywords.get("properties") else { return Ok(Vec::new()) };
        let properties = properties.as_object().ok_or("properties is not an object")?;
        let required: Vec<&str> = keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut members = properties
            .iter()
            .map(|(name, schema)| Ok((name.clone(), self.schema(schema)?)))
            .collect::<Result<Vec<_>, String>>()?;
        members.sort_by_key(|(name, _)| required.iter().position(|known| known == name).unwrap_or(usize::MAX));
        Ok(members)
    }

    fn others(&mut self, keywords: &'a Map<String, Value>, is_closed: bool) -> Result<Others, String> {
        let others = match keywords.get("additionalProperties") {
            Some(schema) => self.each(schema)?,
            None if is_closed => Others::None,
            None => Others::Any,
        };
        let Some(patterns) = keywords.get("patternProperties") else { return Ok(others) };
        let patterns = patterns.as_object().ok_or("patternProperties is not an object")?;
        let mut each = if let Others::Each(each) = &others { Some((**each).clone()) } else { None };
        for schema in patterns.values() {
            let shape = self.schema(schema)?;
            each = Some(match each {
                Some(known) => known.or(shape),
                None => shape,
            });
        }
        Ok(match (others, each) {
            (Others::Any, _) | (_, None) => Others::Any,
            (_, Some(each)) => Others::Each(Box::new(each)),
        })
    }

    fn each(&mut self, schema: &'a Value) -> Result<Others, String> {
        Ok(match schema {
            Value::Bool(false) => Others::None,
            Value::Bool(true) => Others::Any,
            schema => Others::Each(Box::new(self.schema(schema)?)),
        })
    }

    fn elements(&mut self, keywords: &'a Map<String, Value>) -> Result<Option<Box<Shape>>, String> {
        let first = self.list(keywords, "prefixItems")?.into_iter().reduce(Shape::or);
        let rest = keywords.get("items").map(|schema| self.schema(schema)).transpose()?;
        Ok(match (first, rest) {
            (Some(first), Some(rest)) => Some(Box::new(first.or(rest))),
            (None, rest) => rest.map(Box::new),
            // Behind the first ones there may be anything.
            (Some(_), None) => None,
        })
    }
}

fn types(keywords: &Map<String, Value>) -> Result<Types, String> {
    let named = |name: &Value| {
        Ok(match name.as_str() {
            Some("null") => Types::NULL,
            Some("boolean") => Types::BOOL,
            Some("number" | "integer") => Types::NUMBER,
            Some("string") => Types::TEXT,
            Some("array") => Types::ARRAY,
            Some("object") => Types::OBJECT,
            _ => return Err(format!("{name} is not a type")),
        })
    };
    let several = |types: &mut dyn Iterator<Item = Types>| types.fold(Types::NONE, Types::or);
    let types = match keywords.get("type") {
        None => Types::ALL,
        Some(Value::Array(names)) => {
            several(&mut names.iter().map(named).collect::<Result<Vec<_>, String>>()?.into_iter())
        }
        Some(name) => named(name)?,
    };
    Ok(match (keywords.get("const"), keywords.get("enum")) {
        (Some(value), _) => types.and(Types::of(value)),
        (None, Some(Value::Array(values))) => types.and(several(&mut values.iter().map(Types::of))),
        _ => types,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shape::Place;

    fn types_at(shape: &Shape, path: &str) -> Option<Types> {
        match shape.at(path) {
            Place::Declared(shape) => Some(shape.types()),
            Place::Open => Some(Types::ALL),
            Place::Unknown => None,
        }
    }

    #[test]
    fn each_way_to_say_that_a_field_is_there_is_understood() {
        let schema = json!({
            "type": "object",
            "required": ["z", "a"],
            "properties": {
                "a": {"type": ["number", "null"]},
                "z": {"$ref": "#/$defs/stop"},
                "stops": {"type": "array", "items": {"$ref": "#/$defs/stop"}},
                "pair": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false},
                "by_day": {"type": "object", "additionalProperties": {"type": "integer"}},
                "by_minute": {"patternProperties": {"^\\d+$": {"type": "integer"}}, "additionalProperties": false},
                "maybe": {"anyOf": [{"$ref": "#/$defs/stop"}, {"type": "null"}]},
                "any": true,
                "secret": {"type": "string", "writeOnly": true},
                "level": {"enum": ["low", 3]},
            },
            "oneOf": [
                {"properties": {"kind": {"const": "a"}, "at": {"type": "string"}}},
                {"properties": {"kind": {"const": "b"}}},
            ],
            "unevaluatedProperties": false,
            "$defs": {"stop": {
                "type": "object", "additionalProperties": false,
                "properties": {"airport": {"type": "string"}, "next": {"$ref": "#/$defs/stop"}},
            }},
        });
        let shape = read(&schema).unwrap();
        let number = Some(Types::NUMBER);
        for (path, types) in [
            ("a", Some(Types::NUMBER.or(Types::NULL))),
            ("z.airport", Some(Types::TEXT)),
            ("stops[].airport", Some(Types::TEXT)),
            ("stops[]", Some(Types::OBJECT)),
            ("pair[]", Some(Types::TEXT.or(Types::NUMBER))),
            ("by_day.2013-01-01", number),
            ("by_minute.15", number),
            ("maybe", Some(Types::OBJECT.or(Types::NULL))),
            ("maybe.airport", Some(Types::TEXT)),
            ("any.thing[].at.all", Some(Types::ALL)),
            ("level", Some(Types::TEXT.or(Types::NUMBER))),
            ("kind", Some(Types::TEXT)),
            // In the other of both schemas it is never there.
            ("at", Some(Types::TEXT)),
            // A type within itself is open from its second time on.
            ("z.next.anything", Some(Types::ALL)),
            ("secret", None),
            ("b", None),
            ("a.b", None),
            ("z.airprot", None),
            ("stops.airport", None),
            ("stops[].x", None),
            ("stops[][]", None),
            ("a[]", None),
        ] {
            assert_eq!(types_at(&shape, path), types, "{path}");
        }
        let names: Vec<_> = shape.members().map(|(name, _)| name).take(2).collect();
        assert_eq!(names, ["z", "a"], "as they are required");
        assert_eq!(shape.nearest("z.airprot"), ["z.airport", "maybe.airport", "stops[].airport"]);
        assert_eq!(shape.nearest("ariport").len(), 3, "wherever it stands");
        assert!(shape.hides() && shape.nearest("secrets").is_empty());
    }

    #[test]
    fn a_schema_that_leads_round_in_circles_or_is_none_is_read_to_an_end() {
        let circle = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]});
        assert_eq!(types_at(&read(&circle).unwrap(), "x"), Some(Types::ALL));
        let mut many = json!({"$defs": {"0": {"type": "object"}}, "$ref": "#/$defs/20"});
        for n in 1..=20 {
            let below = json!({"$ref": format!("#/$defs/{}", n - 1)});
            many["$defs"][n.to_string()] = json!({"properties": {"a": below, "b": below}});
        }
        assert!(read(&many).unwrap_err().contains("more than"));
        let deep = (0..100).fold(json!(true), |schema, _| json!({"items": schema}));
        assert!(read(&deep).unwrap_err().contains("64 times"));
        for schema in
            [json!(5), json!({"type": "strin"}), json!({"$ref": "https://example.org/a"}), json!({"$ref": "#/x"})]
        {
            assert!(read(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_value_that_is_not_of_its_shape_is_named_by_its_place() {
        let element = json!({"properties": {"b": {"type": "string"}}, "additionalProperties": false});
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "n": {"type": "integer"},
                "a": {"type": "array", "items": element},
            },
        });
        let shape = read(&schema).unwrap();
        for (value, how) in [
            (json!({"n": 1, "a": [{"b": "x"}, {}]}), None),
            (json!([]), Some(" is an array, not an object")),
            (json!({"n": null}), Some("n is null, not a number")),
            (json!({"a": [{}, {"b": 1}]}), Some("a.[1].b is a number, not a text")),
            (json!({"a": [{"c": 1}]}), Some("a.[0].c is not declared")),
            (json!({"m": 1}), Some("m is not declared")),
        ] {
            assert_eq!(shape.misfit(&value).as_deref(), how, "{value}");
        }
    }
}
