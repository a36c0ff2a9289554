//! The service of a host: all routes, and a way past them for the requests that come most often, small appends to one
//! stream and commands. They go straight to their handlers, since to find one among the routes costs about as much as
//! to append an event.
//!
//! Both ways end in the same code. What is not plain here (a name that is encoded or no name, a large or packed body)
//! goes through the routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures::future::Either;
use tower_service::Service;

use kinora_access::{Action, Asked, Extent};
use kinora_api::headers;
use kinora_types::StreamName;

use crate::edge::bodies::Room;
use crate::edge::head;
use crate::edge::problem::Problem;
use crate::edge::requests::Counted;
use crate::host::Host;
use crate::write::{append, commands};

#[derive(Clone)]
pub struct Direct {
    pub host: Host,
    pub routes: Router,
}

impl Service<Request> for Direct {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Routes are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(asked) = self.asked(&request) else { return Either::Right(self.routes.call(request)) };
        let host = self.host.clone();
        Either::Left(Box::pin(async move {
            let (counted, response) = match asked {
                Target::Stream(stream) => (Counted::append(), appended(&host, stream, request).await),
                Target::Command(of) => (Counted::command(), decided(&host, of, request).await),
            };
            let response = response.unwrap_or_else(Problem::into_response);
            counted.end(&host.requests, &response);
            Ok(response)
        }))
    }
}

async fn appended(host: &Host, stream: StreamName, request: Request) -> Result<Response, Problem> {
    host.gate.allow(&request, Asked::new(Action::Append).streams(Extent::One(stream.as_str())))?;
    append::small_to_stream(host, stream, request).await
}

async fn decided(host: &Host, of: commands::Of, request: Request) -> Result<Response, Problem> {
    // What comes of a command is for its rules to say; its handler asks for the stream of its aggregate.
    host.gate.allow(&request, Asked::new(Action::Append))?;
    commands::small(host, of, request).await.map(IntoResponse::into_response)
}

/// What a request is for that goes past the routes.
enum Target {
    Stream(StreamName),
    Command(commands::Of),
}

impl Direct {
    fn asked(&self, request: &Request) -> Option<Target> {
        let target = target(request.uri().path()).filter(|_| *request.method() == Method::POST)?;
        // Parameters are for the layer around the routes to refuse.
        if request.uri().query().is_some() {
            return None;
        }
        let is_plain = head::names_its_host(request)
            && !head::is_packed(request)
            && !request.headers().contains_key(headers::OVERRIDE);
        (is_plain && matches!(self.host.bodies.room(request), Room::Small)).then_some(target)
    }
}

/// What the path of an append or of a command names, if all of it is written as it is.
fn target(path: &str) -> Option<Target> {
    if path.contains('%') {
        return None;
    }
    if let Some(name) = path.strip_prefix("/v1/streams/").and_then(|rest| rest.strip_suffix("/events")) {
        return name.parse().ok().filter(|_| !name.contains('/')).map(Target::Stream);
    }
    let names: Vec<&str> = path.strip_prefix("/v1/deciders/")?.split('/').collect();
    let [decider, id, command] = names.as_slice() else { return None };
    // A state is shown at such an address, and nothing is sent there.
    if names.iter().any(|name| name.is_empty()) || *command == "state" {
        return None;
    }
    let [decider, id, command] = [decider, id, command].map(|name| (*name).to_owned());
    Some(Target::Command(commands::Of { decider, id, command }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_path_is_taken() {
        let stream = |path| match target(path) {
            Some(Target::Stream(stream)) => Some(stream.as_str().to_owned()),
            _ => None,
        };
        let command = |path| match target(path) {
            Some(Target::Command(commands::Of { decider, id, command })) => Some([decider, id, command]),
            _ => None,
        };
        assert_eq!(stream("/v1/streams/account-1/events").as_deref(), Some("account-1"));
        assert_eq!(command("/v1/deciders/bank/a-1/Open"), Some(["bank", "a-1", "Open"].map(str::to_owned)));
        for other in [
            "/v1/streams//events",
            "/v1/streams/a%20b/events",
            "/v1/streams/a/b/events",
            "/v1/streams/events",
            "/v1/deciders/bank/a",
            "/v1/deciders/bank/promote",
            "/v1/deciders/bank//Open",
            "/v1/deciders/bank/a/Open/",
            "/v1/deciders/bank/a/b/Open",
            "/v1/deciders/bank/a/state",
            "/v1/deciders/bank/a%2Fb/Open",
        ] {
            assert!(target(other).is_none(), "{other}");
        }
    }
}
