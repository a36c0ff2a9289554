//! The issuer of tokens: where its public keys are, and how the host comes by those that are at an address.
//!
//! What is fetched is kept in the data folder, where the host looks for it as it does for any other file of keys. So a
//! host starts, and knows whom it knew, while the issuer is away.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use kinora_access::Tokens;
use kinora_client::Url;
use kinora_files::write_durably;

/// How often the keys are fetched. An issuer publishes a new one for longer than that before it signs with it.
const PERIOD: Duration = Duration::from_secs(60);

/// How long an issuer may take for an answer, and how many bytes that may have.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 1 << 20;

/// Where the keys of an issuer are: a JSON Web Key Set.
#[derive(Clone, Debug)]
pub enum Keys {
    File(PathBuf),
    At(Url),
}

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return match Path::new(text) {
                file if file.is_file() => Ok(Self::File(file.to_owned())),
                _ => Err("there is no such file; name one, or an address that begins with https://".to_owned()),
            };
        }
        let url: Url = text.parse().map_err(|cause| format!("{cause}"))?;
        let is_near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => Ok(Self::At(url)),
            "http" if is_near => Ok(Self::At(url)),
            _ => Err("keys are fetched by https only, since whoever can change them lets themselves in".to_owned()),
        }
    }
}

/// The keys of an issuer, and where they are kept.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub tokens: Tokens,
    /// Where they are fetched from; `None`: the file is somebody else's to write.
    from: Option<Url>,
}

impl Issuer {
    pub fn new(name: String, audience: String, keys: Keys, data: &Path) -> Self {
        let (keys, from) = match keys {
            Keys::File(file) => (file, None),
            Keys::At(url) => (data.join("access").join("issuer-keys.json"), Some(url)),
        };
        Self { tokens: Tokens { issuer: name, audience, keys }, from }
    }

    /// Fetches the keys once, and goes on for as long as the process runs. What cannot be fetched is as it was.
    pub async fn follow(self) {
        let Some(from) = &self.from else { return };
        if let Err(error) = self.fetch(from).await {
            tracing::error!(%from, error = format!("{error:#}"), "the issuer's keys were not fetched");
        }
        tokio::spawn(async move {
            let Some(from) = &self.from else { return };
            loop {
                tokio::time::sleep(PERIOD).await;
                if let Err(error) = self.fetch(from).await {
                    tracing::error!(%from, error = format!("{error:#}"), "the issuer's keys are as they were");
                }
            }
        });
    }

    async fn fetch(&self, from: &Url) -> anyhow::Result<()> {
        let http = kinora_client::http().timeout(PATIENCE).build()?;
        let mut answer = http.get(from.clone()).send().await?.error_for_status()?;
        if !answer.status().is_success() {
            bail!("the answer was {}", answer.status());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MOST_BYTES {
                bail!("they have more than {MOST_BYTES} bytes");
            }
        }
        self.tokens.check(&bytes)?;
        let file = self.tokens.keys.clone();
        let written = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            if std::fs::read(&file).is_ok_and(|kept| kept == bytes) {
                return Ok(());
            }
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            write_durably(&file, &bytes)
        });
        written.await?.with_context(|| self.tokens.keys.display().to_string())
    }
}
