//! Stage: hosts with something to see, and a visitor without a browser.

use std::net::{IpAddr, Ipv4Addr};

use kinora_tests::{Api, builder, module};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// What nobody should see run.
pub const HOSTILE: &str = "<script>alert(1)</script>\"'";

pub async fn count(api: &Api, stream: &str, ns: &[u64]) {
    let events: Vec<Value> =
        ns.iter().map(|n| json!({"type": "Count", "data": {"n": n}, "tags": ["kind:a"]})).collect();
    let answer = api.post("transactions", json!({"appends": [{"stream": stream, "events": events}]})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Two versions of `counts`, of which the first is live; a decider; streams with hostile names among others.
pub async fn set(api: &Api) {
    // Before the projection, which would stop at what it emits.
    api.decider_live("bank", module("accounts")).await;
    for stream in 0..12 {
        count(api, &format!("s{stream:02}"), &[stream, 1]).await;
    }
    count(api, HOSTILE, &[7]).await;
    let old = api.upload(module("hostile")).await;
    api.deploy_live("counts", &old).await;
    let new = api.upload(module("tally")).await;
    assert_eq!(api.deploy("counts", &new, &[]).await, 2);
    api.until_state("counts", 2, "ready").await;
}

/// A page as it came.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", self.headers)).to_str().unwrap()
    }

    /// The value of a field of a form.
    pub fn field(&self, name: &str) -> String {
        let after =
            self.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{}", self.text));
        after.1.split('"').next().unwrap().to_owned()
    }

    pub fn shows(&self, words: &str) {
        assert!(self.text.contains(words), "{words:?} is not on the page ({}):\n{}", self.status, self.text);
    }
}

/// Somebody with a browser's manners: no redirect is followed unseen, and a cookie is sent where there is one.
pub struct Visitor {
    client: reqwest::Client,
    url: String,
    pub cookie: Option<String>,
}

impl Visitor {
    pub fn of(api: &Api) -> Self {
        Self::from(api, Ipv4Addr::LOCALHOST)
    }

    /// One who comes from this address of the machine.
    pub fn from(api: &Api, address: Ipv4Addr) -> Self {
        let builder = builder().redirect(reqwest::redirect::Policy::none()).local_address(IpAddr::V4(address));
        Self { client: builder.build().unwrap(), url: api.url.clone(), cookie: None }
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url)).header("accept", "text/html");
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    pub async fn sent(&self, request: reqwest::RequestBuilder) -> Page {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Page { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn sees(&self, path: &str) -> Page {
        self.sent(self.request(reqwest::Method::GET, path)).await
    }

    pub async fn sends(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.sent(self.form(path, form)).await
    }

    pub fn form(&self, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body = form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&");
        let kind = "application/x-www-form-urlencoded";
        self.request(reqwest::Method::POST, path).header("content-type", kind).body(body)
    }
}

pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
