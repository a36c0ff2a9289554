//! Values of an enum on the wire: there a command or an event is a name and JSON text, and not one object.

use std::borrow::Cow;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, MapAccess};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::kind::Kind;
use super::rejection::Rejection;
use crate::rows::Column;

/// Data of a variant that has none.
const NO_DATA: &str = "{}";

/// The variant of this kind with this data.
pub fn decode<'a, T: Deserialize<'a>>(kind: &'a Kind, data: &'a str) -> Result<T, serde_json::Error> {
    let mut text = serde_json::Deserializer::from_str(data);
    if kind.data.is_none() {
        Empty::deserialize(&mut text)?;
        text.end()?;
        return T::deserialize(MapAccessDeserializer::new(Members { name: Some(&kind.name), data: None }));
    }
    let value = T::deserialize(MapAccessDeserializer::new(Members { name: Some(&kind.name), data: Some(&mut text) }))?;
    text.end()?;
    Ok(value)
}

/// What a command is rejected with whose data its schema allows and its type does not, such as a number out of range.
const INVALID_DATA: &str = "invalid_data";

/// The command of this kind with this data.
pub fn read<'a, T: Deserialize<'a>>(kind: &'a Kind, data: &'a str) -> Result<T, Rejection> {
    decode(kind, data).map_err(|cause| Rejection::new(INVALID_DATA, format!("the data of {}: {cause}", kind.name)))
}

/// What a variant without data may have as its data: nothing.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Empty {
    Null,
    Object {},
}

/// The object `{"type": NAME, "data": DATA}` as serde asks for it, without its text.
struct Members<'m, 'a> {
    name: Option<&'a str>,
    data: Option<&'m mut serde_json::Deserializer<serde_json::de::StrRead<'a>>>,
}

impl<'a> MapAccess<'a> for Members<'_, 'a> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let key = match (self.name, &self.data) {
            (Some(_), _) => "type",
            (None, Some(_)) => "data",
            (None, None) => return Ok(None),
        };
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        if let Some(name) = self.name.take() {
            return seed.deserialize(BorrowedStrDeserializer::new(name));
        }
        match self.data.take() {
            Some(data) => seed.deserialize(data),
            None => Err(serde::de::Error::custom("there is no more data")),
        }
    }
}

/// A value as serde writes it.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, rename = "type")]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Appends the data of a value, and gives the index of its kind.
pub fn encode<T: Serialize>(value: &T, kinds: &[Kind], payloads: &mut Column) -> Result<u32, String> {
    let text = serde_json::to_string(value).map_err(|cause| format!("an event does not encode: {cause}"))?;
    let written: Written<'_> = serde_json::from_str(&text)
        .map_err(|cause| format!("an event is not an object with `type` and `data`, but {text}: {cause}"))?;
    let known = (0..).zip(kinds).find(|(_, kind)| kind.name == written.name);
    let Some((index, kind)) = known else {
        return Err(format!("an event of type {} is in no variant of its schema", written.name));
    };
    // Data that is null is read as none at all.
    let nothing = if kind.data.is_some() { "null" } else { NO_DATA };
    payloads.push(written.data.map_or(nothing, RawValue::get).as_bytes());
    Ok(index)
}
