//! Values at paths of a row's JSON text, without building what is not asked for.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::layout::order;

/// Which values to take: paths of fields, nested ones with dots. Each has a slot.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    root: Node,
    slots: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    slot: Option<usize>,
    fields: Vec<(Box<str>, Node)>,
}

impl Picker {
    /// The slot of a path; the same path has the same slot.
    pub fn add(&mut self, path: &str) -> usize {
        let mut node = &mut self.root;
        for name in path.split('.') {
            let known = node.fields.iter().position(|(field, _)| **field == *name);
            let at = known.unwrap_or_else(|| {
                node.fields.push((name.into(), Node::default()));
                node.fields.len() - 1
            });
            let Some((_, field)) = node.fields.get_mut(at) else { break };
            node = field;
        }
        *node.slot.get_or_insert_with(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// The values of all slots; null where a row has none.
    pub fn pick(&self, json: &[u8]) -> Result<Vec<Value>, serde_json::Error> {
        let mut values = vec![Value::Null; self.slots];
        if self.slots > 0 {
            let mut deserializer = serde_json::Deserializer::from_slice(json);
            Taking { node: &self.root, values: &mut values }.deserialize(&mut deserializer)?;
        }
        Ok(values)
    }
}

impl Node {
    /// Takes what stands below a value that was built as a whole.
    fn fill(&self, value: &Value, values: &mut [Value]) {
        for (name, field) in &self.fields {
            let below = order::at(value, name);
            field.fill(below, values);
            if let Some(slot) = field.slot.and_then(|slot| values.get_mut(slot)) {
                *slot = below.clone();
            }
        }
    }
}

struct Taking<'a> {
    node: &'a Node,
    values: &'a mut [Value],
}

impl<'de> DeserializeSeed<'de> for Taking<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(slot) = self.node.slot else { return deserializer.deserialize_any(self) };
        let value = Value::deserialize(deserializer)?;
        self.node.fill(&value, self.values);
        *self.values.get_mut(slot).ok_or_else(|| D::Error::custom("a slot that does not exist"))? = value;
        Ok(())
    }
}

impl<'de> Visitor<'de> for Taking<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Name(self.node))? {
            match field {
                Some(node) => map.next_value_seed(Taking { node, values: self.values })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    // Whatever is no object has no fields.

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Finds the field of a name without keeping the name.
struct Name<'a>(&'a Node);

impl<'a, 'de> DeserializeSeed<'de> for Name<'a> {
    type Value = Option<&'a Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a, 'de> Visitor<'de> for Name<'a> {
    type Value = Option<&'a Node>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|(field, _)| **field == *name).map(|(_, node)| node))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_path_has_the_value_that_the_whole_row_has_there() {
        let row = json!({"a": {"b": {"c": 1}, "d": [1, {"e": 2}]}, "f": "x", "g": null, "a.b": 7, "esc\"aped": 5});
        let paths = ["a.b.c", "a", "a.b", "f", "f.x", "g", "nothing", "a.d", "a.d.e", "esc\"aped"];
        let mut picker = Picker::default();
        let slots: Vec<_> = paths.iter().map(|path| picker.add(path)).collect();
        assert_eq!(picker.add("a.b"), slots[2]);
        let values = picker.pick(row.to_string().as_bytes()).unwrap();
        for (path, slot) in paths.iter().zip(slots) {
            assert_eq!(&values[slot], order::at(&row, path), "{path}");
        }
        assert!(picker.pick(br#"{"a": "#).is_err());
    }
}
