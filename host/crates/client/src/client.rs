//! The client: where the host is, who asks, and how requests are sent.

use std::time::Duration;

use kinora_api::headers;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::{address, next_page};
use crate::answer::{Answer, Paged};
use crate::error::Error;

/// How long to wait for a connection. A host is near; an address that swallows packets should not hold a script up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const JSON: &str = "application/json";
const WASM: &str = "application/wasm";

/// What is said of whoever asks. It stands in the history of projections.
#[derive(Clone, Default)]
pub struct Caller {
    /// Who, such as `ada@example.org` or `ci/build-812`.
    pub actor: Option<String>,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// A name that tells this client from others at the same address: clients take turns.
    pub client: Option<String>,
    /// An API key, or a token.
    pub key: Option<String>,
    /// Authorities of certificates, as PEM, that are trusted instead of those of the system.
    pub authorities: Option<Vec<u8>>,
}

/// An HTTP client to be set up: without proxies, since a host is spoken to directly, whatever the environment says;
/// and it goes nowhere else with what it was given, whatever it is answered.
pub fn http() -> ClientBuilder {
    // Whoever has chosen one for the process has chosen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// A client of one host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// Sent along with each change.
    key: Option<String>,
}

impl Client {
    /// A client of the host at this URL.
    ///
    /// # Errors
    /// [`Error::Setup`], if there can be no HTTP client.
    pub fn new(base: Url) -> Result<Self, Error> {
        Self::of(base, &Caller::default())
    }

    /// The same, with a word about who asks. Proxies are never used: a host is spoken to directly, whatever the
    /// environment says.
    ///
    /// # Errors
    /// [`Error::Header`], if such a text cannot be sent; [`Error::Setup`], if there can be no HTTP client.
    pub fn of(base: Url, caller: &Caller) -> Result<Self, Error> {
        let agent = concat!("kinora/", env!("CARGO_PKG_VERSION"));
        let mut sent = HeaderMap::new();
        let Caller { actor, reason, client, key, authorities } = caller;
        for (name, text) in [(headers::ACTOR, actor), (headers::REASON, reason), (headers::CLIENT, client)] {
            if let Some(text) = text {
                let value = HeaderValue::from_bytes(text.as_bytes());
                sent.insert(name, value.map_err(|_| Error::Header(text.clone()))?);
            }
        }
        if let Some(key) = key {
            let value = HeaderValue::try_from(format!("Bearer {key}"));
            // The error would show it.
            let mut value = value.map_err(|_| Error::Header("the key".into()))?;
            value.set_sensitive(true);
            sent.insert(AUTHORIZATION, value);
        }
        let http = http().connect_timeout(CONNECT_TIMEOUT).user_agent(agent);
        let http = match authorities {
            Some(pem) => http.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(Error::Setup)?),
            None if base.scheme() == "https" => http,
            None => http.tls_certs_only([]),
        };
        let http = http.default_headers(sent).build().map_err(Error::Setup)?;
        Ok(Self { http, base, key: None })
    }

    /// The same client, whose changes carry this key (`Idempotency-Key`): one that is sent again is done once, and
    /// answered as the first time. A key is for one request.
    pub fn keyed(&self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// The page after this one, if there is one.
    pub async fn next<T: Paged + DeserializeOwned>(&self, page: &Answer<T>) -> Result<Option<Answer<T>>, Error> {
        match page.next() {
            None => Ok(None),
            Some(next) => self.get(next_page(&page.url, next)).await.map(Some),
        }
    }

    /// The page after one that was taken as text, if there is one.
    pub async fn next_text(&self, page: &Answer<()>) -> Result<Option<Answer<()>>, Error> {
        match page.next_link() {
            None => Ok(None),
            Some(next) => self.get_text(next_page(&page.url, next), None).await.map(Some),
        }
    }

    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        address(&self.base, segments)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<Answer<T>, Error> {
        self.answer(Method::GET, url, |request| request).await
    }

    /// An answer that need not be JSON, asked for with a header if there is one to send.
    pub(crate) async fn get_text(
        &self,
        url: Url,
        header: Option<(&'static str, &'static str)>,
    ) -> Result<Answer<()>, Error> {
        let with = |request: RequestBuilder| match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        let (url, headers, text) = self.exchange(Method::GET, url, with).await?;
        Ok(Answer::of_text(url, headers, text))
    }

    pub(crate) async fn post_json<T: DeserializeOwned>(
        &self,
        url: Url,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        let body = serde_json::to_string(body).map_err(Error::Request)?;
        self.post_text(url, body, None).await
    }

    /// A body that is JSON already, with a header if there is one to send.
    pub(crate) async fn post_text<T: DeserializeOwned>(
        &self,
        url: Url,
        body: String,
        header: Option<(&'static str, String)>,
    ) -> Result<Answer<T>, Error> {
        let with = |request: RequestBuilder| {
            let request = request.header(CONTENT_TYPE, JSON).body(body);
            match header {
                Some((name, value)) => request.header(name, value),
                None => request,
            }
        };
        self.answer(Method::POST, url, with).await
    }

    pub(crate) async fn patch_json<T: DeserializeOwned>(
        &self,
        url: Url,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Error> {
        let body = serde_json::to_string(body).map_err(Error::Request)?;
        self.answer(Method::PATCH, url, |request| request.header(CONTENT_TYPE, JSON).body(body)).await
    }

    pub(crate) async fn post_module<T: DeserializeOwned>(&self, url: Url, wasm: Vec<u8>) -> Result<Answer<T>, Error> {
        self.answer(Method::POST, url, |request| request.header(CONTENT_TYPE, WASM).body(wasm)).await
    }

    /// Deletes; there is nothing to read in the answer.
    pub(crate) async fn delete(&self, url: Url) -> Result<(), Error> {
        let response = self.http.delete(url.clone()).send().await;
        let response = response.map_err(|cause| Error::from_request(&url, &cause))?;
        if response.status().is_success() { Ok(()) } else { Err(Self::refused(url, response).await) }
    }

    /// An answer that comes piece by piece.
    pub(crate) async fn open(&self, url: &Url, accept: &str, last_event_id: Option<&str>) -> Result<Response, Error> {
        let mut request = self.http.get(url.clone()).header(ACCEPT, accept);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(|cause| Error::from_request(url, &cause))?;
        if response.status() == StatusCode::OK { Ok(response) } else { Err(Self::refused(url.clone(), response).await) }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer<T>, Error> {
        let (url, headers, text) = self.exchange(method, url, with).await?;
        Answer::read(url, headers, text)
    }

    /// A request, and the headers and the text of its answer.
    async fn exchange(
        &self,
        method: Method,
        url: Url,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Url, HeaderMap, String), Error> {
        let mut request = self.http.request(method.clone(), url.clone());
        if let Some(key) = self.key.as_ref().filter(|_| method != Method::GET) {
            request = request.header(headers::IDEMPOTENCY_KEY, key);
        }
        let response = with(request).send().await;
        let response = response.map_err(|cause| Error::from_request(&url, &cause))?;
        if !response.status().is_success() {
            return Err(Self::refused(url, response).await);
        }
        let headers = response.headers().clone();
        let text = response.text().await.map_err(|cause| Error::from_request(&url, &cause))?;
        Ok((url, headers, text))
    }

    async fn refused(url: Url, response: Response) -> Error {
        let status = response.status();
        match response.text().await {
            Ok(body) => Error::from_answer(status, &body),
            Err(cause) => Error::from_request(&url, &cause),
        }
    }
}
