//! Requests, counted as they are answered.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

/// What is asked most often, and what is mostly answered.
const OFTEN: [(Often, &str, &str, StatusCode); 4] = [
    (Often::Append, "POST", "/v1/streams/{stream}/events", StatusCode::CREATED),
    (Often::Command, "POST", "/v1/deciders/{name}/{id}/{command}", StatusCode::OK),
    (Often::Row, "GET", "/v1/read-models/{name}/{table}/{*key}", StatusCode::OK),
    (Often::Rows, "GET", "/v1/read-models/{name}/{table}", StatusCode::OK),
];

/// An operation that is asked too often for its counters to be looked up by name each time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Often {
    Append,
    Command,
    Row,
    Rows,
}

/// Upper edges of the buckets of request times, in seconds: from a row in memory to a wait for a position.
const SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

type Times = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// What is counted as it happens. The rest is looked up when somebody asks.
#[derive(Clone, Default)]
pub struct Requests(Arc<Counters>);

struct Counters {
    count: Family<RequestLabels, Counter>,
    times: Times,
    often: [OftenCounters; OFTEN.len()],
}

struct OftenCounters {
    of: Often,
    labels: RequestLabels,
    /// Of what is mostly answered.
    answered: Counter,
    times: Histogram,
}

/// A request that is being answered.
pub struct Counted {
    route: Route,
    asked: Instant,
}

/// What a request is counted under, whatever stands in the place of names.
enum Route {
    Often(Often),
    Other(&'static str, Option<MatchedPath>),
}

impl Default for Counters {
    fn default() -> Self {
        let count = Family::<RequestLabels, Counter>::default();
        let times = Times::new_with_constructor(|| Histogram::new(SECONDS));
        let often = OFTEN.map(|(of, method, route, status)| {
            let labels = RequestLabels { route: route.to_owned(), method, status: status.as_u16() };
            let times = times.get_or_create_owned(&RouteLabels { route: route.to_owned() });
            OftenCounters { of, answered: count.get_or_create_owned(&labels), labels, times }
        });
        Self { count, times, often }
    }
}

impl Requests {
    /// Shows what has been counted.
    pub fn register(&self, registry: &mut Registry) {
        let Counters { count, times, .. } = &*self.0;
        registry.register("http_requests", "Requests that were answered", count.clone());
        registry.register("http_request_seconds", "Time until a request was answered", times.clone());
    }
}

impl Counted {
    /// A request that goes past the routes.
    pub fn often(often: Often) -> Self {
        Self::begin(Route::Often(often))
    }

    pub fn of(request: &Request) -> Self {
        let (method, path) = (name(request.method()), request.extensions().get::<MatchedPath>());
        let is_it = |known: &&(Often, &str, &str, StatusCode)| {
            known.1 == method && path.is_some_and(|path| path.as_str() == known.2)
        };
        Self::begin(match OFTEN.iter().find(is_it) {
            Some((often, ..)) => Route::Often(*often),
            None => Route::Other(method, path.cloned()),
        })
    }

    fn begin(route: Route) -> Self {
        Self { route, asked: Instant::now() }
    }

    pub fn end(self, requests: &Requests, response: &Response) {
        let Counters { count, times, often } = &*requests.0;
        let (seconds, status) = (self.asked.elapsed().as_secs_f64(), response.status().as_u16());
        match self.route {
            Route::Often(which) => {
                let Some(counters) = often.iter().find(|counters| counters.of == which) else { return };
                let OftenCounters { labels, answered, times, .. } = counters;
                times.observe(seconds);
                if status == labels.status {
                    answered.inc();
                } else {
                    count.get_or_create(&RequestLabels { status, ..labels.clone() }).inc();
                }
            }
            Route::Other(method, path) => {
                let route = path.as_ref().map_or("unknown", MatchedPath::as_str).to_owned();
                times.get_or_create(&RouteLabels { route: route.clone() }).observe(seconds);
                count.get_or_create(&RequestLabels { route, method, status }).inc();
            }
        }
    }
}

/// Of those that there are routes for; what a client makes up is no label.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
