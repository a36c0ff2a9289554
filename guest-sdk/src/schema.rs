//! Schemas of what a projector declares: of its rows, and of arguments and answers of its queries.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// A JSON Schema as it was declared. One of a type is made when somebody asks for its text, which is in `describe`
/// only.
#[derive(Clone, Copy, Debug)]
pub enum SchemaEntry {
    Text(&'static str),
    /// `None`: the type says nothing, as `serde_json::Value` does.
    OfType(fn() -> Option<String>),
}

impl SchemaEntry {
    /// What is written, as rows and answers are.
    pub(crate) fn of_written<T: JsonSchema>() -> Self {
        Self::OfType(|| text::<T>(SchemaSettings::draft2020_12().for_serialize()))
    }

    /// What is read, as arguments are.
    pub(crate) fn of_read<T: JsonSchema>() -> Self {
        Self::OfType(|| text::<T>(SchemaSettings::draft2020_12().for_deserialize()))
    }

    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::OfType(made) => made(),
        }
    }
}

/// Keywords that say nothing of a value.
const NOTES: [&str; 2] = ["title", "description"];

fn made<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        // A schema without references is one that the host can check values against.
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn text<T: JsonSchema>(settings: SchemaSettings) -> Option<String> {
    let mut schema = made::<T>(settings);
    close(&mut schema, false);
    let says_nothing = schema.as_object().is_none_or(|keywords| keywords.keys().all(|name| NOTES.contains(&&**name)));
    // Maps are ordered by name, so the same type always has the same text.
    (!says_nothing).then(|| schema.to_string())
}

/// A variant of an enum whose values are `{"type": NAME, "data": DATA}`.
pub struct Variant {
    pub name: String,
    /// Its doc comment, or that of its data.
    pub description: String,
    /// The schema of its data; `None` for a variant without.
    pub data: Option<Value>,
}

/// The variants of an enum that is read; `None` for any other type.
pub fn read_variants<T: JsonSchema>() -> Option<Vec<Variant>> {
    variants(&made::<T>(SchemaSettings::draft2020_12().for_deserialize()))
}

/// The variants of an enum that is written; `None` for any other type.
pub fn written_variants<T: JsonSchema>() -> Option<Vec<Variant>> {
    variants(&made::<T>(SchemaSettings::draft2020_12().for_serialize()))
}

fn variants(schema: &Value) -> Option<Vec<Variant>> {
    let variant = |variant: &Value| {
        let members = variant.get("properties")?;
        let mut data = members.get("data").cloned();
        let description = [Some(variant), data.as_ref()].into_iter().flatten().find_map(|of| of.get("description"));
        let description = description.and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(data) = &mut data {
            // Only a type within itself is still a reference.
            if let (Some(keywords), Some(definitions)) = (data.as_object_mut(), schema.get("$defs")) {
                keywords.insert("$defs".to_owned(), definitions.clone());
            }
            close(data, false);
        }
        let name = members.get("type")?.get("const")?.as_str()?.to_owned();
        Some(Variant { name, description, data })
    };
    schema.get("oneOf")?.as_array()?.iter().map(variant).collect()
}

/// Keywords with schemas of the very same value.
const IN_PLACE: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Says that an object has the members of its type and no others: to leave that open, as schemas of Rust types do, is
/// to take a misspelled name for one of a member that may be there. `is_part`: the schema is of some members of an
/// object.
fn close(schema: &mut Value, is_part: bool) {
    let Some(keywords) = schema.as_object_mut() else { return };
    let several = IN_PLACE.iter().any(|name| keywords.contains_key(*name));
    let has_members = keywords.contains_key("properties");
    let is_object = has_members || keywords.get("type").is_some_and(|kind| kind == "object");
    let is_open = !["additionalProperties", "unevaluatedProperties", "patternProperties"]
        .iter()
        .any(|name| keywords.contains_key(*name));
    if is_object && is_open && !is_part {
        // Members that came in by `#[serde(flatten)]` may stand in schemas of the same value.
        let others = if several { "unevaluatedProperties" } else { "additionalProperties" };
        keywords.insert(others.to_owned(), Value::Bool(false));
    }
    close_within(keywords, is_part || is_object);
}

