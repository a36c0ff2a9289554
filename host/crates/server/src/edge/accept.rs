//! Accept: which of the kinds that an operation offers a client likes best.

use axum::http::{HeaderMap, header};
use headers_accept::Accept;
use mediatype::MediaType;

/// What a client that asks for nothing, or for nothing that there is, gets: the first.
pub fn preferred<'a>(headers: &HeaderMap, offered: &'a [MediaType<'static>]) -> Option<&'a MediaType<'static>> {
    // Several headers are one list.
    let asked: Vec<_> = headers.get_all(header::ACCEPT).iter().filter_map(|asked| asked.to_str().ok()).collect();
    let accepted = asked.join(",").parse::<Accept>().ok();
    accepted.as_ref().and_then(|accepted| accepted.negotiate(offered)).or(offered.first())
}

/// Whether it likes this kind better than JSON.
pub fn prefers(headers: &HeaderMap, kind: MediaType<'static>) -> bool {
    preferred(headers, &[JSON, kind.clone()]) == Some(&kind)
}

pub const JSON: MediaType<'static> = MediaType::new(mediatype::names::APPLICATION, mediatype::names::JSON);
pub const CSV: MediaType<'static> = MediaType::new(mediatype::names::TEXT, mediatype::names::CSV);
pub const PLAIN: MediaType<'static> = MediaType::new(mediatype::names::TEXT, mediatype::names::PLAIN);
pub const EVENTS: MediaType<'static> =
    MediaType::new(mediatype::names::TEXT, mediatype::Name::new_unchecked("event-stream"));
pub const NDJSON: MediaType<'static> =
    MediaType::new(mediatype::names::APPLICATION, mediatype::Name::new_unchecked("x-ndjson"));
pub const JSONL: MediaType<'static> =
    MediaType::new(mediatype::names::APPLICATION, mediatype::Name::new_unchecked("jsonl"));

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_that_is_liked_best_is_taken() {
        let taken = |accept: &[&str]| {
            let lines = accept.iter().map(|accept| (header::ACCEPT, accept.parse().unwrap()));
            preferred(&HeaderMap::from_iter(lines), &[JSON, NDJSON, CSV]).unwrap().to_string()
        };
        for (accept, kind) in [
            (&[][..], "application/json"),
            (&["*/*"], "application/json"),
            (&["text/html"], "application/json"),
            (&["text/*"], "text/csv"),
            (&["text/html, text/csv;q=0.9"], "text/csv"),
            (&["text/csv;q=0.1, application/json;q=0.5"], "application/json"),
            (&["application/json;q=0, text/csv;q=0.1"], "text/csv"),
            (&["*/*;q=0.1, application/x-ndjson"], "application/x-ndjson"),
            (&["text/html", "text/csv"], "text/csv"),
            (&["no kind at all"], "application/json"),
        ] {
            assert_eq!(taken(accept), kind, "{accept:?}");
        }
    }
}
