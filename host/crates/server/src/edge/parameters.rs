//! Parameters and bodies as many operations take them.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kinora_api::Kind;
use kinora_types::Digest;
use serde::de::DeserializeOwned;

use crate::edge::problem::Problem;

/// The names in a path. One that cannot be read is a problem like any other, which axum's own is not.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names = axum::extract::Path::from_request_parts(parts, state).await;
        names.map(|axum::extract::Path(names)| Self(names)).map_err(|cause| invalid(cause.body_text()))
    }
}

pub fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidParameter, detail).hint("the routes and their parameters are listed in host/docs/http.md")
}

pub fn version(number: &str) -> Result<u32, Problem> {
    number.parse().map_err(|_| {
        Problem::new(Kind::InvalidVersion, format!("{number:?} is not the number of a version"))
            .hint("versions count from 1; GET /v1/projections/{name} lists them")
    })
}

pub fn digest(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|cause: kinora_types::InvalidDigest| {
        Problem::new(Kind::InvalidDigest, cause.to_string()).hint("an upload answers with the module's digest")
    })
}

/// A JSON body that may be missing.
pub fn optional<T: DeserializeOwned + Default>(body: &[u8], hint: &'static str) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { json(body, hint) }
}

pub fn json<T: DeserializeOwned>(body: &[u8], hint: &'static str) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|cause| Problem::new(Kind::InvalidJson, format!("the body cannot be read: {cause}")).hint(hint))
}
