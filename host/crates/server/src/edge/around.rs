//! The layer around all routes: a request is counted, its head is sound, it asks for nothing that its operation does
//! not know, and its body fits. One layer for all, and a small body goes straight through: what this costs, every
//! append pays.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use kinora_access::Principal;
use tower_layer::Layer;
use tower_service::Service;

use crate::edge::bodies::{Rest, Room};
use crate::edge::described::Described;
use crate::edge::head;
use crate::edge::requests::Counted;
use crate::host::Host;

#[derive(Clone)]
pub struct Around {
    pub host: Host,
    /// Bytes that a body may have where a route says nothing else.
    pub body_bytes: usize,
    pub described: Arc<Described>,
}

impl<S> Layer<S> for Around {
    type Service = Inside<S>;

    fn layer(&self, inner: S) -> Inside<S> {
        Inside { around: self.clone(), inner }
    }
}

#[derive(Clone)]
pub struct Inside<S> {
    around: Around,
    inner: S,
}

impl<S> Service<Request> for Inside<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Around { host, body_bytes, described } = &self.around;
        let counted = Counted::of(&request);
        DefaultBodyLimit::max(*body_bytes).apply(&mut request);
        let host = host.clone();
        // Before anything else of it is looked at.
        if host.gate.knows_clients()
            && let Some((path, need)) = described.need(&request)
        {
            let (kept, allowed) = host.gate.allow_operation(request, &path, need.as_ref());
            request = kept;
            if let Err(problem) = allowed {
                let is_change = need.is_some_and(|need| need.is_change());
                if let Some(who) = request.extensions().get::<Arc<Principal>>().filter(|_| is_change) {
                    host.refusals.note(who, &request, &problem);
                }
                return Box::pin(async move {
                    let response = problem.into_response();
                    counted.end(&host.requests, &response);
                    Ok(response)
                });
            }
        }
        let mistake = head::check(&request).err().or_else(|| described.mistake(&request));
        if let Some(problem) = mistake {
            Rest::of(request).1.hear_out();
            return Box::pin(async move {
                let response = problem.into_response();
                counted.end(&host.requests, &response);
                Ok(response)
            });
        }
        let room = host.bodies.room(&request);
        if matches!(room, Room::Small) {
            let answer = self.inner.call(request);
            return Box::pin(async move {
                let response = answer.await?;
                counted.end(&host.requests, &response);
                Ok(response)
            });
        }
        // The one that is ready is this one; its copy has to be asked anew.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        Box::pin(async move {
            let response = match host.bodies.hold(room, request).await {
                Ok((request, _held)) => {
                    let (request, rest) = Rest::of(request);
                    let response = inner.call(request).await?;
                    rest.hear_out();
                    response
                }
                Err(problem) => problem.into_response(),
            };
            counted.end(&host.requests, &response);
            Ok(response)
        })
    }
}
