//! CloudEvents 1.0 over HTTP, in its three modes: binary (attributes are headers, the body is the data), structured
//! (a JSON object) and batch (an array of them). See <https://github.com/cloudevents/spec>.
//!
//! `source` and `id` together make the id of the event, so a CloudEvent that is sent twice is appended once. `type`
//! is the type; the extension attributes `schema` (a number) and `tags` (separated by commas) are what they are of
//! other events. All attributes but these are kept, in the metadata under `cloudevent`.

use axum::http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use kinora_api::Kind;
use kinora_types::{EventType, NewEvent};

use crate::edge::problem::Problem;
use crate::wire::appends::on_one_line;

/// Ids of CloudEvents are version 5 UUIDs in this namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x0d1f_4a9c_7a0e_5c8e_9b53_6f0c_5f0a_3b11);

const SPEC_VERSION: &str = "1.0";

/// How the events of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Binary,
    Structured,
    Batch,
}

/// Every CloudEvent in headers has it.
const SPEC_VERSION_HEADER: HeaderName = HeaderName::from_static("ce-specversion");

/// `None`: the request has no CloudEvents.
pub fn mode(headers: &HeaderMap) -> Option<Mode> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/cloudevents-batch") {
        Some(Mode::Batch)
    } else if kind.starts_with("application/cloudevents") {
        Some(Mode::Structured)
    } else {
        headers.contains_key(SPEC_VERSION_HEADER).then_some(Mode::Binary)
    }
}

pub fn events(mode: Mode, headers: &HeaderMap, body: &[u8]) -> Result<Vec<NewEvent>, Problem> {
    let parsed = |cause: serde_json::Error| invalid(format!("the body cannot be read: {cause}"));
    match mode {
        Mode::Binary => Ok(vec![binary(headers, body)?]),
        Mode::Structured => Ok(vec![structured(serde_json::from_slice(body).map_err(parsed)?)?]),
        Mode::Batch => {
            let events: Vec<Attributes> = serde_json::from_slice(body).map_err(parsed)?;
            events.into_iter().map(structured).collect()
        }
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidCloudevent, detail).hint(
        "such as {\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/shop\", \"type\": \"OrderPlaced\", \
         \"data\": {...}}, or the same attributes as headers ce-id ...",
    )
}

/// An attribute can stand once only; `data` is kept as it is written.
type Attributes = std::collections::BTreeMap<String, Box<RawValue>>;

fn structured(mut attributes: Attributes) -> Result<NewEvent, Problem> {
    if attributes.contains_key("data_base64") {
        return Err(invalid("data_base64 is binary, and the data of an event has to be JSON"));
    }
    let data = attributes.remove("data");
    let mut plain = Map::new();
    for (name, value) in attributes {
        let value: Value = serde_json::from_str(value.get()).map_err(|cause| invalid(cause.to_string()))?;
        match value {
            Value::Null => {}
            Value::String(_) | Value::Bool(_) | Value::Number(_) => drop(plain.insert(name, value)),
            _ => return Err(invalid(format!("the attribute {name} is neither a text, a number nor a boolean"))),
        }
    }
    to_event(plain, data)
}

fn binary(headers: &HeaderMap, body: &[u8]) -> Result<NewEvent, Problem> {
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let value = value.to_str().ok().and_then(percent_decoded);
        let value = value.ok_or_else(|| invalid(format!("the header ce-{name} cannot be read")))?;
        if attributes.insert(name.to_owned(), Value::String(value)).is_some() {
            return Err(invalid(format!("the header ce-{name} stands twice")));
        }
    }
    if let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) {
        attributes.insert("datacontenttype".to_owned(), kind.into());
    }
    let data = if body.is_empty() {
        None
    } else {
        let data = serde_json::from_slice::<&RawValue>(body);
        Some(data.map_err(|cause| invalid(format!("the data has to be JSON: {cause}")))?.to_owned())
    };
    to_event(attributes, data)
}

/// Header values are percent-encoded UTF-8; `None` if they are not.
fn percent_decoded(value: &str) -> Option<String> {
    let plain = value.as_bytes();
    let mut decoded = Vec::with_capacity(plain.len());
    let mut rest = plain;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            decoded.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            decoded.push(*byte);
        }
    }
    String::from_utf8(decoded).ok()
}

