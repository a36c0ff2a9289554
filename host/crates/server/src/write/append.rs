//! `POST /v1/streams/{stream}/events` and `POST /v1/transactions`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use kinora_access::{Action, Asked, Extent, Principal};
use kinora_api::appends::CloudEvent;
use kinora_api::{Kind, appends as api, headers};
use kinora_log::{AppendRequest, ClientId, IdempotencyKey, StreamAppend};
use kinora_types::{ExpectedRevision, Revision, StreamName};

use crate::edge::caller;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::edge::request_key;
use crate::host::Host;
use crate::problems::operations;
use crate::wire::appends as wire;
use crate::write::cloudevents;
use crate::write::{owned, reserved};

/// Append one event or several, all or none
#[utoipa::path(
    post, path = "/v1/streams/{stream}/events", tag = "log", operation_id = "append",
    params(
        ("stream" = String, Path, description = "The stream"), headers::Expected, headers::Append, headers::Override,
    ),
    request_body(content(
        (api::NewEvents = "application/json"),
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
    )),
    responses((status = 201, description = "Appended, as durable as it says", body = api::Appended), operations::Append)
)]
pub async fn to_stream(
    State(host): State<Host>,
    Path(stream): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let (client, headers, body) = taken_apart(request).await?;
    owned::allow(&host, &stream, principal.as_ref(), &headers).await?;
    let stream = stream.parse()?;
    append_to(&host, stream, client, principal.as_ref(), &headers, &body).await
}

/// The same for a body that is so small that nobody need count it.
pub async fn small_to_stream(host: &Host, stream: StreamName, request: Request) -> Result<Response, Problem> {
    let client = caller::client(&request);
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let (head, body) = request.into_parts();
    // It has said how long it is, and the server takes no more.
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let body = body.map_err(|cause| Problem::new(Kind::InvalidBody, cause.to_string()))?;
    // Only now: a body may come slowly, and a decider become the owner meanwhile.
    owned::refuse(host, stream.as_str())?;
    append_to(host, stream, client, principal.as_ref(), &head.headers, &body).await
}

async fn append_to(
    host: &Host,
    stream: StreamName,
    client: ClientId,
    principal: Option<&Arc<Principal>>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let (events, has_new_ids) = match cloudevents::mode(headers) {
        Some(mode) => (cloudevents::events(mode, headers, body)?, false),
        None => wire::events(body)?,
    };
    let key = idempotency_key(host, headers, principal, stream.as_str(), body)?;
    let append = StreamAppend { stream, expected: expected(headers)?, events };
    let request = AppendRequest { key, has_new_ids, ..vec![append].into() };
    reserved::refuse(&request)?;
    let appended = host.log.append_for(client, request).await?;
    created(&wire::appended(&appended, host.log.durability()))
}

/// Append to several streams, all or none
#[utoipa::path(
    post, path = "/v1/transactions", tag = "log", operation_id = "transact",
    params(headers::Append, headers::Override),
    request_body = api::Transaction,
    responses(
        (status = 201, description = "Appended, as durable as it says", body = api::Appended),
        operations::Transact,
    )
)]
pub async fn transaction(State(host): State<Host>, request: Request) -> Result<Response, Problem> {
    let log = &host.log;
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let (client, headers, body) = taken_apart(request).await?;
    let transaction: api::Transaction = serde_json::from_slice(&body).map_err(|cause| wire::invalid_json(&cause))?;
    let key = idempotency_key(&host, &headers, principal.as_ref(), "", &body)?;
    let request = AppendRequest { key, ..wire::transaction(transaction)? };
    for asked in asked(&request) {
        host.gate.allow_to(principal.as_ref(), asked)?;
    }
    reserved::refuse(&request)?;
    let streams = request.appends.iter().filter(|append| !append.events.is_empty()).map(|append| &append.stream);
    let owners = request.claims.take.iter().chain(&request.claims.release).map(|claim| &claim.owner);
    for stream in streams.chain(owners) {
        owned::allow(&host, stream.as_str(), principal.as_ref(), &headers).await?;
    }
    let appended = log.append_for(client, request).await?;
    created(&wire::transacted(&appended, log.durability()))
}

/// What somebody has to be allowed who sends this. Conditions and claims tell of streams that they do not name, so
/// they are for those who reach all.
fn asked(request: &AppendRequest) -> impl Iterator<Item = Asked<'_>> {
    let append = Asked::new(Action::Append);
    let tells_of_all = request.condition.is_some() || !request.claims.is_empty();
    let streams = request.appends.iter().map(|append| Extent::One(append.stream.as_str()));
    streams.chain(tells_of_all.then_some(Extent::All)).map(move |streams| append.streams(streams))
}

/// Written at once: to answer takes a fair part of the time of a small append.
fn created(appended: &api::Appended) -> Result<Response, Problem> {
    let body = serde_json::to_vec(appended).map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?;
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Who asks, and for what. An extractor for the headers would copy them all.
async fn taken_apart(mut request: Request) -> Result<(ClientId, HeaderMap, Bytes), Problem> {
    let client = caller::client(&request);
    let headers = std::mem::take(request.headers_mut());
    Ok((client, headers, Bytes::from_request(request, &()).await?))
}

/// `If-None-Match: *` no stream, `If-Match: *` exists, `If-Match: "3"` at revision 3, neither: any.
pub fn expected(headers: &HeaderMap) -> Result<ExpectedRevision, Problem> {
    let invalid = |name: &str| {
        Problem::new(Kind::InvalidHeader, format!("the header {name} cannot be read"))
            .hint("send If-Match: \"<revision>\", If-Match: * (the stream exists), or If-None-Match: * (it does not)")
    };
    match (headers.get(header::IF_MATCH), headers.get(header::IF_NONE_MATCH)) {
        (None, None) => Ok(ExpectedRevision::Any),
        (None, Some(value)) if value == "*" => Ok(ExpectedRevision::NoStream),
        (Some(value), None) if value == "*" => Ok(ExpectedRevision::Exists),
        (Some(value), None) => {
            let revision = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
            revision.map(|revision| ExpectedRevision::Exactly(Revision(revision))).ok_or_else(|| invalid("If-Match"))
        }
        _ => Err(invalid("If-None-Match")),
    }
}

/// The `Idempotency-Key` of a request, with the hash of all that says what is asked for.
fn idempotency_key(
    host: &Host,
    headers: &HeaderMap,
    principal: Option<&Arc<Principal>>,
    stream: &str,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
    let says_something = |name: &str| {
        [header::IF_MATCH, header::IF_NONE_MATCH, header::CONTENT_TYPE].iter().any(|known| known == name)
            || name.starts_with("ce-")
    };
    let mut said: Vec<_> = headers.iter().filter(|(name, _)| says_something(name.as_str())).collect();
    said.sort_by_key(|(name, _)| name.as_str());
    let said = said.into_iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    let said = [stream.as_bytes(), body].into_iter().chain(said);
    let key = request_key::of(headers, principal, host.limits.log.key_bytes, said)?;
    Ok(key.map(|(key, fingerprint)| IdempotencyKey { key, fingerprint }))
}
