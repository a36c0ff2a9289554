//! `POST /v1/deciders/{name}/{id}/{command}`, `POST /v1/commands`, and the states that commands are decided on.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request as HttpRequest, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use kinora_access::{Action, Asked, Extent, Principal};
use kinora_api::commands as api;
use kinora_api::verifications::DecisionBundle;
use kinora_api::{Kind, headers};
use kinora_decision::{Command, Deciders, IN_METADATA, Request};
use kinora_log::ClientId;
use kinora_projection::Line;
use kinora_types::{ExpectedRevision, Micros, Progress, StreamName, on_one_line};

use crate::edge::budget::{LongWork, Work};
use crate::edge::caller;
use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::edge::request_key;
use crate::host::Host;
use crate::problems::operations;
use crate::wire::decisions as wire;
use crate::write::append::expected;
use crate::write::reserved;

/// Commands that are decided together.
const TOGETHER: usize = 64;

const HINT: &str = r#"send {"decider": NAME, "commands": [{"id": ID, "command": NAME, "data": {...}}, ...]}"#;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Decide {
    /// Only decide, and append nothing
    #[param(nullable = false)]
    dry_run: Option<bool>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct At {
    /// The state after the event at this position, and none after it
    #[param(nullable = false)]
    position: Option<u64>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct By {
    /// The version that decides, instead of the one that is live
    #[param(nullable = false, minimum = 1)]
    version: Option<u32>,
}

/// What a command is for.
pub struct Of {
    pub decider: String,
    pub id: String,
    pub command: String,
}

/// Who sends something, and what.
struct Sent {
    client: ClientId,
    principal: Option<Arc<Principal>>,
    headers: HeaderMap,
    body: Bytes,
}

/// Have an aggregate decide a command
#[utoipa::path(
    post, path = "/v1/deciders/{name}/{id}/{command}", tag = "deciders", operation_id = "command",
    params(
        ("name" = String, Path, description = "The decider"),
        ("id" = String, Path, description = "The id of the aggregate"),
        ("command" = String, Path, description = "The name of the command"),
        Decide, headers::Expected, headers::Append,
    ),
    request_body(content = Value, description = "The data of the command, as the decider says what it has to be"),
    responses((status = 200, description = "Decided, and durable", body = api::Decided), operations::Command)
)]
pub async fn one(
    State(host): State<Host>,
    Path((name, id, command)): Path<(String, String, String)>,
    parameters: Result<Query<Decide>, QueryRejection>,
    request: HttpRequest,
) -> Result<Json<api::Decided>, Problem> {
    let Query(Decide { dry_run }) = parameters.map_err(|cause| parameters::invalid(cause.body_text()))?;
    let sent = taken_apart(request).await?;
    decided(&host, Of { decider: name, id, command }, sent, dry_run.unwrap_or(false)).await
}

/// The same for a body that is so small that nobody need count it.
pub async fn small(host: &Host, of: Of, mut request: HttpRequest) -> Result<Json<api::Decided>, Problem> {
    let client = caller::client(&request);
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let headers = std::mem::take(request.headers_mut());
    // It has said how long it is, and the server takes no more.
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    let body = body.map_err(|cause| Problem::new(Kind::InvalidBody, cause.to_string()))?;
    decided(host, of, Sent { client, principal, headers, body }, false).await
}

async fn decided(host: &Host, of: Of, sent: Sent, dry_run: bool) -> Result<Json<api::Decided>, Problem> {
    let Of { decider, id, command } = of;
    let Sent { client, principal, headers, body } = sent;
    let data = data(&body)?;
    let expected = Some(expected(&headers)?).filter(|expected| *expected != ExpectedRevision::Any);
    let metadata = metadata(None, &headers)?;
    let key = request_key::of(&headers, principal.as_ref(), request_key::KEY_BYTES, [])?.map(|(key, _)| key);
    let command = Command { aggregate: id, name: command, data, key, expected, metadata, time: now() };
    let asked = Request { commands: vec![command], client, dry_run };
    let decided = host.deciders.decide(&decider, asked, allows(host, principal.as_ref())).await?;
    let answer = decided.into_iter().next();
    let answer = answer.ok_or_else(|| Problem::new(Kind::Internal, "a command was not answered"))?;
    wire::decided(answer).map(Json)
}

/// Have several aggregates decide, all or none
#[utoipa::path(
    post, path = "/v1/commands", tag = "deciders", operation_id = "commands",
    params(headers::Append),
    request_body = api::Commands,
    responses((status = 200, description = "Decided, and durable", body = api::DecidedTogether), operations::Commands)
)]
pub async fn together(State(host): State<Host>, request: HttpRequest) -> Result<Json<api::DecidedTogether>, Problem> {
    let Sent { client, principal, headers, body } = taken_apart(request).await?;
    let api::Commands { decider, commands, dry_run } = parameters::json(&body, HINT)?;
    if commands.is_empty() || commands.len() > TOGETHER {
        let detail = format!("{} commands, 1 to {TOGETHER} are decided together", commands.len());
        return Err(Problem::new(Kind::InvalidJson, detail).hint(HINT));
    }
    let key = request_key::of(&headers, principal.as_ref(), request_key::KEY_BYTES, [])?.map(|(key, _)| key);
    let time = now();
    let mut asked = Vec::new();
    for (number, command) in commands.into_iter().enumerate() {
        let api::Command { id, command, data, metadata: given } = command;
        let key = key.as_ref().map(|key| format!("{key}#{number}"));
        let data = self::data(data.get().as_bytes())?;
        let metadata = metadata(given, &headers)?;
        asked.push(Command { aggregate: id, name: command, data, key, expected: None, metadata, time });
    }
    let asked = Request { commands: asked, client, dry_run };
    let decided = host.deciders.decide(&decider, asked, allows(&host, principal.as_ref())).await?;
    let decided = decided.into_iter().map(wire::decided).collect::<Result<_, _>>()?;
    Ok(Json(api::DecidedTogether { decided }))
}