fn to_event(mut attributes: Map<String, Value>, data: Option<Box<RawValue>>) -> Result<NewEvent, Problem> {
    let valid = |name: &String| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if let Some(name) = attributes.keys().find(|name| !valid(name)) {
        return Err(invalid(format!(
            "{name} is not the name of an attribute: those have lower-case letters and digits"
        )));
    }
    let required = |name: &str| match attributes.get(name) {
        Some(Value::String(value)) if !value.is_empty() => Ok(value.clone()),
        Some(_) => Err(invalid(format!("the attribute {name} is not a text"))),
        None => Err(invalid(format!("the attribute {name} is missing"))),
    };
    let (version, id, source, kind) =
        (required("specversion")?, required("id")?, required("source")?, required("type")?);
    if version != SPEC_VERSION {
        return Err(invalid(format!("specversion is {version}, this host knows {SPEC_VERSION}")));
    }
    if let Some(Value::String(content)) = attributes.get("datacontenttype") {
        let essence = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !essence.ends_with("+json") {
            return Err(invalid(format!("datacontenttype is {content}, and the data of an event has to be JSON")));
        }
    }
    let schema = match attributes.remove("schema") {
        None => 1,
        Some(value) => {
            let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            let number = number.and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| invalid("the attribute schema is not a number from 1 on"))?
        }
    };
    let tags = match attributes.remove("tags") {
        None => Vec::new(),
        Some(Value::String(tags)) => tags.split(',').map(|tag| tag.trim().parse()).collect::<Result<_, _>>()?,
        Some(_) => return Err(invalid("the attribute tags is not a text")),
    };
    if let Some(time) = attributes.get("time") {
        let is_time = time.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok());
        if !is_time {
            return Err(invalid(format!("the attribute time is {time}, and not a time such as 2026-01-31T12:00:00Z")));
        }
    }
    attributes.remove("specversion");
    attributes.remove("type");
    let metadata = serde_json::value::to_raw_value(&serde_json::json!({"cloudevent": attributes}));
    Ok(NewEvent {
        // A length ends the source, so that no other source and id make the same name.
        id: Uuid::new_v5(&NAMESPACE, format!("{}:{source}{id}", source.len()).as_bytes()),
        kind: EventType::new(kind, schema)?,
        data: on_one_line(data.unwrap_or_else(|| RawValue::NULL.to_owned()))?,
        metadata: Some(metadata.map_err(|cause| invalid(cause.to_string()))?),
        tags,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_three_modes_say_the_same() {
        let attributes =
            r#""specversion":"1.0","id":"1","source":"/s","type":"T","schema":2,"tags":"a, b","subject":"é""#;
        let json = format!(r#"{{{attributes},"data":{{"n":1.50}}}}"#);
        let structured = events(Mode::Structured, &HeaderMap::new(), json.as_bytes()).unwrap();
        let batch = events(Mode::Batch, &HeaderMap::new(), format!("[{json}]").as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/s"),
            ("ce-type", "T"),
            ("ce-schema", "2"),
            ("ce-tags", "a,b"),
            ("ce-subject", "%C3%A9"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        assert_eq!(mode(&headers), Some(Mode::Binary));
        let binary = events(Mode::Binary, &headers, br#"{"n":1.50}"#).unwrap();
        for other in [batch, binary] {
            assert_eq!(format!("{other:?}"), format!("{structured:?}"));
        }
        let event = structured.first().unwrap();
        assert_eq!(event.data.get(), r#"{"n":1.50}"#);
        assert_eq!(event.metadata.as_ref().unwrap().get(), r#"{"cloudevent":{"id":"1","source":"/s","subject":"é"}}"#);
        assert_eq!((event.kind.schema, event.tags.len()), (2, 2));
    }

    #[test]
    fn source_and_id_are_not_confused() {
        let id = |source: &str, id: &str| {
            let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"T"}}"#);
            events(Mode::Structured, &HeaderMap::new(), json.as_bytes()).unwrap().first().unwrap().id
        };
        assert_eq!(id("/a", "b"), id("/a", "b"));
        assert_ne!(id("/a", "b1"), id("/ab", "1"));
    }

    #[test]
    fn what_is_no_cloudevent_is_refused_with_the_reason() {
        for (json, why) in [
            (r#"{"specversion":"1.0","id":"1","source":"/s"}"#, "type is missing"),
            (r#"{"specversion":"0.3","id":"1","source":"/s","type":"T"}"#, "0.3"),
            (r#"{"specversion":"1.0","id":1,"source":"/s","type":"T"}"#, "id is not a text"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","data_base64":"AA=="}"#, "binary"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","datacontenttype":"text/xml"}"#, "text/xml"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","Subject":"x"}"#, "lower-case"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","ext":{}}"#, "neither"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","schema":0}"#, "count from 1"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","time":"yesterday"}"#, "not a time"),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"T","time":1}"#, "not a time"),
            ("[", "cannot be read"),
        ] {
            let problem = events(Mode::Structured, &HeaderMap::new(), json.as_bytes()).unwrap_err();
            let detail = problem.into_text();
            assert!(detail.contains(why), "{json}: {detail}");
        }
    }
}
