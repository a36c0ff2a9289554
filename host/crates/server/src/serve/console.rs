//! Console of the host: its pages, before the API that they ask. Who looks is known by a session, and everything that a
//! page asks for passes the gate like any other request of theirs.

mod reply;
mod sessions;
mod upload;
mod visitor;
mod wrong_keys;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::{BoxFuture, Either};
use kinora_api::Kind;
use kinora_console::{TOKEN, TOKEN_HEADER, Visit};
use kinora_docs::Documents;
use kinora_engine::limits::HttpLimits;
use tower_service::Service;

use crate::edge::bodies::Rest;
use crate::edge::caller::network;
use crate::edge::problem::Problem;
use crate::gate::Gate;
use sessions::{Session, Sessions, forged};
use visitor::Asking;
use wrong_keys::WrongKeys;

const HOME: &str = "/console";

/// Where documents are looked for; they are pages, too.
const DOCS: &str = "/docs";

/// What of the API a page's script or a link may ask for in the name of its visitor.
const API: &str = "/console/api/";

/// Bytes of a form: its longest field is the data of a command.
const FORM_BYTES: usize = 1 << 20;

/// The service whose pages these are.
#[derive(Clone)]
pub struct Console<S> {
    pub inner: S,
    pub desk: Arc<Desk>,
}

/// What the pages have in common.
pub struct Desk {
    gate: Arc<Gate>,
    sessions: Sessions,
    wrong_keys: WrongKeys,
    documents: Documents,
}

/// What pages show, and how they reach a browser.
pub struct Shown {
    pub documents: Documents,
    /// Browsers reach the host by TLS, so their cookies go nowhere else.
    pub is_encrypted: bool,
}

impl Desk {
    pub fn new(gate: Arc<Gate>, shown: Shown, limits: &HttpLimits) -> Self {
        let Shown { documents, is_encrypted } = shown;
        Self { gate, sessions: Sessions::new(is_encrypted), wrong_keys: WrongKeys::new(limits), documents }
    }
}

impl<S> Service<Request> for Console<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !is_for_a_page(&request) {
            return Either::Left(self.inner.call(request));
        }
        let (desk, inner) = (Arc::clone(&self.desk), self.inner.clone());
        Either::Right(Box::pin(async move { Ok(answer(&desk, inner, request).await) }))
    }
}

