//! The service of a host: all routes, and a way past them for the requests that come most often, small appends to one
//! stream, commands, rows and lists of rows. They go straight to their handlers, since to find one among the routes
//! costs about as much as to append an event or to look a row up.
//!
//! Both ways end in the same code. What is not plain here (a name that is encoded or no name, a large or packed body)
//! goes through the routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{OriginalUri, Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures::future::Either;
use tower_service::Service;

use kinora_access::{Action, Asked, Extent};
use kinora_api::headers;
use kinora_types::StreamName;

use crate::edge::bodies::Room;
use crate::edge::budget::{RareWork, Work};
use crate::edge::head;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::edge::requests::{Counted, Often};
use crate::edge::session;
use crate::host::Host;
use crate::query::common::Known;
use crate::query::{list, model};
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
        let Some(target) = self.target(&request) else { return Either::Right(self.routes.call(request)) };
        let (host, counted) = (self.host.clone(), Counted::often(target.often()));
        // Each is a future by itself, so that a small one is not as large as the largest.
        Either::Left(match target {
            Target::Stream(stream) => {
                Box::pin(async move { ended(&host, counted, appended(&host, stream, request).await) })
            }
            Target::Command(of) => Box::pin(async move { ended(&host, counted, decided(&host, of, request).await) }),
            Target::Row(names) => Box::pin(async move { ended(&host, counted, row(&host, names, request).await) }),
            Target::Rows(names) => Box::pin(async move { ended(&host, counted, rows(&host, names, request).await) }),
        })
    }
}

fn ended(host: &Host, counted: Counted, response: Result<Response, Problem>) -> Result<Response, Infallible> {
    let response = response.unwrap_or_else(Problem::into_response);
    counted.end(&host.requests, &response);
    Ok(response)
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

async fn row(host: &Host, names: (String, String, String), request: Request) -> Result<Response, Problem> {
    host.gate.allow(&request, of_table(&names.0, &names.1))?;
    let (parts, _) = request.into_parts();
    let (work, known, asked) = (RareWork::of(&parts, host), Known::of(&parts), session::Asked::of(&parts));
    model::row(State(Arc::clone(&host.projections)), State(host.log.clone()), work, Path(names), known, asked).await
}

async fn rows(host: &Host, names: (String, String), request: Request) -> Result<Response, Problem> {
    host.gate.allow(&request, of_table(&names.0, &names.1))?;
    let (parts, _) = request.into_parts();
    let (work, asked) = (Work::of(&parts, host), session::Asked::of(&parts));
    let (projections, log) = (State(Arc::clone(&host.projections)), State(host.log.clone()));
    list::list(projections, log, work, Path(names), OriginalUri(parts.uri), parts.headers, asked).await
}

fn of_table<'a>(projection: &'a str, table: &'a str) -> Asked<'a> {
    Asked::new(Action::Query).projections(Extent::One(projection)).tables(Extent::One(table))
}

/// What a request is for that goes past the routes.
enum Target {
    Stream(StreamName),
    Command(commands::Of),
    /// Of a projection, a table, and a key.
    Row((String, String, String)),
    /// Of a projection and a table.
    Rows((String, String)),
}

impl Target {
    fn often(&self) -> Often {
        match self {
            Self::Stream(_) => Often::Append,
            Self::Command(_) => Often::Command,
            Self::Row(_) => Often::Row,
            Self::Rows(_) => Often::Rows,
        }
    }

    /// Whether a handler itself knows which parameters it takes. Those of others are for the layer around the routes
    /// to refuse.
    fn takes_parameters(&self) -> bool {
        matches!(self, Self::Rows(_))
    }
}

impl Direct {
    fn target(&self, request: &Request) -> Option<Target> {
        let (method, path, query) = (request.method(), request.uri().path(), request.uri().query());
        let target = match *method {
            Method::POST => written(path)?,
            Method::GET if request.body().is_end_stream() => read(path)?,
            _ => return None,
        };
        let is_plain = query.is_none_or(|query| target.takes_parameters() && head::is_utf8(query))
            && head::names_its_host(request)
            && !head::is_packed(request)
            && !request.headers().contains_key(headers::OVERRIDE);
        (is_plain && matches!(self.host.bodies.room(request), Room::Small)).then_some(target)
    }
}

/// What the path of an append or of a command names, if all of it is written as it is.
fn written(path: &str) -> Option<Target> {
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

/// The same of a row, whose key may have slashes, or of a list of rows.
fn read(path: &str) -> Option<Target> {
    let names = path.strip_prefix("/v1/read-models/").filter(|names| !names.contains('%'))?;
    let (projection, names) = names.split_once('/')?;
    let (table, key) = names.split_once('/').map_or((names, None), |(table, key)| (table, Some(key)));
    // Named queries are asked at such an address.
    if projection.is_empty() || table.is_empty() || table == "queries" || key.is_some_and(str::is_empty) {
        return None;
    }
    let (projection, table) = (projection.to_owned(), table.to_owned());
    Some(match key {
        Some(key) => Target::Row((projection, table, key.to_owned())),
        None => Target::Rows((projection, table)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_path_is_taken() {
        let stream = |path| match written(path) {
            Some(Target::Stream(stream)) => Some(stream.as_str().to_owned()),
            _ => None,
        };
        let command = |path| match written(path) {
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
            assert!(written(other).is_none(), "{other}");
        }
    }
    #[test]
    fn a_key_may_have_slashes_and_a_named_query_is_no_row() {
        let names = |path| match read(path) {
            Some(Target::Row((projection, table, key))) => vec![projection, table, key],
            Some(Target::Rows((projection, table))) => vec![projection, table],
            _ => Vec::new(),
        };
        assert_eq!(names("/v1/read-models/shop/orders/7"), ["shop", "orders", "7"]);
        assert_eq!(names("/v1/read-models/shop/orders/a/b/"), ["shop", "orders", "a/b/"]);
        assert_eq!(names("/v1/read-models/shop/orders"), ["shop", "orders"]);
        for other in [
            "/v1/read-models",
            "/v1/read-models/shop",
            "/v1/read-models/shop/",
            "/v1/read-models//orders",
            "/v1/read-models/shop//7",
            "/v1/read-models/shop/orders/",
            "/v1/read-models/shop/orders/a%20b",
            "/v1/read-models/shop/queries",
            "/v1/read-models/shop/queries/late",
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }
}
