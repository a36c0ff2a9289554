//! Events as JSON text, straight from their records: what was checked when it was appended is not parsed again.

use std::io::Write;

use serde_json::json;

use kinora_api::{Kind, claims as api};
use kinora_log::{Claim, Claims, RecordRef};
use kinora_types::Position;

use crate::edge::problem::Problem;

fn failed(cause: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::Internal, format!("an event cannot be written as JSON: {cause}"))
}

/// Appends an event to `out`, as one JSON object on one line.
pub fn event(out: &mut Vec<u8>, position: Position, record: &RecordRef<'_>) -> Result<(), Problem> {
    write!(out, r#"{{"position":{position},"stream":"#).map_err(failed)?;
    text(out, record.stream)?;
    let (revision, time, id) = (record.revision, record.timestamp(), record.id);
    write!(out, r#","revision":{revision},"time":"{time}","id":"{id}","type":"#).map_err(failed)?;
    text(out, record.kind)?;
    write!(out, r#","schema":{},"data":{}"#, record.schema, record.data).map_err(failed)?;
    if let Some(metadata) = record.metadata {
        write!(out, r#","metadata":{metadata}"#).map_err(failed)?;
    }
    if !record.tags.is_empty() {
        out.extend_from_slice(br#","tags":["#);
        for (number, tag) in record.tags.split('\n').enumerate() {
            if number > 0 {
                out.push(b',');
            }
            text(out, tag)?;
        }
        out.push(b']');
    }
    if !record.claims.is_empty() {
        let claims = Claims::from_text(record.claims).ok_or_else(|| failed("its claims make no sense"))?;
        write!(out, r#","claims":{}"#, self::claims(&claims)?).map_err(failed)?;
    }
    out.push(b'}');
    Ok(())
}

/// As in a transaction.
fn claims(claims: &Claims) -> Result<String, Problem> {
    let each = |claims: &[Claim]| -> Vec<_> {
        let one = |claim: &Claim| api::Claim {
            owner: claim.owner.to_string(),
            scope: claim.key.scope.clone(),
            value: claim.key.value.clone(),
        };
        claims.iter().map(one).collect()
    };
    let claims = api::Claims { release: each(&claims.release), take: each(&claims.take) };
    serde_json::to_string(&claims).map_err(failed)
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<(), Problem> {
    serde_json::to_writer(out, text).map_err(failed)
}

/// A page of events that are already written, separated by commas.
pub fn page(events: &[u8], head: Option<u64>, next: Option<&str>) -> Vec<u8> {
    let rest = format!(r#"],"head":{},"next":{}}}"#, json!(head), json!(next));
    [br#"{"events":["#, events, rest.as_bytes()].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use kinora_types::{Micros, Revision};

    #[test]
    fn an_event_is_json_whatever_its_names() {
        let record = RecordRef {
            stream: "a\"b",
            revision: Revision(3),
            time: Micros(1_500_000),
            id: Uuid::from_u128(1),
            kind: "T\\",
            schema: 2,
            data: r#"{"n":1.50}"#,
            metadata: Some("{}"),
            tags: "x:1\ny",
            claims: "+\temail\tann\tuser-1",
        };
        let mut out = Vec::new();
        event(&mut out, Position(7), &record).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""data":{"n":1.50},"metadata":{}"#), "as it was written: {text}");
        let defined: kinora_api::events::Event = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&defined).unwrap(), text, "as an event is defined");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            json!({
                "position": 7, "stream": "a\"b", "revision": 3, "time": "1970-01-01T00:00:01.5Z",
                "id": Uuid::from_u128(1), "type": "T\\", "schema": 2, "data": {"n": 1.5}, "metadata": {},
                "tags": ["x:1", "y"],
                "claims": {"release": [], "take": [{"scope": "email", "value": "ann", "owner": "user-1"}]},
            })
        );
    }

    #[test]
    fn a_page_is_json() {
        assert_eq!(page(b"", None, None), br#"{"events":[],"head":null,"next":null}"#);
        let defined: kinora_api::events::EventPage = serde_json::from_slice(&page(b"", Some(1), Some("/x"))).unwrap();
        assert_eq!(serde_json::to_vec(&defined).unwrap(), page(b"", Some(1), Some("/x")), "as a page is defined");
        assert_eq!(page(b"1,2", Some(5), Some("/x?a=\"")), br#"{"events":[1,2],"head":5,"next":"/x?a=\""}"#);
    }
}
