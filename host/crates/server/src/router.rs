//! The router: all that a host answers, in one table with its description.

mod direct;

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use kinora_api::settings::Settings;
use kinora_api::{Kind, headers};
use kinora_engine::Engine;
use kinora_engine::limits::HttpLimits;
use tokio::sync::watch;
use tower_service::Service;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, OpenApi, RefOr};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::edge::around;
use crate::edge::bodies::Bodies;
use crate::edge::bodies::unpack::Unpack;
use crate::edge::described::Described;
use crate::edge::problem::Problem;
use crate::edge::requests::Requests;
use crate::gate::{Gate, Gated, Refusals};
use crate::host::{Host, Parts};
use crate::problems::operations;
use crate::projections::{
    changes, deciders, deploy, diff, diff_rows, faults, history, modules, status, upcasters, verify,
};
use crate::query::{list, model};
use crate::read::{events, log};
use crate::serve::console::{Console, Desk, Shown};
use crate::upkeep::{backups, health, limits, metrics, settings};
use crate::write::{append, claims, commands};

/// The statuses of an answer that a version has given.
const ANSWERED: [&str; 2] = ["200", "304"];

/// JSON takes more room than the data within it: names, ids, tags.
const BODY_BYTES_PER_DATA_BYTE: usize = 2;

/// What the description says besides its operations.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Kinora",
        description = "A projection engine for event-sourced systems.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "log", description = "Events: appending, reading, following"),
        (name = "modules", description = "Projectors and upcasters, as WebAssembly"),
        (name = "projections", description = "Projections and their versions: rollouts, differences, faults"),
        (name = "deciders", description = "Commands, and the versions of the rules that decide them"),
        (name = "read models", description = "Queries; each answer says which version gave it, from which position"),
        (name = "host", description = "The host itself"),
    ),
    components(schemas(
        kinora_api::Problem,
        kinora_api::rollouts::Gap,
    ))
)]
struct About;

/// All routes, with what each is. A module may have `module_bytes` bytes.
fn routes(module_bytes: usize) -> OpenApiRouter<Host> {
    let large = || DefaultBodyLimit::max(module_bytes);
    OpenApiRouter::with_openapi(<About as utoipa::OpenApi>::openapi())
        .routes(routes!(append::to_stream, events::stream))
        .routes(routes!(append::transaction))
        .routes(routes!(claims::show))
        .routes(routes!(events::all))
        .routes(routes!(log::show))
        .routes(routes!(backups::list, backups::create))
        .routes(routes!(modules::list, modules::upload).layer(large()))
        .routes(routes!(modules::show, modules::remove))
        .routes(routes!(modules::uses))
        .routes(routes!(upcasters::dry_run))
        .routes(routes!(upcasters::follow))
        .routes(routes!(status::list))
        .routes(routes!(status::show, changes::set))
        .routes(routes!(history::show))
        .routes(routes!(deploy::deploy).layer(large()))
        .routes(routes!(status::show_version))
        .routes(routes!(changes::promote))
        .routes(routes!(status::gates))
        .routes(routes!(changes::review))
        .routes(routes!(changes::retry))
        .routes(routes!(changes::abort))
        .routes(routes!(changes::pause))
        .routes(routes!(changes::resume))
        .routes(routes!(changes::retire))
        .routes(routes!(faults::reproduction))
        .routes(routes!(faults::skip))
        .routes(routes!(upcasters::upcasting))
        .routes(routes!(verify::digest))
        .routes(routes!(verify::verification))
        .routes(routes!(changes::rollback))
        .routes(routes!(diff::diff))
        .routes(routes!(diff_rows::rows))
        .routes(routes!(diff::events))
        .routes(routes!(model::model))
        .routes(routes!(model::named))
        .routes(routes!(list::list))
        .routes(routes!(model::row))
        .routes(routes!(commands::one))
        .routes(routes!(commands::together))
        .routes(routes!(commands::reproduction))
        .routes(routes!(commands::state))
        .routes(routes!(deciders::list))
        .routes(routes!(deciders::show))
        .routes(routes!(deciders::deploy))
        .routes(routes!(deciders::gates))
        .routes(routes!(deciders::promote))
        .routes(routes!(deciders::roll_back))
        .routes(routes!(deciders::retire))
        .routes(routes!(deciders::audit))
        .routes(routes!(deciders::rejections))
        .routes(routes!(deciders::history))
        .routes(routes!(limits::show))
        .routes(routes!(settings::show))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(describe))
}

/// The description of all routes, as OpenAPI 3.1.
pub fn document() -> OpenApi {
    let (_, mut document) = routes(0).split_for_parts();
    // A key may have slashes: that is for the router to know.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document.components.get_or_insert_default().examples = operations::examples();
    for operation in document.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        if operation.tags.iter().flatten().any(|tag| tag == "read models") {
            let answered =
                operation.responses.responses.iter_mut().filter(|(status, _)| ANSWERED.contains(&&***status));
            answered.for_each(|(_, response)| say_where_from(response));
        }
    }
    let changing = document.paths.paths.values_mut().flat_map(|item| [&mut item.post, &mut item.patch]);
    for body in changing.flatten().filter_map(|operation| operation.request_body.as_mut()) {
        if let RefOr::T(body) = body {
            body.content.values_mut().for_each(left_out_or_whole);
        }
    }
    document
}

