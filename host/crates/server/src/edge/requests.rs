//! Requests, counted as they are answered.

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

/// The routes that are asked most often.
pub const APPEND: &str = "/v1/streams/{stream}/events";
pub const COMMAND: &str = "/v1/deciders/{name}/{id}/{command}";

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
#[derive(Clone)]
pub struct Requests {
    count: Family<RequestLabels, Counter>,
    times: Times,
    appends: Often,
    commands: Often,
}

/// What the requests of one route are counted with: they are too many to look it up for each.
#[derive(Clone)]
struct Often {
    route: &'static str,
    /// Of most answers.
    status: StatusCode,
    answered: Counter,
    times: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let count = Family::<RequestLabels, Counter>::default();
        let times = Times::new_with_constructor(|| Histogram::new(SECONDS));
        let often = |route: &'static str, status: StatusCode| Often {
            route,
            status,
            answered: count.get_or_create_owned(&posted(route, status)),
            times: times.get_or_create_owned(&RouteLabels { route: route.to_owned() }),
        };
        let (appends, commands) = (often(APPEND, StatusCode::CREATED), often(COMMAND, StatusCode::OK));
        Self { count, times, appends, commands }
    }
}

fn posted(route: &str, status: StatusCode) -> RequestLabels {
    RequestLabels { route: route.to_owned(), method: "POST", status: status.as_u16() }
}

/// A request that is being answered.
pub struct Counted {
    route: String,
    method: &'static str,
    asked: Instant,
}

impl Requests {
    /// Shows what has been counted.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests that were answered", self.count.clone());
        registry.register("http_request_seconds", "Time until a request was answered", self.times.clone());
    }

    /// Counts a request under its route, whatever stands in the place of names.
    pub fn begin(&self, request: &Request) -> Counted {
        let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
        Counted { route, method: name(request.method()), asked: Instant::now() }
    }
}

/// A request that went past the routes, being answered.
pub struct Direct {
    asked: Instant,
    of: fn(&Requests) -> &Often,
}

impl Direct {
    pub fn append() -> Self {
        Self { asked: Instant::now(), of: |requests| &requests.appends }
    }

    pub fn command() -> Self {
        Self { asked: Instant::now(), of: |requests| &requests.commands }
    }

    pub fn end(self, requests: &Requests, response: &Response) {
        let often = (self.of)(requests);
        match response.status() {
            status if status == often.status => often.answered.inc(),
            status => requests.count.get_or_create(&posted(often.route, status)).inc(),
        };
        often.times.observe(self.asked.elapsed().as_secs_f64());
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

impl Counted {
    pub fn end(self, requests: &Requests, response: &Response) {
        let Self { route, method, asked } = self;
        let status = response.status().as_u16();
        let labels = RequestLabels { route, method, status };
        requests.count.get_or_create(&labels).inc();
        requests.times.get_or_create(&RouteLabels { route: labels.route }).observe(asked.elapsed().as_secs_f64());
    }
}
