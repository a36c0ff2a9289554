//! Operations as they are described: what one does not take is refused before its handler sees it, so that nothing
//! which a client has misspelled is passed over in silence.
//!
//! Members of bodies are not looked at here: the types that bodies are read into refuse those that they do not know.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use kinora_api::Kind;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, PathItem, RefOr};

use crate::edge::problem::Problem;
use crate::gate::Need;

/// The operation whose parameters are also the fields of rows: it knows itself what it takes.
const FILTERED: &str = "rows";

/// What an operation takes.
struct Taken {
    /// Its parameters in the address; `None` if that is for itself to know.
    parameters: Option<BTreeSet<String>>,
    body: bool,
    need: Option<Need>,
}

/// All operations, by path.
pub struct Described(BTreeMap<String, Vec<(Method, Taken)>>);

impl Described {
    /// Of a description whose paths are those of the routes.
    pub fn new(document: &OpenApi) -> Self {
        let taken = |item: &PathItem| operations(item).map(|(method, by)| (method, Taken::by(by))).collect();
        Self(document.paths.paths.iter().map(|(path, item)| (path.clone(), taken(item))).collect())
    }

    /// Why a request asks for more than its operation takes.
    pub fn mistake(&self, request: &Request) -> Option<Problem> {
        let (query, has_body) = (request.uri().query().unwrap_or_default(), !request.body().is_end_stream());
        if query.is_empty() && !has_body {
            return None;
        }
        let (path, taken) = self.taken(request)?;
        if has_body && !taken.body {
            let problem = Problem::new(Kind::InvalidBody, format!("{} {path} takes no body", request.method()));
            return Some(problem.hint("what each operation takes is described at /openapi.json"));
        }
        let known = taken.parameters.as_ref()?;
        let (name, _) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| !known.contains(name.as_ref()))?;
        let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let hint = if known.is_empty() { "it takes none".into() } else { format!("its parameters: {known}") };
        let detail = format!("{name} is not a parameter of {} {path}", request.method());
        Some(Problem::new(Kind::InvalidParameter, detail).hint(hint))
    }
}

impl Described {
    /// What the operation that a request is for takes, and its path; `None`, if there is none.
    fn taken<'a>(&self, request: &'a Request) -> Option<(&'a str, &Taken)> {
        let path = request.extensions().get::<MatchedPath>()?.as_str();
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let (_, taken) = self.0.get(path)?.iter().find(|(of, _)| of == method)?;
        Some((path, taken))
    }

    /// What is needed for what a request asks, and its path; `None`, if it asks for no operation.
    pub fn need(&self, request: &Request) -> Option<(String, Option<Need>)> {
        self.taken(request).map(|(path, taken)| (path.to_owned(), taken.need))
    }
}

impl Taken {
    fn by(operation: &Operation) -> Self {
        let in_query = |parameter: &RefOr<Parameter>| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.clone()),
            _ => None,
        };
        let names = operation.parameters.iter().flatten().filter_map(in_query).collect();
        let need = operation.operation_id.as_deref().and_then(Need::of);
        let is_open = operation.operation_id.as_deref() == Some(FILTERED);
        Self { parameters: (!is_open).then_some(names), body: operation.request_body.is_some(), need }
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}
