//! The gate that all requests pass before anything else is done: who sends this, and may they? Where everybody may do
//! everything, it is where pages of other sites are told apart from clients.

mod lease;
mod needs;
mod origin;
mod refusals;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use kinora_access::{Access, Asked, Denied, Principal, Unknown};
use kinora_api::Kind;
use tower_service::Service;

use crate::edge::problem::Problem;
use crate::edge::requests::{Counted, Requests};
pub use needs::Need;
pub use refusals::Refusals;

/// What anybody may ask, so that whoever watches a host needs no key.
const PUBLIC: [&str; 1] = ["/healthz"];

/// Somebody for whom the host itself vouches: they have shown their key, and ask by a page. Nothing that comes from
/// outside can say so.
#[derive(Clone)]
pub struct Vouched(pub Arc<Principal>);

/// Who is let in.
pub struct Gate {
    access: Arc<Access>,
    /// Names that the host has besides addresses, where it knows nobody.
    names: Vec<String>,
}

impl Gate {
    pub fn new(access: Arc<Access>, names: Vec<String>) -> Self {
        Self { access, names }
    }

    /// Whether clients have to say who they are.
    pub fn knows_clients(&self) -> bool {
        self.access.is_on()
    }

    /// Lets a request in, with who sends it if the host asks for that.
    fn enter(&self, request: &mut Request) -> Result<Option<Arc<Principal>>, Problem> {
        if !self.access.is_on() {
            return origin::check(request, &self.names).map(|()| None);
        }
        if PUBLIC.contains(&request.uri().path()) {
            return Ok(None);
        }
        if let Some(Vouched(principal)) = request.extensions_mut().remove() {
            return self.let_in(request, principal).map(Some);
        }
        let shown = credentials(request.headers())?;
        let principal = self.access.principal(shown).map_err(|unknown| unauthenticated(&unknown))?;
        // Nobody needs to see it again.
        request.headers_mut().remove(header::AUTHORIZATION);
        self.let_in(request, principal).map(Some)
    }

    fn let_in(&self, request: &mut Request, principal: Arc<Principal>) -> Result<Arc<Principal>, Problem> {
        if principal.is_gone() {
            return Err(unauthenticated(&Unknown::Expired));
        }
        request.extensions_mut().insert(Arc::clone(&principal));
        Ok(principal)
    }

    /// Looks at a request for a page of the host's own, before anything is asked for it.
    pub fn enter_page(&self, request: &Request) -> Result<(), Problem> {
        if self.access.is_on() { origin::check_form(request) } else { origin::check_page(request, &self.names) }
    }

    /// The same for what a page asks of the API: a link from elsewhere leads to pages only, and to nothing that reads
    /// for long.
    pub fn enter_for_page(&self, request: &Request) -> Result<(), Problem> {
        if self.access.is_on() { origin::check_form(request) } else { origin::check_site(request, &self.names) }
    }

    /// Who shows this key or token, or why that is nobody.
    pub fn known_by(&self, shown: &str) -> Result<Arc<Principal>, String> {
        self.access.principal(shown).map_err(|unknown| unknown.to_string())
    }

    /// Why somebody may not ask for an operation that is about a projection.
    pub fn may(&self, principal: Option<&Arc<Principal>>, operation: &str, projection: &str) -> Result<(), String> {
        if !self.access.is_on() {
            return Ok(());
        }
        let need = Need::of(operation);
        let asked = need.as_ref().and_then(|need| need.asked_of_projection(projection));
        let (Some(principal), Some(asked)) = (principal, asked) else { return Err("the host does not say".to_owned()) };
        principal.may(asked).map_err(|denied| denied.to_string())
    }

    /// Refuses what whoever sent the request may not do.
    pub fn allow(&self, request: &Request, asked: Asked<'_>) -> Result<(), Problem> {
        self.allow_to(request.extensions().get::<Arc<Principal>>(), asked)
    }

    pub fn allow_to(&self, principal: Option<&Arc<Principal>>, asked: Asked<'_>) -> Result<(), Problem> {
        if !self.access.is_on() {
            return Ok(());
        }
        let principal = principal.ok_or_else(|| unauthenticated(&Unknown::Key))?;
        principal.may(asked).map_err(|denied| forbidden(&denied))
    }

    /// The same for an operation with names in its path. One that does not say what it needs is refused to all.
    pub fn allow_operation(&self, request: Request, path: &str, need: Option<&Need>) -> (Request, Result<(), Problem>) {
        if !self.access.is_on() || PUBLIC.contains(&path) {
            return (request, Ok(()));
        }
        let Some(need) = need else {
            let problem = Problem::new(Kind::Forbidden, format!("{path} does not say who may ask for it"));
            return (request, Err(problem));
        };
        let (mut parts, body) = request.into_parts();
        // They are there already: nothing is waited for.
        let names = RawPathParams::from_request_parts(&mut parts, &()).now_or_never();
        let request = Request::from_parts(parts, body);
        let Some(Ok(names)) = names else {
            return (request, Err(Problem::new(Kind::Forbidden, "the names in the path cannot be read")));
        };
        let allowed = match need.asked(&names) {
            Some(asked) => self.allow(&request, asked),
            None => Err(Problem::new(Kind::Forbidden, format!("{path} lacks a name that decides who may ask for it"))),
        };
        (request, allowed)
    }
}

/// What a client has shown: exactly one key or token.
fn credentials(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || {
        challenge(Problem::new(Kind::Unauthenticated, "this host answers only those that it knows").hint(
            "send Authorization: Bearer KEY; `kinora keys create` makes a key, on the machine of the host; \
             `kinora` sends the one in KINORA_KEY",
        ))
    };
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (shown.next(), shown.next()) else { return Err(missing()) };
    let (scheme, credentials) = one.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(credentials.trim()) } else { Err(missing()) }
}

fn unauthenticated(unknown: &Unknown) -> Problem {
    tracing::debug!(target: "kinora::access", %unknown, "refused");
    challenge(
        Problem::new(Kind::Unauthenticated, unknown.to_string())
            .hint("`kinora keys list` shows which keys there are, on the machine of the host"),
    )
}

fn challenge(problem: Problem) -> Problem {
    problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"kinora\""))
}

fn forbidden(denied: &Denied) -> Problem {
    tracing::info!(target: "kinora::access", %denied, "refused");
    Problem::new(Kind::Forbidden, denied.to_string())
        .hint("ask whoever gives out keys for one with this role and scope (`kinora keys create --help`)")
}

/// The service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    pub gate: Arc<Gate>,
    pub requests: Requests,
    pub inner: S,
}

impl<S> Service<Request> for Gated<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.gate.enter(&mut request) {
            Ok(None) => Either::Left(self.inner.call(request)),
            Ok(Some(principal)) => {
                let answer = self.inner.call(request);
                Either::Right(Box::pin(async move { Ok(lease::until_gone(principal, answer.await?)) }))
            }
            Err(problem) => {
                let counted = Counted::of(&request);
                let response = problem.into_response();
                counted.end(&self.requests, &response);
                Either::Right(Box::pin(std::future::ready(Ok(response))))
            }
        }
    }
}
