//! Replies of the console as HTTP: with a policy that lets a page run and load nothing but what is the console's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use kinora_console::{Asset, Reply};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the API says is data, even if a browser opens it by itself.
const POLICY_OF_DATA: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// An address of an asset changes with the asset.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub fn of(reply: Reply) -> Response {
    match reply {
        Reply::Page { status, markup } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            with_policy((status, kind, markup.into_string()).into_response())
        }
        Reply::SeeOther(address) => see_other(&address),
        Reply::Json(text) => with_policy(([(header::CONTENT_TYPE, "application/json")], text).into_response()),
    }
}

pub fn see_other(address: &str) -> Response {
    let address = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/console/"));
    with_policy((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
}

pub fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Whoever asks again earlier is told the same.
pub fn not_before(wait: Duration, mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    response
}

pub fn with_policy(response: Response) -> Response {
    guarded(response, POLICY, Some("no-store"))
}

pub fn of_api(response: Response) -> Response {
    guarded(response, POLICY_OF_DATA, None)
}

fn guarded(mut response: Response, policy: &'static str, cached: Option<&'static str>) -> Response {
    let headers = response.headers_mut();
    let all = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in all.into_iter().chain(cached.map(|cached| (header::CACHE_CONTROL, cached))) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// An asset, packed for whoever takes it so.
pub fn asset(name: &str, headers: &HeaderMap) -> Response {
    static PACKED: LazyLock<std::sync::Mutex<BTreeMap<&'static str, Bytes>>> = LazyLock::new(Default::default);
    let Some(asset) = kinora_console::asset(name) else {
        return with_policy(StatusCode::NOT_FOUND.into_response());
    };
    let takes = headers.get(header::ACCEPT_ENCODING).and_then(|takes| takes.to_str().ok());
    let packed = takes.filter(|takes| takes.contains("gzip")).and_then(|_| {
        let mut all = PACKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(packed) = all.get(asset.name) {
            return Some(packed.clone());
        }
        let bytes = packed(asset)?;
        all.insert(asset.name, bytes.clone());
        Some(bytes)
    });
    let mut response = match packed {
        Some(packed) => ([(header::CONTENT_ENCODING, "gzip")], Body::from(packed)).into_response(),
        None => Body::from(asset.bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    guarded(response, POLICY, Some(FOR_EVER))
}

fn packed(asset: &Asset) -> Option<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(asset.bytes).ok()?;
    packer.finish().ok().map(Bytes::from)
}
