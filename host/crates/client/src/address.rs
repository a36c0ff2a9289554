//! Addresses: names as segments of a path, parameters, the next page.

use reqwest::Url;
use serde::Serialize;

use crate::error::Error;

/// A base URL as people write it on a command line.
///
/// # Errors
/// A sentence, if it is no URL or not one of HTTP.
pub fn base_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|cause| format!("{cause}; a URL looks like http://127.0.0.1:7070"))?;
    if !["http", "https"].contains(&url.scheme()) || url.cannot_be_a_base() {
        return Err("a URL looks like http://127.0.0.1:7070; http and https are spoken".to_owned());
    }
    Ok(url)
}

pub fn address(base: &Url, segments: &[&str]) -> Result<Url, Error> {
    if let Some(bad) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
        return Err(Error::Name((*bad).to_owned()));
    }
    let mut url = base.clone();
    url.set_query(None);
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend(segments);
        }
        // base_url lets no such URL in.
        Err(()) => return Err(Error::Name(base.to_string())),
    }
    Ok(url)
}

/// Adds parameters. Spaces become %20, which every decoder reads; a plus does not.
pub fn with_parameters(mut url: Url, parameters: &impl Serialize) -> Result<Url, Error> {
    let more = serde_urlencoded::to_string(parameters).map_err(|cause| Error::Parameters(cause.to_string()))?;
    let more = more.replace('+', "%20");
    let query = match url.query() {
        Some(query) if !more.is_empty() => format!("{query}&{more}"),
        Some(query) => query.to_owned(),
        None => more,
    };
    url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
    Ok(url)
}

/// The URL of the next page, of which only the parameters are taken: the host need not know the way to itself.
pub fn next_page(current: &Url, next: &str) -> Url {
    let mut url = current.clone();
    url.set_query(next.split_once('?').map(|(_, query)| query));
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn base() -> Url {
        base_url("http://127.0.0.1:7070").unwrap()
    }

    #[test]
    fn names_are_encoded_as_one_segment_each() {
        let url = address(&base(), &["v1", "streams", "a/b c%?#é", "events"]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:7070/v1/streams/a%2Fb%20c%25%3F%23%C3%A9/events");
    }

    #[test]
    fn a_name_that_would_change_the_path_is_refused() {
        for name in ["", ".", ".."] {
            assert!(address(&base(), &["v1", name]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_base_may_have_a_path() {
        let base = base_url("http://example.org/kinora/").unwrap();
        assert_eq!(address(&base, &["v1", "x"]).unwrap().as_str(), "http://example.org/kinora/v1/x");
    }

    #[test]
    fn a_base_without_http_is_refused() {
        assert!(base_url("localhost:7070").is_err());
        assert!(base_url("ftp://example.org").is_err());
        assert!(base_url("https://example.org").is_ok());
        assert!(base_url("7070").is_err());
    }

    #[test]
    fn parameters_are_encoded_with_percent_signs_only() {
        let url = with_parameters(base(), &[("carrier", "eq.a b+c"), ("order", "x.desc")]).unwrap();
        assert_eq!(url.query(), Some("carrier=eq.a%20b%2Bc&order=x.desc"));
        assert_eq!(
            with_parameters(url, &[("limit", 2)]).unwrap().query(),
            Some("carrier=eq.a%20b%2Bc&order=x.desc&limit=2")
        );
        let none: &[(&str, &str)] = &[];
        assert_eq!(with_parameters(base(), &none).unwrap().query(), None);
    }

    #[test]
    fn the_next_page_is_asked_for_where_the_first_was() {
        let current = base_url("http://example.org/kinora/v1/events?limit=2").unwrap();
        let next = next_page(&current, "/v1/events?from=2&limit=2");
        assert_eq!(next.as_str(), "http://example.org/kinora/v1/events?from=2&limit=2");
    }
}
