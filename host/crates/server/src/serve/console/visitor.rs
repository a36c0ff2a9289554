//! Visitor's way to the API: requests of pages, within the process, by the same gate as all others.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderName, HeaderValue, Method as HttpMethod, header};
use axum::response::{IntoResponse, Response};
use kinora_access::Principal;
use kinora_api::{Kind, headers};
use kinora_console::{Answer, Api, Ask, Asking as Waiting, Method};
use tower_service::Service;

use crate::edge::problem::Problem;
use crate::gate::{Gate, Vouched};
use crate::serve::console::sessions::Session;

/// Bytes of an answer that a page is made of: the API's own limits are far below.
const ANSWER_BYTES: usize = 64 << 20;

/// Headers of a browser that mean something to the API.
const HANDED_ON: [HeaderName; 6] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("prefer"),
];

pub struct Asking<S> {
    inner: S,
    gate: Arc<Gate>,
    principal: Option<Arc<Principal>>,
    /// The name by which the browser calls the host.
    host: Option<HeaderValue>,
    from: Option<ConnectInfo<SocketAddr>>,
}

impl<S> Asking<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    pub fn new(inner: S, gate: &Arc<Gate>, session: &Session, request: &Request) -> Self {
        let by_uri = request.uri().authority().and_then(|name| HeaderValue::from_str(name.as_str()).ok());
        let host = by_uri.or_else(|| request.headers().get(header::HOST).cloned());
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().copied();
        Self { inner, gate: Arc::clone(gate), principal: session.principal.clone(), host, from }
    }

    /// A request as it has come, to another address.
    pub async fn hand_on(&self, request: Request, path: &str) -> Response {
        let (parts, body) = request.into_parts();
        let mut asked = self.request(parts.method, path, body);
        for name in HANDED_ON {
            if let Some(value) = parts.headers.get(&name) {
                asked.headers_mut().insert(name, value.clone());
            }
        }
        self.call(asked).await
    }

    fn request(&self, method: HttpMethod, path: &str, body: Body) -> Request {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        // What is no address leads nowhere, and is told so by the API.
        *request.uri_mut() = path.parse().unwrap_or_default();
        if let Some(host) = &self.host {
            request.headers_mut().insert(header::HOST, host.clone());
        }
        request.headers_mut().insert(headers::ACTOR, HeaderValue::from_static("console"));
        if let Some(from) = self.from {
            request.extensions_mut().insert(from);
        }
        if let Some(principal) = &self.principal {
            request.extensions_mut().insert(Vouched(Arc::clone(principal)));
        }
        request
    }

    async fn call(&self, request: Request) -> Response {
        let mut inner = self.inner.clone();
        let Ok(response) = inner.call(request).await;
        response
    }

    async fn answered(&self, ask: Ask) -> Answer {
        let method = match ask.method {
            Method::Get => HttpMethod::GET,
            Method::Post => HttpMethod::POST,
            Method::Patch => HttpMethod::PATCH,
        };
        let has_body = ask.body.is_some();
        let body = ask.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = self.request(method, &ask.path, body);
        if has_body {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in ask.headers {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                request.headers_mut().insert(name, value);
            }
        }
        self.heard(request).await
    }

    /// What the API says to a module.
    pub async fn upload(&self, wasm: Body) -> Answer {
        let mut request = self.request(HttpMethod::POST, "/v1/modules", wasm);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/wasm"));
        self.heard(request).await
    }

    async fn heard(&self, request: Request) -> Answer {
        let (parts, body) = self.call(request).await.into_parts();
        match to_bytes(body, ANSWER_BYTES).await {
            Ok(body) => Answer { status: parts.status.as_u16(), body: body.to_vec() },
            Err(_) => self.broken_off().await,
        }
    }

    async fn broken_off(&self) -> Answer {
        let response = Problem::new(Kind::Internal, "the answer broke off").into_response();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), ANSWER_BYTES).await.unwrap_or_default();
        Answer { status, body: body.to_vec() }
    }
}

impl<S> Api for Asking<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn ask(&self, ask: Ask) -> Waiting<'_> {
        Box::pin(self.answered(ask))
    }

    fn may(&self, operation: &str, projection: &str) -> Result<(), String> {
        self.gate.may(self.principal.as_ref(), operation, projection)
    }
}
