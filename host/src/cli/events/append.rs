//! `kinora append`: events from the command line or from stdin, all or none.

use std::io::Read;

use anyhow::Context;
use kinora_client::Client;
use kinora_client::api::appends::{Appended, ExpectedRevision};
use serde_json::{Value, json};

use crate::cli::output::Output;

/// Append events to a stream, all or none
///
/// For example: kinora append flight-1 --type FlightCancelled --data '{"carrier":"UA"}'. Without --type, events are
/// read from stdin: one JSON array, or one JSON document a line, each {"type", "data"} with schema, id, tags and
/// metadata if you like.
#[derive(clap::Args)]
pub struct Arguments {
    /// The stream
    stream: String,
    /// The type of one event
    #[arg(long = "type", value_name = "TYPE", requires = "data")]
    kind: Option<String>,
    /// Its data, JSON
    #[arg(long, value_name = "JSON", requires = "kind")]
    data: Option<String>,
    /// The schema of its data
    #[arg(long, default_value_t = 1)]
    schema: u32,
    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Its id (a UUID): an append that is repeated with the same id is not done twice
    #[arg(long)]
    id: Option<String>,
    /// What the stream has to be at: any, no-stream, exists, or a revision
    #[arg(long, default_value = "any", value_parser = expected)]
    expect: ExpectedRevision,
}

pub fn expected(text: &str) -> Result<ExpectedRevision, String> {
    match text {
        "any" => Ok(ExpectedRevision::Any),
        "no-stream" => Ok(ExpectedRevision::NoStream),
        "exists" => Ok(ExpectedRevision::Exists),
        number => number
            .parse()
            .map(ExpectedRevision::Exactly)
            .map_err(|_| "any, no-stream, exists, or a revision".to_owned()),
    }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let body = match (&arguments.kind, &arguments.data) {
        (Some(kind), Some(data)) => {
            let data: Value = serde_json::from_str(data).context("--data is not JSON")?;
            let mut event = json!({"type": kind, "schema": arguments.schema, "data": data, "tags": arguments.tags});
            if let (Some(id), Some(fields)) = (arguments.id, event.as_object_mut()) {
                fields.insert("id".into(), Value::String(id));
            }
            event.to_string()
        }
        _ => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("stdin cannot be read")?;
            events(&text)?
        }
    };
    let answer = client.append_json(&arguments.stream, arguments.expect, body).await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let Appended { first_position, last_position, duplicate, .. } = *answer;
    let revision = answer.revision.unwrap_or_default();
    let already = if duplicate { " (it was there already)" } else { "" };
    output.line(format_args!(
        "positions {first_position} to {last_position}, {} is at revision {revision}{already}",
        arguments.stream
    ))
}

/// One array as it is; documents, one after the other, as an array.
fn events(text: &str) -> anyhow::Result<String> {
    if text.trim_start().starts_with('[') {
        return Ok(text.to_owned());
    }
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Box<serde_json::value::RawValue>>();
    let events =
        documents.collect::<Result<Vec<_>, _>>().context("stdin is neither a JSON array nor JSON documents")?;
    anyhow::ensure!(!events.is_empty(), "there is no event on stdin; name one with --type and --data, or send some");
    Ok(serde_json::to_string(&events)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_an_array_and_an_array_stays() {
        assert_eq!(events("{\"type\":\"A\"}\n{\"type\":\"B\"}\n").unwrap(), r#"[{"type":"A"},{"type":"B"}]"#);
        assert_eq!(events(r#" [{"type":"A"}]"#).unwrap(), r#" [{"type":"A"}]"#);
        assert!(events("").is_err() && events("{").is_err());
    }

    #[test]
    fn what_a_stream_has_to_be_at_is_read() {
        assert_eq!(
            (expected("no-stream"), expected("7")),
            (Ok(ExpectedRevision::NoStream), Ok(ExpectedRevision::Exactly(7)))
        );
        assert!(expected("maybe").is_err());
    }
}
