//! Origin of a request, where the host knows nobody: pages of other sites are refused.
//!
//! A page cannot have a browser send it here unseen: what it sends bears its origin, or says that it comes from
//! another site. And it cannot pretend to be of this host by a name of its own that leads here, since then that name
//! stands in `Host`: addresses are taken as they are, and names only if somebody has given them to the host.

use std::net::IpAddr;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, header};
use kinora_api::Kind;
use mediatype::MediaTypeBuf;

use crate::edge::problem::Problem;

/// What browsers say of where a request comes from, if they are not told to by its page.
const SITE: &str = "sec-fetch-site";

pub fn check(request: &Request, names: &[String]) -> Result<(), Problem> {
    check_site(request, names)?;
    if !request.body().is_end_stream() && !is_called_by_its_name(request.headers().get(header::CONTENT_TYPE)) {
        return Err(Problem::new(Kind::UnknownContentType, "the body does not say that it is JSON, or what else")
            .hint("send content-type: application/json; for a module, application/wasm"));
    }
    Ok(())
}

/// The same for a page of the host itself. Whoever follows a link to it from elsewhere only looks at it: a page that is
/// shown changes nothing, and whoever has sent the browser there does not see it.
pub fn check_page(request: &Request, names: &[String]) -> Result<(), Problem> {
    let host = host(request)?;
    if is_followed_link(request) {
        return check_name(host.as_ref(), names);
    }
    check_site(request, names)
}

/// Where the host knows its clients, a page of another site is told by what the browser says alone: whatever stands
/// between may call the host by another name.
pub fn check_form(request: &Request) -> Result<(), Problem> {
    let is_foreign = request.headers().get(SITE).is_some_and(|site| site != "same-origin" && site != "none");
    if is_foreign && !is_followed_link(request) { Err(from_page()) } else { Ok(()) }
}

fn is_followed_link(request: &Request) -> bool {
    let is = |name: &str, value: &str| request.headers().get(name).is_some_and(|found| found == value);
    request.method() == Method::GET && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

fn check_name(host: Option<&Authority>, names: &[String]) -> Result<(), Problem> {
    match host {
        Some(host) if !is_own(host.host(), names) => Err(foreign(format!("the host is not called {:?}", host.host()))
            .hint("say --host-name NAME to `kinora serve`, if it is one of its names")),
        _ => Ok(()),
    }
}

/// Refuses what comes from pages of other sites, and whoever calls the host by a name that is none of its own.
pub fn check_site(request: &Request, names: &[String]) -> Result<(), Problem> {
    let headers = request.headers();
    let host = host(request)?;
    check_name(host.as_ref(), names)?;
    if let Some(origin) = headers.get(header::ORIGIN) {
        let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
        if authority.is_none() || authority != host.as_ref().map(Authority::as_str) {
            return Err(from_page());
        }
    }
    if headers.get(SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(from_page());
    }
    Ok(())
}

/// What the request calls the host. Two names would be two opinions.
fn host(request: &Request) -> Result<Option<Authority>, Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let unreadable = || foreign("the header Host cannot be read".to_owned());
    let named = first.map(authority).transpose().map_err(|()| unreadable())?;
    match (request.uri().authority(), named) {
        _ if second.is_some() => Err(unreadable()),
        (Some(asked), Some(named)) if *asked != named => Err(unreadable()),
        (Some(asked), _) => Ok(Some(asked.clone())),
        (None, named) => Ok(named),
    }
}

fn authority(host: &HeaderValue) -> Result<Authority, ()> {
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| ())?;
    // Nobody says who they are by what stands before an @.
    if authority.as_str().contains('@') { Err(()) } else { Ok(authority) }
}

fn is_own(host: &str, names: &[String]) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether this is a kind that a page cannot send to another site without asking it first.
fn is_called_by_its_name(kind: Option<&HeaderValue>) -> bool {
    // Left out, it is no page's either, since a page shows its origin with whatever it sends.
    let Some(kind) = kind else { return true };
    let kind = kind.to_str().ok().and_then(|kind| kind.parse::<MediaTypeBuf>().ok());
    kind.is_some_and(|kind| kind.ty() == "application" && kind.subty() != "x-www-form-urlencoded")
}

fn foreign(detail: String) -> Problem {
    Problem::new(Kind::ForeignOrigin, detail)
}

fn from_page() -> Problem {
    foreign("this comes from a page of another site".to_owned())
        .hint("a host without keys answers no pages but its own; with keys (`kinora keys create`) it asks for one")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(headers: &[(&str, &str)], body: &str) -> Request {
        let body = if body.is_empty() { Body::empty() } else { Body::from(body.to_owned()) };
        let builder = headers
            .iter()
            .fold(Request::builder().uri("/v1/log"), |builder, (name, value)| builder.header(*name, *value));
        builder.body(body).unwrap()
    }

    fn refused(headers: &[(&str, &str)]) -> bool {
        check(&request(headers, ""), &["kinora.example.org".to_owned()]).is_err()
    }

    #[test]
    fn addresses_and_own_names_are_the_host_and_others_are_not() {
        for host in ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "[::1]:7070", "10.0.0.7", "kinora.example.org"] {
            assert!(!refused(&[("host", host)]), "{host}");
        }
        for host in ["evil.example.org", "127.0.0.1.evil.org", "localhost.evil.org:80", "a@localhost", "::1]", "a b"] {
            assert!(refused(&[("host", host)]), "{host}");
        }
        assert!(refused(&[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn an_absolute_address_has_to_be_that_of_host() {
        let absolute = |uri: &str| Request::builder().uri(uri).header("host", "localhost").body(Body::empty()).unwrap();
        assert!(check(&absolute("http://localhost/v1/log"), &[]).is_ok());
        assert!(check(&absolute("http://evil.example.org/v1/log"), &[]).is_err());
    }

    #[test]
    fn a_page_of_another_site_is_refused_and_one_of_this_is_not() {
        let host = ("host", "localhost:7070");
        assert!(!refused(&[host, ("origin", "http://localhost:7070"), ("sec-fetch-site", "same-origin")]));
        for origin in ["http://localhost:3000", "http://evil.org", "null", "http://localhost:7070.evil.org"] {
            assert!(refused(&[host, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(refused(&[host, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!refused(&[host, ("sec-fetch-site", "none")]), "somebody has typed the address");
    }

    #[test]
    fn a_body_is_called_what_a_page_may_not_call_it() {
        let refused =
            |kind: &str| check(&request(&[("host", "localhost"), ("content-type", kind)], "{}"), &[]).is_err();
        for kind in
            ["application/json", "application/json; charset=utf-8", "application/cloudevents+json", "application/wasm"]
        {
            assert!(!refused(kind), "{kind}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "json"] {
            assert!(refused(kind), "{kind}");
        }
        assert!(check(&request(&[("host", "localhost")], "{}"), &[]).is_ok(), "it may be left out");
    }
}
