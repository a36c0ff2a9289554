//! The actor and their reason: what the request says of itself, for the history.

use axum::http::HeaderMap;

use kinora_api::Kind;
use kinora_api::headers::{ACTOR, REASON};
use kinora_projection::By;

use crate::edge::problem::Problem;

/// Bytes of either: it stands in an event.
const MAX_BYTES: usize = 1_024;

pub fn by(headers: &HeaderMap) -> Result<By, Problem> {
    Ok(By { who: text(headers, ACTOR)?, why: text(headers, REASON)? })
}

/// A header as UTF-8 text.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.len() <= MAX_BYTES);
    let text = text.ok_or_else(|| {
        Problem::new(Kind::InvalidHeader, format!("the header {name} cannot be taken"))
            .hint(format!("it is UTF-8 text of at most {MAX_BYTES} bytes"))
    })?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
