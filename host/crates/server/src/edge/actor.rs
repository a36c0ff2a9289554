//! The actor and their reason: what the request says of itself, for the history.

use std::sync::Arc;

use axum::http::HeaderMap;

use kinora_access::Principal;
use kinora_api::Kind;
use kinora_api::headers::{ACTOR, REASON};
use kinora_projection::By;

use crate::edge::problem::Problem;

/// Bytes of either: it stands in an event.
const MAX_BYTES: usize = 1_024;

/// Who it is counts for more than who they say they are.
pub fn by(headers: &HeaderMap, principal: Option<&Arc<Principal>>) -> Result<By, Problem> {
    let (said, why) = (text(headers, ACTOR)?, text(headers, REASON)?);
    Ok(match principal {
        None => By { who: said, said: None, why },
        Some(principal) => By { who: Some(principal.name.clone()), said, why },
    })
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
