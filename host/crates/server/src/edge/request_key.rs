//! The `Idempotency-Key` of a request: a name that its client gives it, by which it is known when it comes again. It is
//! known to that client alone, where the host knows who asks: nobody can take a key that another is about to use.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::json;
use sha2::{Digest, Sha256};

use kinora_access::Principal;
use kinora_api::Kind;
use kinora_api::headers::IDEMPOTENCY_KEY;

use crate::edge::problem::Problem;

/// Bytes of a key that is not the log's: it is kept, too.
pub const KEY_BYTES: usize = 256;

/// The key as it is kept, of at most `limit` bytes, and the hash of all that says what is asked for.
pub fn of<'a>(
    headers: &HeaderMap,
    principal: Option<&Arc<Principal>>,
    limit: usize,
    said: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<(String, [u8; 32])>, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let invalid = || {
        Problem::new(Kind::InvalidHeader, "the header Idempotency-Key cannot be read")
            .hint("send a text that is new for each request, such as a UUID, and the same again for a retry")
    };
    let key = key.to_str().ok().map(|key| key.trim_matches('"')).filter(|key| !key.is_empty()).ok_or_else(invalid)?;
    if key.len() > limit {
        let detail = format!("the idempotency key has {} bytes, the limit is {limit}", key.len());
        return Err(Problem::new(Kind::TooLarge, detail)
            .hint("send a shorter one, such as a UUID")
            .with("limit", json!(limit))
            .with("actual", json!(key.len())));
    }
    let mut hash = Sha256::new();
    for part in said {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    // A line break is in no header, so nobody's name and key are another's.
    let of_somebody = |principal: &Arc<Principal>| {
        kinora_types::Digest::of(format!("{}\n{key}", principal.name).as_bytes()).to_string()
    };
    let kept = principal.map_or_else(|| key.to_owned(), of_somebody);
    Ok(Some((kept, hash.finalize().into())))
}