/// Everything that the decision of a command depends on, for `kinora repro`; nothing is appended
#[utoipa::path(
    post, path = "/v1/deciders/{name}/{id}/{command}/reproduction", tag = "deciders",
    operation_id = "command_reproduction",
    params(
        ("name" = String, Path, description = "The decider"),
        ("id" = String, Path, description = "The id of the aggregate"),
        ("command" = String, Path, description = "The name of the command"),
        By,
    ),
    request_body(content = Value, description = "The data of the command"),
    responses(
        (
            status = 200,
            description = "Modules, limits, the command, the events that it is decided on, and what it comes to",
            body = DecisionBundle,
        ),
        operations::CommandReproduction,
    )
)]
pub async fn reproduction(
    State(deciders): State<Arc<Deciders>>,
    LongWork(work): LongWork,
    Path((name, aggregate, command)): Path<(String, String, String)>,
    parameters: Result<Query<By>, QueryRejection>,
    body: Bytes,
) -> Result<Response, Problem> {
    let Query(By { version }) = parameters.map_err(|cause| parameters::invalid(cause.body_text()))?;
    let data = data(&body)?;
    let file = format!("attachment; filename=\"{name}-{command}.repro.json\"");
    let command = Command { aggregate, name: command, data, key: None, expected: None, metadata: None, time: now() };
    let undecided = deciders.undecided(&name, version, command).await?;
    // It goes to a file as it is, and is read by the crate that made it.
    let bundle = work.run_in(Line::Comparisons, move |budget| undecided.bundle(budget)).await?;
    Ok(([(header::CONTENT_DISPOSITION, file)], Json(bundle)).into_response())
}

/// The state of an aggregate, as the live version folds it
#[utoipa::path(
    get, path = "/v1/deciders/{name}/{id}/state", tag = "deciders", operation_id = "aggregate",
    params(
        ("name" = String, Path, description = "The decider"),
        ("id" = String, Path, description = "The id of the aggregate"),
        At,
    ),
    responses((status = 200, description = "As it is", body = api::AggregateState), operations::Aggregate)
)]
pub async fn state(
    State(deciders): State<Arc<Deciders>>,
    work: Work,
    Path((name, id)): Path<(String, String)>,
    parameters: Result<Query<At>, QueryRejection>,
) -> Result<Json<api::AggregateState>, Problem> {
    let Query(At { position }) = parameters.map_err(|cause| parameters::invalid(cause.body_text()))?;
    let upto = position.map(|position| Progress(position.saturating_add(1)));
    let state = work.run_in(Line::Named, move |budget| deciders.state(&name, &id, upto, budget)).await?;
    wire::state(state).map(Json)
}

async fn taken_apart(mut request: HttpRequest) -> Result<Sent, Problem> {
    let client = caller::client(&request);
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let headers = std::mem::take(request.headers_mut());
    Ok(Sent { client, principal, headers, body: Bytes::from_request(request, &()).await? })
}

/// JSON without line breaks: those between its parts become spaces.
fn data(body: &[u8]) -> Result<Box<RawValue>, Problem> {
    let invalid = |cause: String| {
        Problem::new(Kind::InvalidJson, format!("the data of the command cannot be read: {cause}"))
            .hint("send the data of the command as JSON; {} for one without")
    };
    let text =
        if body.is_empty() { "{}" } else { std::str::from_utf8(body).map_err(|cause| invalid(cause.to_string()))? };
    let json = RawValue::from_string(text.trim().to_owned()).and_then(on_one_line);
    json.map_err(|cause| invalid(cause.to_string()))
}

/// What stands beside what the host says of an event itself.
fn metadata(given: Option<Map<String, Value>>, headers: &HeaderMap) -> Result<Option<Map<String, Value>>, Problem> {
    let mut metadata = given.unwrap_or_default();
    if metadata.contains_key(IN_METADATA) {
        return Err(reserved::member());
    }
    if let Some(actor) = headers.get(headers::ACTOR).and_then(|actor| actor.to_str().ok()) {
        metadata.entry("actor").or_insert_with(|| json!(actor));
    }
    Ok(Some(metadata).filter(|metadata| !metadata.is_empty()))
}

fn now() -> Micros {
    Micros(u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0))
}

/// Refuses whoever does not reach the stream of an aggregate.
fn allows(host: &Host, principal: Option<&Arc<Principal>>) -> impl Fn(&StreamName) -> Result<(), Problem> {
    move |stream| host.gate.allow_to(principal, Asked::new(Action::Append).streams(Extent::One(stream.as_str())))
}