/// A body that may be left out is not null where it is there.
fn left_out_or_whole(content: &mut RefOr<Content>) {
    if let RefOr::T(content) = content
        && let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
        && let Some(whole) = either.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
    {
        content.schema = Some(whole.clone());
    }
}

/// Answers of read models have headers in common.
fn say_where_from(response: &mut RefOr<utoipa::openapi::Response>) {
    let RefOr::T(response) = response else { return };
    for (name, kind, description) in [
        (headers::VERSION, Type::Integer, "The version that gave this answer"),
        (headers::POSITION, Type::Integer, "The last event that the answer stands for"),
        (headers::SESSION, Type::String, "The token for the next query of this session"),
        (
            headers::UNKNOWN_FIELDS,
            Type::String,
            "Fields that no row had, of a table that declares none; only if there are any",
        ),
    ] {
        let header = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(kind)));
        response.headers.insert(name.to_owned(), header.description(Some(description)).build().into());
    }
}

/// What stands between a host and those who ask it.
pub struct Front {
    pub gate: Gate,
    /// The limits of connections, as they are now.
    pub http: watch::Receiver<HttpLimits>,
    pub settings: Settings,
    pub shown: Shown,
}

/// All that a host answers.
pub fn service(
    engine: &Engine,
    front: Front,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static {
    let Front { gate, http, settings, shown } = front;
    let (log, projections, limits) = (engine.log().clone(), Arc::clone(engine.projections()), engine.limits().clone());
    let body_bytes = log.limits().request_bytes.saturating_mul(BODY_BYTES_PER_DATA_BYTE);
    // A byte more than the limit, so that the limit itself can say no, with its figures.
    let module_bytes = projections.modules().limits().module_bytes.saturating_add(1);
    let bodies = Bodies::new(body_bytes.max(module_bytes), limits.http.client_body_bytes);
    let (gate, requests, refusals) = (Arc::new(gate), Requests::default(), Refusals::new(log.clone()));
    let desk = Arc::new(Desk::new(Arc::clone(&gate), shown, &limits.http));
    let parts = Parts {
        log,
        projections,
        deciders: Arc::clone(engine.deciders()),
        backups: engine.backups().cloned(),
        requests: requests.clone(),
        limits,
        http,
        settings,
        bodies,
        gate: Arc::clone(&gate),
        refusals,
    };
    let host = Host::from(parts);
    let (routes, document) = routes(module_bytes).split_for_parts();
    let described = Arc::new(Described::new(&document));
    let routes: Router = routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(Unpack)
        .layer(around::Around { host: host.clone(), body_bytes, described })
        .with_state(host.clone());
    Console { desk, inner: Gated { gate, requests, inner: direct::Direct { host, routes } } }
}

/// This description
#[utoipa::path(
    get, path = "/openapi.json", tag = "host", operation_id = "describe",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Map<String, serde_json::Value>),
        operations::Describe,
    )
)]
async fn describe() -> Response {
    static DOCUMENT: LazyLock<Result<String, String>> =
        LazyLock::new(|| document().to_json().map_err(|cause| cause.to_string()));
    match &*DOCUMENT {
        Ok(document) => ([(header::CONTENT_TYPE, "application/json")], document.as_str()).into_response(),
        Err(cause) => Problem::new(Kind::Internal, cause.as_str()).into_response(),
    }
}

async fn unknown_route(uri: Uri) -> Problem {
    Problem::new(Kind::UnknownRoute, format!("there is nothing at {}", uri.path()))
        .hint("the routes are listed in host/docs/http.md, and described at /openapi.json")
}

async fn wrong_method(uri: Uri) -> Problem {
    Problem::new(Kind::WrongMethod, format!("{} does not take this method", uri.path()))
        .hint("the routes are listed in host/docs/http.md, and described at /openapi.json")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// The description as it was last looked at. `UPDATE_EXPECT=1` writes it anew: look at what has changed.
    const SNAPSHOT: &str = "openapi.json";

    #[test]
    fn the_description_changes_only_when_somebody_wants_it_to() {
        let found = document().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(SNAPSHOT, &found).unwrap();
        }
        let expected = std::fs::read_to_string(SNAPSHOT).unwrap();
        let differs = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
        assert!(found == expected, "{SNAPSHOT} differs from line {differs:?} on; UPDATE_EXPECT=1 writes it anew");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_summary_and_problems() {
        let document = serde_json::to_value(document()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{method} {path}: {name} is taken");
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object(), "{path}");
            }
        }
    }
}
