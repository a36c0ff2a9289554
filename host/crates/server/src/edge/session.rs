//! Sessions: reads that never go back. Each answer of a read model carries `Kinora-Session`, which says how much of
//! the log its reader has seen. Sent along with the next query, that one waits until the version that answers has
//! come as far, whichever version that is by then: through promotions, rollbacks and restarts.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};

use kinora_api::{Kind, headers};

use crate::edge::problem::Problem;
use crate::host::written;

pub const SESSION: HeaderName = HeaderName::from_static(headers::SESSION);

/// What a token begins with, so that another kind can be told apart one day.
const POSITION: &str = "p";

/// Bytes of the longest token.
const TOKEN_BYTES: usize = 21;

/// What a query asks: its parameters, and the position that its session has seen.
pub struct Asked {
    pub pairs: Vec<(String, String)>,
    pub seen: Result<Option<u64>, Problem>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let seen = parts.headers.get(SESSION).map(position).transpose();
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Ok(Self { pairs, seen })
    }
}

/// The token of a reader who has seen everything up to this position.
pub fn token(position: u64) -> HeaderValue {
    let token = written(TOKEN_BYTES, format_args!("{POSITION}{position}"));
    HeaderValue::try_from(token).unwrap_or(HeaderValue::from_static("p0"))
}

fn position(token: &HeaderValue) -> Result<u64, Problem> {
    let position = token.to_str().ok().and_then(|token| token.strip_prefix(POSITION)?.parse().ok());
    position.ok_or_else(|| {
        Problem::new(Kind::InvalidHeader, "Kinora-Session is not a token of this host")
            .hint("send the token of the last answer as it was, or none to begin a session")
    })
}
