//! The HTTP interface of a host, as the tests talk to it.

use std::time::Instant;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};

use crate::description::Answered;
use crate::followed::Followed;
use crate::wait::{PATIENCE, pause};

/// A host's HTTP interface. Paths begin after `/v1/`.
#[derive(Clone)]
pub struct Api {
    pub client: reqwest::Client,
    pub url: String,
}

/// An answer: status, the headers that say where it comes from, and the body.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub version: Option<u64>,
    pub position: Option<u64>,
    pub body: Value,
}

/// An answer with all of its headers, as it is written.
#[derive(Debug)]
pub struct Text {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Whether it is a problem of this kind.
    pub fn is(&self, kind: &str) -> bool {
        self.body["type"].as_str().is_some_and(|found| found.rsplit(['/', ':', '#']).next() == Some(kind))
    }
}

impl Text {
    /// A header that is there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", self.headers)).to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Lines of JSON.
    pub fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The answer to a request, and what was asked.
async fn sent(request: reqwest::RequestBuilder) -> reqwest::Result<(String, String, reqwest::Response)> {
    let (client, request) = request.build_split();
    let request = request?;
    let (method, path) = (request.method().to_string(), request.url().path().to_owned());
    Ok((method, path, client.execute(request).await?))
}

/// All of an answer, which has to be as the description of the API says.
async fn checked(method: &str, path: &str, response: reqwest::Response) -> reqwest::Result<Text> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap());
    Answered { method, path, status, kind }.check(&text);
    Ok(Text { status, headers, text })
}

/// An HTTP client as the tests use it.
pub fn client() -> reqwest::Client {
    with_headers(HeaderMap::new())
}

/// What the clients of the tests begin with.
pub fn builder() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

fn with_headers(headers: HeaderMap) -> reqwest::Client {
    builder().default_headers(headers).build().unwrap()
}

impl Api {
    pub(crate) fn of(url: &str) -> Self {
        Self { client: client(), url: url.to_owned() }
    }

    /// The same for whoever has this key.
    pub fn with_key(&self, key: &str) -> Self {
        let value = format!("Bearer {key}").parse().unwrap();
        Self { client: with_headers([(AUTHORIZATION, value)].into_iter().collect()), url: self.url.clone() }
    }

    /// The answer, which has to be as the description of the API says.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let Text { status, headers, text } = self.text(request).await;
        let number = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().parse().unwrap());
        let (version, position) = (number("kinora-version"), number("kinora-position"));
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Answer { status, version, position, body }
    }

    /// The same with its headers and as it is written.
    pub async fn text(&self, request: reqwest::RequestBuilder) -> Text {
        self.try_text(request).await.unwrap()
    }

    /// The same of a host that may be gone before it has answered.
    pub async fn try_text(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Text> {
        let (method, path, response) = sent(request).await?;
        checked(&method, &path, response).await
    }

    /// All figures, as Prometheus gets them.
    pub async fn metrics(&self) -> String {
        self.text(self.client.get(format!("{}/metrics", self.url))).await.text
    }

    /// Whether every live version runs.
    pub async fn readiness(&self) -> Answer {
        self.send(self.client.get(format!("{}/readyz", self.url))).await
    }

    /// Follows what is asked for; each message has to be as the description says.
    pub async fn follow(&self, request: reqwest::RequestBuilder) -> Followed {
        self.try_follow(request).await.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// The same, or why it is refused.
    pub async fn try_follow(&self, request: reqwest::RequestBuilder) -> Result<Followed, Text> {
        let (method, path, response) = sent(request.header("accept", "text/event-stream")).await.unwrap();
        if response.status() == 200 {
            return Ok(Followed::new(method, path, response));
        }
        Err(checked(&method, &path, response).await.unwrap())
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.at(path))).await
    }

    pub async fn get_with(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(self.client.get(self.at(path)).query(parameters)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.client.post(self.at(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.client.delete(self.at(path))).await
    }

    /// Uploads a module, waits until it is compiled, and gives its digest.
    pub async fn upload(&self, wasm: Vec<u8>) -> String {
        let answer = self.send(self.client.post(self.at("modules")).body(wasm)).await;
        assert!(answer.status < 300, "{answer:?}");
        let digest = answer.body["digest"].as_str().unwrap().to_owned();
        let path = format!("modules/{digest}");
        self.until(&path, |module| module["state"] == "ready").await;
        digest
    }

    /// Deploys a version and gives its number.
    pub async fn deploy(&self, name: &str, module: &str, upcasters: &[&str]) -> u64 {
        let body = json!({"module": module, "upcasters": upcasters});
        let answer = self.post(&format!("projections/{name}/versions"), body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["version"].as_u64().unwrap()
    }

    /// Deploys the first version of a projection, and makes it live.
    pub async fn deploy_live(&self, name: &str, module: &str) {
        assert_eq!(self.deploy(name, module, &[]).await, 1);
        self.until_state(name, 1, "ready").await;
        let promoted = self.post(&format!("projections/{name}/versions/1/promote"), json!({})).await;
        assert_eq!(promoted.status, 200, "{promoted:?}");
        self.until_caught_up(name, 1).await;
    }

    /// Waits until a version is in a state.
    pub async fn until_state(&self, name: &str, version: u64, state: &str) -> Value {
        let path = format!("projections/{name}/versions/{version}");
        self.until(&path, |status| {
            assert!(status["state"] != "faulted" || state == "faulted", "{status}");
            let figures = status["state"] != "ready" || status["replayed_in_ms"].is_u64();
            assert!(figures, "it is ready before its figures are there: {status}");
            status["state"] == state
        })
        .await
    }

    /// Waits until a version has applied everything and says so.
    pub async fn until_caught_up(&self, name: &str, version: u64) -> Value {
        let path = format!("projections/{name}/versions/{version}");
        self.until(&path, |status| {
            assert!(status["state"] != "faulted", "{status}");
            status["lag"] == 0 && ["ready", "live", "standby"].contains(&status["state"].as_str().unwrap())
        })
        .await
    }

    pub async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.status == 200 && is_so(&answer.body) {
                return answer.body;
            }
            assert!(started.elapsed() < PATIENCE, "it did not come to be: {answer:?}");
            pause().await;
        }
    }

    /// All rows of a table of a version, in the order of their keys.
    pub async fn rows(&self, name: &str, table: &str, version: u64) -> Vec<(String, Value)> {
        let mut rows = Vec::new();
        let mut path = format!("/v1/read-models/{name}/{table}?version={version}&limit=1000&stale=true");
        loop {
            let page = self.send(self.client.get(format!("{}{path}", self.url))).await;
            assert_eq!(page.status, 200, "{page:?}");
            for row in page.body["rows"].as_array().unwrap() {
                rows.push((row["key"].as_str().unwrap().to_owned(), row["row"].clone()));
            }
            match page.body["next"].as_str() {
                Some(next) => path = next.to_owned(),
                None => return rows,
            }
        }
    }
}
