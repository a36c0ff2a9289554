//! Bodies: those that say from the start that they are too large, and how much of them is in memory at once.
//!
//! A body that does not fit is answered before it is read. Many clients look for an answer only once they have sent
//! everything, and if the host closed the connection before, they would see a broken pipe and not the reason. So what
//! they go on sending is heard out for a while, and thrown away.

pub mod unpack;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{Method, header};
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use kinora_api::Kind;
use kinora_log::ClientId;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::edge::caller;
use crate::edge::head;
use crate::edge::problem::Problem;

/// How long a body that is thrown away may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a body waits for the memory that it needs. Those that wait are served in turn.
const WAIT: Duration = Duration::from_secs(1);

/// Bytes of all bodies that are read and worked on at once.
pub const BODIES_BYTES: usize = 256 << 20;

/// The part of them that large bodies leave alone: a few of these that trickle must not keep everybody from appending.
const SMALL_BYTES: usize = 64 << 20;

/// Bytes up to which a body is small, and bytes of the small ones of one client.
const SMALL_BODY: usize = 256 << 10;
const SMALL_OF_CLIENT: usize = 16 << 20;

/// Bytes of a permit: a semaphore counts in 32 bits.
const PERMIT_BYTES: usize = 1 << 10;

pub struct Bodies {
    /// Bytes that one body may have.
    limit: usize,
    small: Part,
    large: Part,
}

/// Memory for bodies, and who has how much of it.
struct Part {
    /// Bytes of the bodies of one client.
    client_limit: usize,
    permits: Semaphore,
    /// Those that each client has, of all that have any.
    of_client: Mutex<HashMap<ClientId, usize>>,
}

impl Part {
    fn new(bytes: usize, client_limit: usize) -> Self {
        Self { client_limit, permits: Semaphore::new(bytes / PERMIT_BYTES), of_client: Mutex::default() }
    }
}

impl Bodies {
    /// One body always fits, whatever the limits of a client are.
    pub fn new(limit: usize, client_limit: usize) -> Self {
        let large = Part::new((BODIES_BYTES - SMALL_BYTES).max(limit), client_limit.max(limit));
        Self { limit, small: Part::new(SMALL_BYTES, client_limit.clamp(SMALL_BODY, SMALL_OF_CLIENT)), large }
    }

    fn part(&self, bytes: usize) -> &Part {
        if bytes <= SMALL_BODY { &self.small } else { &self.large }
    }
}

/// What a body needs before it is read.
pub enum Room {
    /// Nothing: it is small, or there is none.
    Small,
    /// This many permits.
    Permits(u32),
    /// More than there may be: it has this many bytes.
    TooLarge(usize),
}

/// The memory of a body, for as long as it is worked on.
pub struct BodyPermit<'a> {
    part: &'a Part,
    client: ClientId,
    bytes: usize,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for BodyPermit<'_> {
    fn drop(&mut self) {
        self.part.give_back(self.client, self.bytes);
    }
}

impl Part {
    /// Takes bytes for a client, if it may have them.
    fn take(&self, client: ClientId, bytes: usize) -> bool {
        let mut of_client = self.of_client();
        let has = of_client.get(&client).copied().unwrap_or(0);
        let fits = has.saturating_add(bytes) <= self.client_limit;
        if fits {
            of_client.insert(client, has + bytes);
        }
        fits
    }

    fn give_back(&self, client: ClientId, bytes: usize) {
        let mut of_client = self.of_client();
        if let Entry::Occupied(mut has) = of_client.entry(client) {
            *has.get_mut() = has.get().saturating_sub(bytes);
            if *has.get() == 0 {
                has.remove();
            }
        }
    }

    fn of_client(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.of_client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bodies {
    pub fn room(&self, request: &Request) -> Room {
        if *request.method() == Method::GET || request.body().is_end_stream() {
            return Room::Small;
        }
        let length =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // What is packed says only how long it is on its way.
        let length = length.filter(|length| !head::is_packed(request) || *length > self.limit);
        if let Some(actual) = length.filter(|length: &usize| *length > self.limit) {
            return Room::TooLarge(actual);
        }
        // One that does not say how long it is may be as long as any.
        match u32::try_from(length.unwrap_or(self.limit) / PERMIT_BYTES).unwrap_or(u32::MAX) {
            0 => Room::Small,
            permits => Room::Permits(permits),
        }
    }

    /// Waits for the memory of a body, or answers once its client has sent it.
    pub async fn hold(&self, room: Room, request: Request) -> Result<(Request, Option<BodyPermit<'_>>), Problem> {
        let problem = match room {
            Room::Small => return Ok((request, None)),
            Room::TooLarge(actual) => {
                Problem::new(Kind::TooLarge, format!("the body has {actual} bytes, the limit is {}", self.limit))
                    .hint("send less at a time; all limits are at /v1/limits")
                    .with("limit", json!(self.limit))
                    .with("actual", json!(actual))
            }
            Room::Permits(permits) => {
                let (client, bytes) = (caller::client(&request), permits as usize * PERMIT_BYTES);
                let part = self.part(bytes);
                if !part.take(client, bytes) {
                    let problem =
                        Problem::new(Kind::Busy, "other bodies of this client fill the memory that it may have")
                            .hint("send fewer at once; the limit is http.client_body_bytes")
                            .with("limit", json!(part.client_limit));
                    Rest::of(request).1.hear_out();
                    return Err(problem);
                }
                // What it has taken is given back if it waits in vain, or goes away meanwhile.
                let mut held = BodyPermit { part, client, bytes, permit: None };
                match tokio::time::timeout(WAIT, part.permits.acquire_many(permits)).await {
                    Ok(Ok(permit)) => {
                        held.permit = Some(permit);
                        return Ok((request, Some(held)));
                    }
                    // It is never closed, so the time is up.
                    _ => {
                        Problem::new(Kind::Busy, "the bodies of other requests fill the memory that there is for them")
                            .hint("try again a little later")
                    }
                }
            }
        };
        Rest::of(request).1.hear_out();
        Err(problem)
    }
}

/// The rest of a body, whoever has begun to read it.
#[derive(Clone)]
pub struct Rest {
    body: Arc<Mutex<Body>>,
    /// The client waits to be asked for its body (`Expect: 100-continue`): then it is not asked.
    waits: bool,
}

impl Rest {
    /// The same request, of which the rest can be heard out once its reader has given up.
    pub fn of(request: Request) -> (Request, Self) {
        let waits = request.headers().contains_key(header::EXPECT);
        let (head, body) = request.into_parts();
        let rest = Self { body: Arc::new(Mutex::new(body)), waits };
        (Request::from_parts(head, Body::new(rest.clone())), rest)
    }

    /// Reads on beside the answer, for a while.
    pub fn hear_out(self) {
        if self.waits || self.is_end_stream() {
            return;
        }
        let mut body = Body::new(self).into_data_stream();
        tokio::spawn(async move {
            let heard_out = async { while let Some(Ok(_)) = body.next().await {} };
            let _ = tokio::time::timeout(PATIENCE, heard_out).await;
        });
    }

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