fn is_for_a_page(request: &Request) -> bool {
    let path = request.uri().path();
    let is_browser = || {
        let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
        accepted.is_some_and(|accepted| accepted.contains("text/html"))
    };
    let is_within = |home: &str| path.strip_prefix(home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_within(HOME) || is_within(DOCS) || (path == "/" && is_browser())
}

async fn answer<S>(desk: &Desk, inner: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let path = request.uri().path().to_owned();
    if path == "/" || path == HOME {
        return reply::see_other("/console/");
    }
    if path.starts_with(DOCS) {
        return reply::see_other(&[HOME, &path].concat());
    }
    if let Some(name) = path.strip_prefix("/console/assets/") {
        return reply::asset(name, request.headers());
    }
    let entered =
        if path.starts_with(API) { desk.gate.enter_for_page(&request) } else { desk.gate.enter_page(&request) };
    if let Err(problem) = entered {
        Rest::of(request).1.hear_out();
        return reply::with_policy(problem.into_response());
    }
    let session = desk.sessions.find(request.headers());
    if path == "/console/sign-in" {
        return sign_in(desk, request).await;
    }
    if desk.gate.knows_clients() && session.is_none() {
        let response = turned_away(&request);
        Rest::of(request).1.hear_out();
        return response;
    }
    let session = session.unwrap_or_else(|| desk.sessions.of_everybody());
    if let Some(rest) = path.strip_prefix(API) {
        let asking = Asking::new(inner, &desk.gate, &session, &request);
        return through(asking, &session, rest, request).await;
    }
    let asking = Asking::new(inner, &desk.gate, &session, &request);
    let mut visit = Visit {
        api: &asking,
        visitor: session.visitor(),
        documents: &desk.documents,
        path: path.strip_prefix(HOME).unwrap_or_default().to_owned(),
        parameters: pairs(request.uri().query().unwrap_or_default().as_bytes()),
        token: session.token.clone(),
    };
    match *request.method() {
        Method::GET | Method::HEAD => reply::of(kinora_console::page(&visit).await),
        Method::POST if visit.path == "/upload" => {
            let (request, rest) = Rest::of(request);
            let answer = upload::upload(&asking, &session, request).await;
            // A browser shows an answer only once it has sent everything.
            rest.hear_out();
            match answer {
                Ok(answer) => reply::of(kinora_console::uploaded(&visit, answer).await),
                Err(problem) => reply::of(kinora_console::refused(&visit, &problem.into())),
            }
        }
        Method::POST => match form(request).await {
            Ok(form) if is_own(&session, &form) => act(desk, &session, &mut visit, &form).await,
            Ok(_) => reply::of(kinora_console::refused(&visit, &forged().into())),
            Err(problem) => reply::of(kinora_console::refused(&visit, &problem.into())),
        },
        _ => reply::with_policy(StatusCode::METHOD_NOT_ALLOWED.into_response()),
    }
}

/// Does what a form of this console asks for.
async fn act(desk: &Desk, session: &Session, visit: &mut Visit<'_>, form: &[(String, String)]) -> Response {
    if visit.path == "/sign-out" {
        return desk.sessions.end(session, reply::see_other("/console/sign-in"));
    }
    // What a form names again is not asked for twice.
    visit.parameters.retain(|(name, _)| form.iter().all(|(field, _)| field != name));
    visit.parameters.extend(form.iter().filter(|(name, _)| ["name", "kind"].contains(&name.as_str())).cloned());
    reply::of(kinora_console::act(visit, form).await)
}

/// Somebody who is not known yet is shown the entrance, or told so if it is no page that they want.
fn turned_away(request: &Request) -> Response {
    let path = request.uri().path_and_query().map_or("/console/", |path| path.as_str());
    if request.uri().path().starts_with(API) || *request.method() != Method::GET {
        let problem = Problem::new(Kind::Unauthenticated, "nobody is signed in").hint("sign in at /console/sign-in");
        return reply::with_policy(problem.into_response());
    }
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
    reply::see_other(&format!("/console/sign-in?{next}"))
}

async fn sign_in(desk: &Desk, request: Request) -> Response {
    let everybody = desk.sessions.of_everybody();
    if !desk.gate.knows_clients() {
        return reply::see_other("/console/");
    }
    if *request.method() != Method::POST {
        let parameters = pairs(request.uri().query().unwrap_or_default().as_bytes());
        let next = parameters.iter().find(|(name, _)| name == "next").map_or("/console/", |(_, next)| next);
        return reply::of(kinora_console::sign_in(&everybody.token, own(next), None));
    }
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| network(info.0.ip()));
    let form = match form(request).await {
        Ok(form) if is_own(&everybody, &form) => form,
        Ok(_) => return reply::with_policy(forged().into_response()),
        Err(problem) => return reply::with_policy(problem.into_response()),
    };
    let field = |wanted: &str| form.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.trim());
    let next = own(field("next"));
    let again = |problem: Problem| reply::of(kinora_console::sign_in(&everybody.token, next, Some(&problem.into())));
    if let Err(wait) = desk.wrong_keys.count(address) {
        return reply::not_before(wait, again(tried_too_often(wait)));
    }
    let principal = match desk.gate.known_by(field("key")) {
        Ok(principal) => principal,
        Err(why) => return again(Problem::new(Kind::Unauthenticated, why)),
    };
    desk.wrong_keys.was_right(address);
    match desk.sessions.begin(principal) {
        Ok(cookie) => reply::with_cookie(reply::see_other(next), &cookie),
        Err(problem) => reply::with_policy(problem.into_response()),
    }
}

fn tried_too_often(wait: Duration) -> Problem {
    let detail = format!("too many wrong keys were shown: try again in {} s", wait.as_secs() + 1);
    Problem::new(Kind::TooManyRequests, detail).hint("limits: http.address_wrong_keys and http.wrong_keys a minute")
}

/// An address within the console: nobody is led elsewhere.
fn own(next: &str) -> &str {
    if next.starts_with("/console/") && !next.starts_with(API) { next } else { "/console/" }
}

/// Hands a request on to the API in the name of the visitor: what reads, and what a script of the pages sends.
async fn through<S>(asking: Asking<S>, session: &Session, rest: &str, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let shown = request.headers().get(TOKEN_HEADER).and_then(|token| token.to_str().ok());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !shown.is_some_and(|token| session.is_token(token)) {
        return reply::with_policy(forged().into_response());
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    reply::of_api(asking.hand_on(request, &format!("/{rest}{query}")).await)
}

fn is_own(session: &Session, form: &[(String, String)]) -> bool {
    form.iter().any(|(name, value)| name == TOKEN && session.is_token(value))
}

async fn form(request: Request) -> Result<Vec<(String, String)>, Problem> {
    let (mut request, rest) = Rest::of(request);
    if !is_form(request.headers()) {
        rest.hear_out();
        return Err(Problem::new(Kind::UnknownContentType, "a page takes forms only")
            .hint("send content-type: application/x-www-form-urlencoded, or use the API"));
    }
    DefaultBodyLimit::max(FORM_BYTES).apply(&mut request);
    match Bytes::from_request(request, &()).await {
        Ok(bytes) => Ok(pairs(&bytes)),
        Err(cause) => {
            rest.hear_out();
            Err(cause.into())
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded")
    })
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}
