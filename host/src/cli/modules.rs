//! `kinora modules`: the projectors and upcasters that a host has.

use std::path::PathBuf;

use crate::cli::answers::{ModuleStatus, Modules};
use crate::cli::client::{Answer, Client};
use crate::cli::deploy::upload;
use crate::cli::output::{Output, short_digest, table};

/// List, upload, show or delete modules
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List them (the default)
    List,
    /// Upload a module and compile it
    Upload {
        /// A core module or a component
        file: PathBuf,
    },
    /// Show what a module handles and keeps
    Show {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Show which versions a module is part of
    Uses {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Delete a module that no version uses
    Delete {
        /// Its digest, or the beginning of it
        digest: String,
    },
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command.unwrap_or(Command::List) {
        Command::List => list(client, output).await,
        Command::Upload { file } => {
            let module = upload(client, &file).await?;
            show(output, &client.get(client.url(&["v1", "modules", &module.digest])?).await?)
        }
        Command::Show { digest } => {
            let digest = find(client, &digest).await?;
            show(output, &client.get(client.url(&["v1", "modules", &digest])?).await?)
        }
        Command::Uses { digest } => {
            let digest = find(client, &digest).await?;
            uses(output, &client.get(client.url(&["v1", "modules", &digest, "uses"])?).await?)
        }
        Command::Delete { digest } => {
            let digest = find(client, &digest).await?;
            client.delete(client.url(&["v1", "modules", &digest])?).await?;
            crate::cli::output::note(format_args!("module {} is gone", short_digest(&digest)));
            Ok(())
        }
    }
}

#[derive(serde::Deserialize)]
struct Uses {
    uses: Vec<Use>,
}

#[derive(serde::Deserialize)]
struct Use {
    projection: String,
    version: u64,
    state: crate::cli::answers::State,
    role: String,
}

fn uses(output: &mut Output, answer: &Answer) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut found = table(&["projection", "version", "state", "as"], &[1]);
    for found_in in answer.parse::<Uses>()?.uses {
        let Use { projection, version, state, role } = found_in;
        found.add_row([projection, version.to_string(), state.to_string(), role]);
    }
    output.table(&found)
}

async fn list(client: &Client, output: &mut Output) -> anyhow::Result<()> {
    let answer = client.get(client.url(&["v1", "modules"])?).await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut modules = table(&["module", "kind", "name", "state", "bytes"], &[4]);
    for module in answer.parse::<Modules>()?.modules {
        let name = module.manifest.and_then(|manifest| manifest.name).unwrap_or_default();
        let bytes = module.bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        let (kind, digest) = (module.kind.unwrap_or_default(), short_digest(&module.digest).to_owned());
        modules.add_row([digest, kind, name, module.state.to_string(), bytes]);
    }
    output.table(&modules)
}

/// The full digest of the one module that begins so.
pub async fn find(client: &Client, start: &str) -> anyhow::Result<String> {
    let modules: Modules = client.get(client.url(&["v1", "modules"])?).await?.parse()?;
    let mut found = modules.modules.into_iter().map(|module| module.digest).filter(|digest| digest.starts_with(start));
    match (found.next(), found.next()) {
        (Some(digest), None) => Ok(digest),
        (Some(_), Some(_)) => anyhow::bail!("several modules begin with {start:?}: give more of the digest"),
        // The host says it best.
        (None, _) => Ok(start.to_owned()),
    }
}

fn show(output: &mut Output, answer: &Answer) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let module: ModuleStatus = answer.parse()?;
    output.line(format_args!("module    {}", module.digest))?;
    output.line(format_args!("state     {}", module.state))?;
    if let Some(kind) = &module.kind {
        output.line(format_args!("kind      {kind}"))?;
    }
    if let (Some(bytes), Some(compile_ms)) = (module.bytes, module.compile_ms) {
        output.line(format_args!("size      {bytes} bytes, compiled in {compile_ms} ms"))?;
    }
    let Some(manifest) = module.manifest else { return Ok(()) };
    for handled in &manifest.handles {
        output.line(format_args!("handles   {handled}"))?;
    }
    for step in &manifest.steps {
        let to: Vec<_> = step.to.iter().map(ToString::to_string).collect();
        output.line(format_args!("step      {} -> {}", step.from, to.join(", ")))?;
    }
    for table in &manifest.tables {
        let indexes: Vec<_> = table.indexes.iter().map(|index| index.name.as_str()).collect();
        output.line(format_args!("table     {} ({})", table.name, indexes.join(", ")))?;
    }
    for query in &manifest.queries {
        output.line(format_args!("query     {}: {}", query.name, query.description))?;
    }
    Ok(())
}
