//! Ask: a request to Kinora's HTTP API on behalf of a visitor, and its answer.

use std::pin::Pin;

use kinora_api::{Kind, Problem};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All but what a part of a path may have as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Patch,
}

#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    /// With its parameters.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Value>,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), headers: Vec::new(), body: None }
    }

    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::Post, path: path.into(), headers: Vec::new(), body: Some(body) }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What was asked for, or why it was refused.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.is_success() {
            serde_json::from_slice(&self.body)
                .map_err(|cause| Problem::new(Kind::Internal, format!("an answer cannot be read: {cause}")))
        } else {
            Err(self.problem())
        }
    }

    pub fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Problem { status: self.status, ..Problem::new(Kind::Internal, "no problem is named") })
    }
}

pub type Asking<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// The API, as a visitor reaches it.
pub trait Api: Send + Sync {
    fn ask(&self, ask: Ask) -> Asking<'_>;

    /// Why the visitor may not ask for an operation, by its id and the projection that it is about.
    fn may(&self, operation: &str, projection: &str) -> Result<(), String>;
}

/// Reads JSON at an address of the API.
pub async fn get<T: DeserializeOwned>(api: &dyn Api, path: impl Into<String>) -> Result<T, Problem> {
    api.ask(Ask::get(path)).await.read()
}

/// A name as a part of a path.
pub fn part(name: &str) -> String {
    utf8_percent_encode(name, PART).to_string()
}

/// A path with parameters.
pub fn with(path: &str, parameters: &[(&str, &str)]) -> String {
    if parameters.is_empty() {
        return path.to_owned();
    }
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(parameters);
    format!("{path}?{}", text.finish())
}
