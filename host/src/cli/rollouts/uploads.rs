//! Modules as commands name them: files to upload, or the beginnings of digests.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kinora_client::api::modules::{Module, ModuleState};
use kinora_client::{Answer, Client, Error};

use crate::cli::output::{clean, note, short_digest};

/// How often a host is asked whether a module is compiled.
const POLL: Duration = Duration::from_millis(50);

/// The module of a file, or one that the host has, once it is compiled.
pub async fn module(client: &Client, named: &Path) -> anyhow::Result<Answer<Module>> {
    let digest = named.to_str().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match digest.filter(|_| !named.exists()) {
        Some(digest) => compiled(client, client.module(&find(client, digest).await?).await?).await,
        None => upload(client, named).await,
    }
}

/// Uploads a module and waits until it is compiled.
pub async fn upload(client: &Client, file: &Path) -> anyhow::Result<Answer<Module>> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("{} cannot be read", file.display()))?;
    let module = compiled(client, client.upload(bytes).await?).await?;
    note(format_args!("{} is module {}", file.display(), short_digest(&module.digest.to_string())));
    Ok(module)
}

async fn compiled(client: &Client, mut module: Answer<Module>) -> anyhow::Result<Answer<Module>> {
    let digest = module.digest.to_string();
    while module.state == ModuleState::Compiling {
        tokio::time::sleep(POLL).await;
        module = client.module(&digest).await?;
    }
    if let Some(problem) = &module.error {
        return Err(Error::Refused(Box::new(problem.clone())).into());
    }
    Ok(module)
}

/// The full digest of the one module that begins so.
pub async fn find(client: &Client, start: &str) -> anyhow::Result<String> {
    let modules = client.modules().await?;
    let digests = modules.modules.iter().map(|module| (module.digest.to_string(), module));
    let begun = start.to_ascii_lowercase();
    let found: Vec<_> = digests.filter(|(digest, _)| !begun.is_empty() && digest.starts_with(&begun)).collect();
    match &*found {
        [(digest, _)] => Ok(digest.clone()),
        // The host says it best.
        [] => Ok(start.to_owned()),
        several => {
            let named = several.iter().map(|(digest, module)| {
                let name = module.manifest.as_ref().map_or("without a name", |manifest| manifest.name());
                format!("  {digest}  {} {}", module.kind, clean(name))
            });
            let named = named.collect::<Vec<_>>().join("\n");
            anyhow::bail!("several modules begin with {start:?}: give more of the digest\n{named}")
        }
    }
}
