//! `kinora modules`: the projectors and upcasters that a host has.

use std::path::PathBuf;

use kinora_client::api::modules::{
    DeciderManifest, DeciderUse, Manifest, Module, OwnScope, ProjectorManifest, UpcasterManifest, Use, Uses,
};
use kinora_client::{Answer, Client};

use crate::cli::output::{Output, note, short_digest, table};
use crate::cli::rollouts::uploads::{find, upload};

/// List, upload, show or delete modules
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List them (the default)
    ///
    /// For example: kinora modules list
    List,
    /// Upload a module and compile it
    ///
    /// For example: kinora modules upload ontime.wasm
    Upload {
        /// A core module or a component
        file: PathBuf,
    },
    /// Show what a module handles and keeps
    ///
    /// For example: kinora modules show 3f9a
    Show {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Show which versions a module is part of
    ///
    /// For example: kinora modules uses 3f9a
    Uses {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Delete a module that no version uses
    ///
    /// For example: kinora modules delete 3f9a
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
            show(output, &client.module(&module.digest.to_string()).await?)
        }
        Command::Show { digest } => {
            let digest = find(client, &digest).await?;
            show(output, &client.module(&digest).await?)
        }
        Command::Uses { digest } => {
            let digest = find(client, &digest).await?;
            uses(output, &client.module_uses(&digest).await?)
        }
        Command::Delete { digest } => {
            let digest = find(client, &digest).await?;
            client.delete_module(&digest).await?;
            note(format_args!("module {} is gone", short_digest(&digest)));
            Ok(())
        }
    }
}

fn uses(output: &mut Output, answer: &Answer<Uses>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut found = table(&["used by", "version", "state", "as"], &[1]);
    for Use { projection, version, state, role, .. } in &answer.uses {
        found.add_row([projection.clone(), version.to_string(), state.to_string(), role.to_string()]);
    }
    for DeciderUse { decider, version, state } in &answer.deciders {
        let state = format!("{state:?}").to_lowercase();
        found.add_row([decider.clone(), version.to_string(), state, "decider".to_owned()]);
    }
    output.table(&found)
}

async fn list(client: &Client, output: &mut Output) -> anyhow::Result<()> {
    let answer = client.modules().await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut modules = table(&["module", "kind", "name", "state", "bytes"], &[4]);
    for module in &answer.modules {
        let name = module.manifest.as_ref().map_or_else(String::new, |manifest| manifest.name().to_owned());
        let digest = short_digest(&module.digest.to_string()).to_owned();
        let (kind, state, bytes) = (module.kind.to_string(), module.state.to_string(), module.bytes.to_string());
        modules.add_row([digest, kind, name, state, bytes]);
    }
    output.table(&modules)
}

fn show(output: &mut Output, module: &Answer<Module>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(module.text());
    }
    output.line(format_args!("module    {}", module.digest))?;
    output.line(format_args!("state     {}", module.state))?;
    output.line(format_args!("kind      {}", module.kind))?;
    if let Some(compile_ms) = module.compile_ms {
        output.line(format_args!("size      {} bytes, compiled in {compile_ms} ms", module.bytes))?;
    }
    match &module.manifest {
        Some(Manifest::Projector(manifest)) => projector(output, manifest),
        Some(Manifest::Upcaster(manifest)) => upcaster(output, manifest),
        Some(Manifest::Decider(manifest)) => decider(output, manifest),
        None => Ok(()),
    }
}

fn projector(output: &mut Output, manifest: &ProjectorManifest) -> anyhow::Result<()> {
    for handled in &manifest.handles {
        output.line(format_args!("handles   {handled}"))?;
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

fn decider(output: &mut Output, manifest: &DeciderManifest) -> anyhow::Result<()> {
    match &manifest.scope {
        OwnScope::Category(category) => output.line(format_args!("scope     stream {category}-ID"))?,
        OwnScope::Tag(prefix) => output.line(format_args!("scope     tag {prefix}:ID"))?,
    }
    for command in &manifest.commands {
        output.line(format_args!("command   {}: {}", command.name, command.description))?;
    }
    for emitted in &manifest.emits {
        output.line(format_args!("emits     {}/{}", emitted.kind, emitted.schema))?;
    }
    for claim in &manifest.claims {
        output.line(format_args!("claim     {}: {}", claim.scope, claim.code))?;
    }
    Ok(())
}

fn upcaster(output: &mut Output, manifest: &UpcasterManifest) -> anyhow::Result<()> {
    for step in &manifest.steps {
        let to: Vec<_> = step.to.iter().map(ToString::to_string).collect();
        output.line(format_args!("step      {} -> {}", step.from, to.join(", ")))?;
    }
    Ok(())
}
