//! `kinora repro`: runs the event that stopped a version, alone and with no host, with the rows that its guest reads;
//! or has a command decided on the events of its aggregate.

mod decision;

use std::path::PathBuf;

use anyhow::Context;
use kinora_client::Client;
use kinora_projection::{Bundle, Rerun, rerun};
use serde::Deserialize;
use serde_json::json;

use crate::cli::output::{Output, clean, note};

/// Run the event that stopped a version again, alone and offline, from a bundle that the host has made; or a command
///
/// For example: kinora repro fault.json --fetch ontime; then mend the projector, and
/// kinora repro fault.json --module ontime.wasm. Ends with 5 if the event still cannot be handled. Bundles of commands
/// are made by kinora decide --repro.
#[derive(clap::Args)]
pub struct Arguments {
    /// The bundle
    file: PathBuf,
    /// First get the bundle of this projection from the host, and write it to the file
    #[arg(long, value_name = "PROJECTION")]
    pub fetch: Option<String>,
    /// The version whose bundle to get [default: the newest one that stopped]
    #[arg(long, value_name = "VERSION", requires = "fetch")]
    version: Option<u32>,
    /// Run this projector, or decider, in place of the one in the bundle
    #[arg(long, value_name = "WASM")]
    module: Option<PathBuf>,
}

/// What a bundle is of.
#[derive(Deserialize)]
struct Kind {
    decider: Option<String>,
}

/// It happens here, too.
#[derive(Debug, thiserror::Error)]
#[error("the event cannot be handled, or the command not be decided")]
pub struct Reproduced;

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    if let Some(name) = &arguments.fetch {
        fetch(client, name, arguments.version, &arguments.file).await?;
    }
    let file = arguments.file.display();
    let bytes = tokio::fs::read(&arguments.file).await.with_context(|| format!("{file} cannot be read"))?;
    let module = match &arguments.module {
        Some(path) => Some(tokio::fs::read(path).await.with_context(|| format!("{} cannot be read", path.display()))?),
        None => None,
    };
    let compiler = std::env::current_exe()?;
    let Kind { decider } = serde_json::from_slice(&bytes).with_context(|| format!("{file} is not a bundle"))?;
    if decider.is_some() {
        let is_decided = decision::run(output, &bytes, module, compiler).await.with_context(|| file.to_string())?;
        return if is_decided { Ok(()) } else { Err(Reproduced.into()) };
    }
    let bundle: Bundle = serde_json::from_slice(&bytes).with_context(|| format!("{file} is not a bundle"))?;
    let rerun = rerun(&bundle, module, compiler).await?;
    print(output, &bundle, &rerun)?;
    output.flush()?;
    if rerun.outcome.is_err() { Err(Reproduced.into()) } else { Ok(()) }
}

async fn fetch(client: &Client, name: &str, version: Option<u32>, file: &PathBuf) -> anyhow::Result<()> {
    let version = match version {
        Some(version) => version,
        None => {
            let status = client.projection(name).await?;
            let stopped = status.versions.iter().filter(|version| version.fault.is_some());
            let newest = stopped.map(|version| version.version).max();
            newest.ok_or_else(|| anyhow::anyhow!("no version of projection {name} has stopped at a fault"))?
        }
    };
    let bundle = client.reproduction(name, version).await?;
    tokio::fs::write(file, bundle.text()).await.with_context(|| format!("{} cannot be written", file.display()))?;
    note(format_args!("the fault of version {version} of {name} is in {}", file.display()));
    Ok(())
}

fn print(output: &mut Output, bundle: &Bundle, rerun: &Rerun) -> anyhow::Result<()> {
    let event = &bundle.event;
    if output.is_json() {
        let failed = rerun.outcome.as_ref().err().map(|failure| {
            json!({"category": failure.category.as_str(), "message": failure.message, "backtrace": failure.backtrace})
        });
        let row =
            |(table, key, row): &(String, String, Option<String>)| json!({"table": table, "key": key, "row": row});
        let written: Vec<_> = rerun.written.iter().map(row).collect();
        let unknown: Vec<_> = rerun.unknown.iter().map(|row| json!({"table": row.table, "key": row.key})).collect();
        return output
            .line(json!({"position": event.position, "fault": failed, "written": written, "unknown": unknown}));
    }
    let (position, schema, kind, stream) = (event.position, event.schema, clean(&event.kind), clean(&event.stream));
    output.line(format_args!("event {position}, {kind} schema {schema}, stream {stream}: {}", event.data))?;
    for row in &bundle.rows {
        output.line(format_args!("  read     {} {}: {}", clean(&row.table), clean(&row.key), row.row))?;
    }
    for row in &rerun.unknown {
        output.line(format_args!("  unknown  {} {}: it is not in the bundle", clean(&row.table), clean(&row.key)))?;
    }
    match &rerun.outcome {
        Ok(()) => {
            for (table, key, row) in &rerun.written {
                let row = row.as_deref().unwrap_or("deleted");
                output.line(format_args!("  written  {} {}: {}", clean(table), clean(key), clean(row)))?;
            }
            output.line(match rerun.unknown.is_empty() {
                true => "the event is handled",
                false => {
                    "the event is handled, but with rows that are not in the bundle: with those of the version, other \
                     rows may be written"
                }
            })
        }
        Err(failure) => {
            output.line(format_args!("{}: {}", failure.category.as_str(), clean(&failure.message)))?;
            failure.backtrace.iter().try_for_each(|frame| output.line(format_args!("    at {}", clean(frame))))
        }
    }
}
