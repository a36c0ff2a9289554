//! Appends: requests to the words of the log, and answers from them.

use kinora_api::Kind;
use kinora_api::appends as api;
use kinora_api::claims;
use kinora_log::{
    AppendRequest, Appended, Claim, ClaimKey, Claims, Condition, Durability, Item, Selection, StreamAppend,
};
use kinora_types::{EventType, ExpectedRevision, NewEvent, Position, Revision, StreamName};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::edge::problem::Problem;

pub fn event(event: api::NewEvent) -> Result<NewEvent, Problem> {
    if let Some(metadata) = &event.metadata
        && !metadata.get().starts_with('{')
    {
        return Err(Problem::new(Kind::InvalidEvent, "the metadata of an event must be a JSON object"));
    }
    Ok(NewEvent {
        id: event.id.unwrap_or_else(Uuid::now_v7),
        kind: EventType::new(event.kind, event.schema)?,
        data: on_one_line(event.data)?,
        metadata: event.metadata.map(on_one_line).transpose()?,
        tags: event.tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?,
    })
}

pub fn on_one_line(json: Box<RawValue>) -> Result<Box<RawValue>, Problem> {
    kinora_types::on_one_line(json).map_err(|cause| invalid_json(&cause))
}

pub fn invalid_json(cause: &serde_json::Error) -> Problem {
    let kind = if cause.is_data() { Kind::InvalidEvent } else { Kind::InvalidJson };
    Problem::new(kind, format!("the body cannot be read: {cause}")).hint(
        "an event looks like {\"type\": \"FlightDeparted\", \"schema\": 1, \"data\": {...}}, with id, metadata and \
         tags if you like",
    )
}

/// One event, or an array of them; and whether all have been given new ids here.
pub fn events(body: &[u8]) -> Result<(Vec<NewEvent>, bool), Problem> {
    let events: Vec<api::NewEvent> = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))?
    } else {
        vec![serde_json::from_slice(body).map_err(|cause| invalid_json(&cause))?]
    };
    let new = events.iter().all(|event| event.id.is_none());
    Ok((events.into_iter().map(event).collect::<Result<_, _>>()?, new))
}

pub fn transaction(transaction: api::Transaction) -> Result<AppendRequest, Problem> {
    let append = |append: api::StreamAppend| -> Result<_, Problem> {
        Ok(StreamAppend {
            stream: append.stream.parse()?,
            expected: expected(append.expected_revision),
            events: append.events.into_iter().map(event).collect::<Result<_, _>>()?,
        })
    };
    let has_new_ids = transaction.appends.iter().flat_map(|append| &append.events).all(|event| event.id.is_none());
    Ok(AppendRequest {
        appends: transaction.appends.into_iter().map(append).collect::<Result<_, _>>()?,
        condition: transaction.condition.map(condition).transpose()?,
        claims: claims_of(transaction.claims)?,
        key: None,
        has_new_ids,
    })
}

fn condition(condition: api::Condition) -> Result<Condition, Problem> {
    if condition.none_of.is_empty() {
        return Err(Problem::new(Kind::InvalidCondition, "the condition's none_of is empty, so it says nothing")
            .hint(r#"such as {"none_of": [{"types": ["SeatTaken"], "tags": ["seat:12A"]}], "after": 41}"#));
    }
    let item =
        |item: &api::Item| Item::new(item.types.iter().map(String::as_str), item.tags.iter().map(String::as_str));
    let items = condition.none_of.iter().map(item).collect::<Result<_, _>>()?;
    Ok(Condition { selection: Selection { items }, after: condition.after.map(Position) })
}

fn claims_of(claims: claims::Claims) -> Result<Claims, Problem> {
    let claim = |claim: claims::Claim| -> Result<_, Problem> {
        Ok(Claim { key: ClaimKey::new(&claim.scope, &claim.value)?, owner: claim.owner.parse()? })
    };
    Ok(Claims {
        release: claims.release.into_iter().map(claim).collect::<Result<_, _>>()?,
        take: claims.take.into_iter().map(claim).collect::<Result<_, _>>()?,
    })
}

fn expected(expected: api::ExpectedRevision) -> ExpectedRevision {
    match expected {
        api::ExpectedRevision::Any => ExpectedRevision::Any,
        api::ExpectedRevision::NoStream => ExpectedRevision::NoStream,
        api::ExpectedRevision::Exists => ExpectedRevision::Exists,
        api::ExpectedRevision::Exactly(revision) => ExpectedRevision::Exactly(Revision(revision)),
    }
}

/// The answer to an append to one stream.
pub fn appended(appended: &Appended, durability: Durability) -> api::Appended {
    api::Appended {
        first_position: appended.first.0,
        last_position: appended.last.0,
        revision: appended.streams.first().map(|stream| stream.1.0),
        streams: Vec::new(),
        duplicate: appended.duplicate,
        known: appended.known as u64,
        durability: self::durability(durability),
    }
}

/// The answer to a transaction.
pub fn transacted(appended: &Appended, durability: Durability) -> api::Appended {
    let stream = |(stream, revision): &(StreamName, Revision)| api::StreamRevision {
        stream: stream.to_string(),
        revision: revision.0,
    };
    let streams = appended.streams.iter().map(stream).collect();
    api::Appended { revision: None, streams, ..self::appended(appended, durability) }
}

pub fn durability(durability: Durability) -> api::Durability {
    match durability {
        Durability::Sync => api::Durability::Sync,
        Durability::Interval(milliseconds) => api::Durability::Interval(milliseconds),
    }
}
