//! Head of a request, looked at before anything else: what HTTP asks of every request, and what no route can read.

use axum::extract::Request;
use axum::http::{Version, header};
use kinora_api::Kind;
use percent_encoding::percent_decode_str;

use crate::edge::problem::Problem;

/// What bodies may be packed with.
const ENCODINGS: [&str; 2] = ["gzip", "zstd"];

/// Whether the request says where it is going, which HTTP/1.1 asks for.
pub fn names_its_host(request: &Request) -> bool {
    request.version() != Version::HTTP_11 || request.headers().contains_key(header::HOST)
}

/// Whether the body is packed.
pub fn is_packed(request: &Request) -> bool {
    request.headers().contains_key(header::CONTENT_ENCODING)
}

/// Whether a part of an address is UTF-8 once it is decoded.
pub fn is_utf8(part: &str) -> bool {
    !part.contains('%') || percent_decode_str(part).decode_utf8().is_ok()
}

pub fn check(request: &Request) -> Result<(), Problem> {
    if !names_its_host(request) {
        return Err(Problem::new(Kind::InvalidHeader, "the header Host is missing")
            .hint("HTTP/1.1 asks for it; send the name that you have the host by"));
    }
    for (part, text) in [("path", Some(request.uri().path())), ("query", request.uri().query())] {
        if !text.is_none_or(is_utf8) {
            return Err(Problem::new(Kind::InvalidParameter, format!("the {part} of the address is not UTF-8"))
                .hint("names go into an address as UTF-8, percent-encoded"));
        }
    }
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(encoding), None) if ENCODINGS.iter().any(|known| encoding == known) => Ok(()),
        (Some(encoding), None) => Err(unknown_encoding(&String::from_utf8_lossy(encoding.as_bytes()))),
        (Some(_), Some(_)) => Err(unknown_encoding("several")),
    }
}

fn unknown_encoding(found: &str) -> Problem {
    Problem::new(Kind::UnknownEncoding, format!("the body is packed with {found:?}"))
        .hint(format!("send it as it is, or packed once with {}", ENCODINGS.join(" or ")))
}
