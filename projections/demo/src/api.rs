//! The few requests that the demo makes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// How often the demo looks how far the host is.
const POLL: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub struct Api {
    pub client: Client,
    url: String,
}

impl Api {
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { client: kinora_client::http().tls_certs_only([]).build()?, url: url.to_owned() })
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.url)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("the host answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.client.get(self.at(path))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.client.post(self.at(path)).json(body)).await
    }

    /// Uploads a module, waits for the compiler, and gives the digest and how long that took.
    pub async fn upload(&self, file: &Path) -> anyhow::Result<(String, u64)> {
        let wasm = std::fs::read(file).with_context(|| format!("{} is not there: make modules", file.display()))?;
        let module = self.send(self.client.post(self.at("modules")).body(wasm)).await?;
        let digest = module["digest"].as_str().context("an upload without a digest")?.to_owned();
        loop {
            let module = self.get(&format!("modules/{digest}")).await?;
            match module["state"].as_str() {
                Some("ready") => return Ok((digest, module["compile_ms"].as_u64().unwrap_or_default())),
                Some("compiling") => tokio::time::sleep(POLL).await,
                _ => bail!("the module was refused: {module}"),
            }
        }
    }

    /// Makes a version and gives its number.
    pub async fn deploy(&self, name: &str, module: &str, upcasters: &[&str]) -> anyhow::Result<u64> {
        let body = json!({"module": module, "upcasters": upcasters});
        let version = self.post(&format!("projections/{name}/versions"), &body).await?;
        version["version"].as_u64().context("a version without a number")
    }

    /// Waits until a version is ready, and shows each status on the way.
    pub async fn until_ready(&self, name: &str, version: u64, mut show: impl FnMut(&Value)) -> anyhow::Result<Value> {
        loop {
            let status = self.get(&format!("projections/{name}/versions/{version}")).await?;
            show(&status);
            match status["state"].as_str() {
                Some("ready") => return Ok(status),
                Some("faulted") => bail!("version {version} stopped at a fault: {}", status["fault"]),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }
}
