//! Sessions: reads that never go back. Each answer of a read model carries `Kinora-Session`, which says how much of
//! the log its reader has seen. Sent along with the next query, that one waits until the version that answers has
//! come as far, whichever version that is by then: through promotions, rollbacks and restarts.
//!
//! What a reader has seen is a position, and the life of the log that it was in: what stood there may be gone since.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};

use kinora_api::{Kind, headers};
use kinora_types::{Incarnation, Lineage, Mark, Position};

use crate::edge::problem::Problem;
use crate::host::written;

pub const SESSION: HeaderName = HeaderName::from_static(headers::SESSION);

/// What a token begins with, so that another kind can be told apart one day.
const POSITION: &str = "p";

/// Bytes of the longest token.
const TOKEN_BYTES: usize = 30;

/// What a query asks: its parameters, and the position that its session has seen.
pub struct Asked {
    pub pairs: Vec<(String, String)>,
    pub seen: Result<Option<Seen>, Problem>,
}

/// A position that a client was told of, and in which life of the log; without that, in the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    position: u64,
    mark: Option<Mark>,
}

impl Seen {
    /// `41`, or `41-0a1b2c3d`.
    pub fn parse(text: &str) -> Option<Self> {
        let (position, mark) = match text.split_once('-') {
            Some((position, mark)) => (position, Some(mark.parse().ok()?)),
            None => (text, None),
        };
        Some(Self { position: position.parse().ok()?, mark })
    }

    pub fn text(position: u64, incarnation: Incarnation) -> String {
        written(TOKEN_BYTES, format_args!("{position}-{}", incarnation.mark()))
    }

    /// The position, if the log still has what stood there.
    pub fn position(self, lineage: &Lineage) -> Result<u64, Problem> {
        if lineage.has(Position(self.position), self.mark) {
            return Ok(self.position);
        }
        let what = "the log was restored or repaired since, and what this stands for is not in it any more";
        Err(Problem::new(Kind::OtherIncarnation, what)
            .hint("begin anew, without what an earlier answer said; GET /v1/log shows the incarnations of the log"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Asked {
    pub fn of(parts: &Parts) -> Self {
        let seen = parts.headers.get(SESSION).map(seen).transpose();
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Self { pairs, seen }
    }
}

/// The token of a reader who has seen everything up to this position.
pub fn token(position: u64, incarnation: Incarnation) -> HeaderValue {
    let token = written(TOKEN_BYTES, format_args!("{POSITION}{position}-{}", incarnation.mark()));
    HeaderValue::try_from(token).unwrap_or(HeaderValue::from_static("p0"))
}

fn seen(token: &HeaderValue) -> Result<Seen, Problem> {
    let seen = token.to_str().ok().and_then(|token| Seen::parse(token.strip_prefix(POSITION)?));
    seen.ok_or_else(|| {
        Problem::new(Kind::InvalidHeader, "Kinora-Session is not a token of this host")
            .hint("send the token of the last answer as it was, or none to begin a session")
    })
}
