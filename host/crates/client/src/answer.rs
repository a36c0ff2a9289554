//! Answers: what a host said, read, and its text as it came.

use std::ops::Deref;
use std::str::FromStr;

use kinora_api::differences::DiffRows;
use kinora_api::events::EventPage;
use kinora_api::headers;
use kinora_api::queries::RowPage;
use reqwest::Url;
use reqwest::header::{HeaderMap, LINK, WARNING};
use serde::de::DeserializeOwned;

use crate::address::next_page;
use crate::error::Error;

/// A successful answer. It is used as what it says.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub(crate) url: Url,
    headers: HeaderMap,
    text: String,
    value: T,
}

impl<T: DeserializeOwned> Answer<T> {
    pub(crate) fn read(url: Url, headers: HeaderMap, text: String) -> Result<Self, Error> {
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Self { url, headers, text, value }),
            Err(cause) => Err(Error::Unreadable { url, cause }),
        }
    }
}

impl Answer<()> {
    /// An answer that need not be JSON: it is its text.
    pub(crate) fn of_text(url: Url, headers: HeaderMap, text: String) -> Self {
        Self { url, headers, text, value: () }
    }
}

impl<T> Answer<T> {
    /// The text, as the host wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn into_value(self) -> T {
        self.value
    }

    /// The version that gave the answer, if it is one of a read model.
    pub fn version(&self) -> Option<u32> {
        self.parsed(headers::VERSION)
    }

    /// The last event that the answer stands for, if it is one of a read model.
    pub fn position(&self) -> Option<u64> {
        self.parsed(headers::POSITION)
    }

    /// What the host has to say against its answer, such as that it is old.
    pub fn warning(&self) -> Option<&str> {
        self.headers.get(WARNING)?.to_str().ok()
    }

    /// Fields that were asked for, that the table does not declare, and that no row had which was looked at.
    pub fn unknown_fields(&self) -> Vec<String> {
        let names = self.headers.get(headers::UNKNOWN_FIELDS).and_then(|names| names.to_str().ok()).unwrap_or_default();
        let decoded = |name: &str| form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned());
        names.split(", ").filter_map(decoded).collect()
    }

    /// The address of the next page as a header has it, whatever the answer is written as.
    pub fn next_link(&self) -> Option<&str> {
        let link = self.headers.get(LINK)?.to_str().ok()?;
        link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")
    }

    /// What the next page is asked for with, if there is one.
    pub fn next_cursor(&self) -> Option<String> {
        let next = next_page(&self.url, self.next_link()?);
        next.query_pairs().find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
    }

    fn parsed<N: FromStr>(&self, name: &str) -> Option<N> {
        self.headers.get(name)?.to_str().ok()?.parse().ok()
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// An answer that may have others after it.
pub trait Paged {
    /// The address of the next page, if there is one.
    fn next(&self) -> Option<&str>;
}

impl Paged for EventPage {
    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

impl Paged for RowPage {
    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

impl Paged for DiffRows {
    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}
