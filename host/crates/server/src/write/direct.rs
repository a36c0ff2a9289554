//! The service of a host: all routes, and a way past them for the request that comes most often, a small append to
//! one stream. It goes straight to its handler, since to find it among the routes costs about as much as to append an
//! event.
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
use crate::edge::requests::CountedAppend;
use crate::host::Host;
use crate::write::append;

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
        let Some(stream) = self.appended_to(&request) else { return Either::Right(self.routes.call(request)) };
        let host = self.host.clone();
        Either::Left(Box::pin(async move {
            let counted = CountedAppend::begin();
            let asked = Asked::new(Action::Append).streams(Extent::One(stream.as_str()));
            let response = match host.gate.allow(&request, asked) {
                Ok(()) => append::small_to_stream(&host, stream, request).await.into_response(),
                Err(problem) => problem.into_response(),
            };
            counted.end(&host.requests, &response);
            Ok(response)
        }))
    }
}

impl Direct {
    fn appended_to(&self, request: &Request) -> Option<StreamName> {
        let stream = stream(request.uri().path()).filter(|_| *request.method() == Method::POST)?;
        // Parameters are for the layer around the routes to refuse.
        if request.uri().query().is_some() {
            return None;
        }
        let is_plain = head::names_its_host(request)
            && !head::is_packed(request)
            && !request.headers().contains_key(headers::OVERRIDE);
        (is_plain && matches!(self.host.bodies.room(request), Room::Small)).then_some(stream)
    }
}

/// The stream that the path of an append names, if it is one, and written as it is.
fn stream(path: &str) -> Option<StreamName> {
    let name = path.strip_prefix("/v1/streams/")?.strip_suffix("/events")?;
    if name.contains(['/', '%']) { None } else { name.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::stream;

    #[test]
    fn only_a_plain_path_is_taken() {
        assert_eq!(stream("/v1/streams/account-1/events"), "account-1".parse().ok());
        for other in ["/v1/streams//events", "/v1/streams/a%20b/events", "/v1/streams/a/b/events", "/v1/streams/events"]
        {
            assert_eq!(stream(other), None, "{other}");
        }
    }
}