fn close_within(keywords: &mut Map<String, Value>, is_part: bool) {
    for (name, value) in keywords {
        match (name.as_str(), value) {
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| close(schema, is_part));
            }
            ("prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(|schema| close(schema, false)),
            ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| close(schema, false));
            }
            ("items" | "additionalProperties", schema) => close(schema, false),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::{Quantiles, Summary};

    fn of<T: JsonSchema>() -> Value {
        serde_json::from_str(&SchemaEntry::of_written::<T>().text().unwrap()).unwrap()
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    struct Stop {
        airport: String,
        delay: Option<f64>,
        #[schemars(extend("writeOnly" = true))]
        state: u64,
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Outcome {
        Arrived { at: String },
        Cancelled,
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    struct Row {
        stops: Vec<Stop>,
        by_day: BTreeMap<String, u64>,
        anything: Value,
        #[serde(flatten)]
        outcome: Outcome,
    }

    #[test]
    fn an_object_has_the_members_of_its_type_and_no_others() {
        let stop = of::<Stop>();
        assert_eq!(stop["additionalProperties"], false);
        assert_eq!(stop["required"], json!(["airport", "delay", "state"]), "in the order of the type");
        assert_eq!(stop["properties"]["state"]["writeOnly"], true);
        let row = of::<Row>();
        assert_eq!(row["unevaluatedProperties"], false);
        assert!(
            row["oneOf"].as_array().unwrap().iter().all(|part| part.get("additionalProperties").is_none()),
            "{row}"
        );
        assert_eq!(row["properties"]["stops"]["items"]["additionalProperties"], false);
        assert_eq!(row["properties"]["by_day"]["additionalProperties"]["type"], "integer");
        assert!(of::<Outcome>()["oneOf"][0]["additionalProperties"] == false);
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    struct Tree {
        within: Vec<Tree>,
    }

    #[derive(JsonSchema, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data", rename_all = "snake_case")]
    enum Planted {
        /// A tree, with all that is in it.
        WholeTree(Tree),
        Nothing,
    }

    #[test]
    fn a_variant_has_the_schema_of_its_data_with_what_that_refers_to() {
        let variants = written_variants::<Planted>().unwrap();
        let [tree, nothing] = &variants[..] else { unreachable!("there are two") };
        assert_eq!((tree.name.as_str(), nothing.name.as_str()), ("whole_tree", "nothing"));
        assert_eq!(tree.description, "A tree, with all that is in it.");
        let data = tree.data.as_ref().unwrap();
        assert_eq!(data["properties"]["within"]["items"]["$ref"], "#/$defs/Tree", "{data}");
        for closed in [data, &data["$defs"]["Tree"]] {
            assert_eq!(closed["additionalProperties"], false, "{data}");
        }
        assert!(nothing.data.is_none());
        assert!(read_variants::<Row>().is_none() && read_variants::<Value>().is_none());
    }

    #[test]
    fn a_type_that_says_nothing_declares_nothing() {
        assert_eq!(SchemaEntry::of_written::<Value>().text(), None);
        assert_eq!(SchemaEntry::of_written::<Row>().text(), SchemaEntry::of_written::<Row>().text());
    }

    #[test]
    fn figures_declare_what_they_write_and_keep_their_sketch_to_themselves() {
        let quantiles = of::<Quantiles>();
        assert_eq!(quantiles["properties"]["sketch"]["writeOnly"], true);
        let written = serde_json::to_value(Quantiles::default()).unwrap();
        let names: Vec<_> =
            quantiles["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(
            names.iter().all(|name| written.get(name).is_some()) && written.as_object().unwrap().len() == names.len()
        );
        let summary = serde_json::to_value(Summary::default()).unwrap();
        assert_eq!(of::<Summary>()["required"].as_array().unwrap().len(), summary.as_object().unwrap().len());
    }
}
