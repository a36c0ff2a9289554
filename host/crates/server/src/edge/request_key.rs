//! The `Idempotency-Key` of a request: a name that its client gives it, by which it is known when it comes again.

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

use kinora_api::Kind;
use kinora_api::headers::IDEMPOTENCY_KEY;

use crate::edge::problem::Problem;

/// The key, and the hash of all that says what is asked for.
pub fn of<'a>(
    headers: &HeaderMap,
    said: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<(String, [u8; 32])>, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let invalid = || {
        Problem::new(Kind::InvalidHeader, "the header Idempotency-Key cannot be read")
            .hint("send a text that is new for each request, such as a UUID, and the same again for a retry")
    };
    let key = key.to_str().ok().map(|key| key.trim_matches('"')).filter(|key| !key.is_empty()).ok_or_else(invalid)?;
    let mut hash = Sha256::new();
    for part in said {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    Ok(Some((key.to_owned(), hash.finalize().into())))
}
