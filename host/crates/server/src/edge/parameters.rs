//! Parameters and bodies as many operations take them.

use kinora_api::Kind;
use kinora_types::Digest;
use serde::de::DeserializeOwned;

use crate::edge::problem::Problem;

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
