//! `kinora upcasters`: what upcasters would do with all of history, and the projections that should follow.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::cli::answers::VersionStatus;
use crate::cli::client::{Client, Error, Problem};
use crate::cli::deploy::{When, upload};
use crate::cli::modules::find;
use crate::cli::output::{Output, clean, table};

/// See what upcasters would do with all of history, and let projections follow
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run upcasters over every event that they take, and show what would come of it
    ///
    /// Ends with 5 if one of them cannot be upcast.
    DryRun {
        /// The upcasters, as WebAssembly
        #[arg(required = true, value_name = "FILE")]
        upcasters: Vec<PathBuf>,
        /// Events of each type to show before and after
        #[arg(long, default_value_t = 1)]
        samples: usize,
    },
    /// Deploy a new version of every projection that works with an upcaster, with another in its place
    Follow {
        /// The new upcaster, as WebAssembly
        #[arg(value_name = "FILE")]
        upcaster: PathBuf,
        /// The digest of the upcaster that it replaces, or the beginning of it
        #[arg(long, value_name = "DIGEST")]
        replaces: String,
        /// Who decides that the new versions go live
        #[arg(long, value_enum, default_value_t = When::Manual)]
        promote: When,
    },
}

#[derive(Deserialize)]
struct DryRun {
    types: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(rename = "type")]
    kind: String,
    schema: u32,
    events: u64,
    outputs: BTreeMap<String, u64>,
    dropped: u64,
    failed: u64,
    failures: Vec<Failed>,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Failed {
    position: u64,
    message: String,
}

#[derive(Deserialize)]
struct Sample {
    position: u64,
    before: Box<RawValue>,
    after: Vec<After>,
}

#[derive(Deserialize)]
struct After {
    #[serde(rename = "type")]
    kind: String,
    schema: u32,
    data: Box<RawValue>,
}

#[derive(Deserialize)]
struct Followed {
    projections: Vec<Follower>,
}

#[derive(Deserialize)]
struct Follower {
    projection: String,
    version: Option<VersionStatus>,
    problem: Option<Problem>,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::DryRun { upcasters, samples } => dry_run(client, output, &upcasters, samples).await,
        Command::Follow { upcaster, replaces, promote } => {
            let (replaces, upcaster) = (find(client, &replaces).await?, upload(client, &upcaster).await?.digest);
            let body = json!({"upcaster": upcaster, "replaces": replaces, "promote": promote.as_str()});
            let answer = client.post_json(client.url(&["v1", "upcasters", "follow"])?, &body).await?;
            if output.is_json() {
                return output.json(answer.text());
            }
            follow(output, answer.parse()?)
        }
    }
}

async fn dry_run(client: &Client, output: &mut Output, files: &[PathBuf], samples: usize) -> anyhow::Result<()> {
    let mut upcasters = Vec::new();
    for file in files {
        upcasters.push(upload(client, file).await?.digest);
    }
    let body = json!({"upcasters": upcasters, "samples": samples});
    let answer = client.post_json(client.url(&["v1", "upcasters", "dry-run"])?, &body).await?;
    let found: DryRun = answer.parse()?;
    if output.is_json() {
        output.json(answer.text())?;
    } else {
        print(output, &found)?;
    }
    output.flush()?;
    let failed: u64 = found.types.iter().map(|outcome| outcome.failed).sum();
    if failed > 0 { Err(crate::cli::NotUpcast { failed }.into()) } else { Ok(()) }
}

fn print(output: &mut Output, found: &DryRun) -> anyhow::Result<()> {
    let mut overview = table(&["event", "schema", "events", "dropped", "failed", "becomes"], &[1, 2, 3, 4]);
    for outcome in &found.types {
        let outputs = outcome.outputs.iter().map(|(kind, count)| format!("{} ({count})", clean(kind)));
        let Outcome { kind, schema, events, dropped, failed, .. } = outcome;
        let counts = [u64::from(*schema), *events, *dropped, *failed].map(|count| count.to_string());
        let outputs = outputs.collect::<Vec<_>>().join(", ");
        overview.add_row(std::iter::once(clean(kind)).chain(counts).chain([outputs]));
    }
    output.table(&overview)?;
    for outcome in &found.types {
        for failed in &outcome.failures {
            output.line(format_args!("failed at position {}: {}", failed.position, clean(&failed.message)))?;
        }
        for Sample { position, before, after } in &outcome.samples {
            output.line(format_args!(
                "{position:>8}  {}/{}  {}",
                clean(&outcome.kind),
                outcome.schema,
                clean(before.get())
            ))?;
            for After { kind, schema, data } in after {
                output.line(format_args!("      ->  {}/{schema}  {}", clean(kind), clean(data.get())))?;
            }
        }
    }
    Ok(())
}

fn follow(output: &mut Output, followed: Followed) -> anyhow::Result<()> {
    let mut refused = None;
    for Follower { projection, version, problem } in followed.projections {
        if let Some(version) = version {
            output.line(format_args!("{projection} version {}: {}", version.version, version.state))?;
        }
        if let Some(problem) = problem {
            output.line(format_args!("{projection}: {problem}"))?;
            refused = Some(problem);
        }
    }
    output.flush()?;
    refused.map_or(Ok(()), |problem| Err(Error::Refused(Box::new(problem)).into()))
}
