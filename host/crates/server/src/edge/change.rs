//! A request for a change of a projection, as it came: who asks and why, by which key it is known, and its body.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use kinora_access::Principal;
use kinora_projection as projection;
use kinora_projection::{By, RequestKey};
use kinora_types::Digest;

use crate::edge::actor::by;
use crate::edge::parameters;
use crate::edge::problem::Problem;
use crate::edge::request_key;

/// What the body of most changes is.
const HINT: &str = r#"send nothing, or {"expected_live": the version that has to be live}"#;

pub struct Change {
    pub by: By,
    key: Option<RequestKey>,
    pub is_wasm: bool,
    pub body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Change {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let headers = request.headers().clone();
        let principal = request.extensions().get::<Arc<Principal>>().cloned();
        let body = Bytes::from_request(request, state).await?;
        let by = by(&headers, principal.as_ref())?;
        let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
        let asked = uri.path_and_query().map(|asked| asked.as_str()).unwrap_or_default();
        let said = [method.as_str().as_bytes(), asked.as_bytes(), kind, &body];
        let key = request_key::of(&headers, principal.as_ref(), request_key::KEY_BYTES, said)?;
        let key = key.map(|(key, fingerprint)| RequestKey { key, fingerprint: Digest::from(fingerprint) });
        Ok(Self { by, key, is_wasm: kind == b"application/wasm", body })
    }
}

impl Change {
    /// The body of a change that may be sent without one.
    pub fn optional<T: DeserializeOwned + Default>(&self, hint: &'static str) -> Result<T, Problem> {
        parameters::optional(&self.body, hint)
    }

    /// A change that takes nothing but the version that has to be live.
    pub fn plain(self) -> Result<projection::Request, Problem> {
        let kinora_api::rollouts::Change { expected_live } = self.optional(HINT)?;
        Ok(self.expecting(expected_live))
    }

    /// What is asked, if this version is live.
    pub fn expecting(self, expected_live: Option<u32>) -> projection::Request {
        projection::Request { by: self.by, expected_live, key: self.key }
    }
}
