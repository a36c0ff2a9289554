//! `kinora upcasters`: what upcasters would do with all of history, and the projections that should follow.

use std::path::PathBuf;

use clap::Subcommand;
use kinora_client::api::upcasters::{
    After, Arrival, AskDryRun, DryRun, Follow, FollowOutcome, FollowOutcomes, Outcome, Upcast, Upcasting,
};
use kinora_client::{Client, Error};
use serde_json::value::RawValue;

use crate::cli::output::{Output, REQUIRED, clean, table};
use crate::cli::problems::tell;
use crate::cli::rollouts::deploy::When;
use crate::cli::rollouts::uploads::{find, upload};

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
    /// Ends with 5 if one of them cannot be upcast. For example: kinora upcasters dry-run departures.wasm --samples 2
    DryRun {
        /// The upcasters, as WebAssembly
        #[arg(required = true, value_name = "FILE")]
        upcasters: Vec<PathBuf>,
        /// Events of each type to show before and after
        #[arg(long, default_value_t = 1)]
        samples: usize,
    },
    /// Show what the upcasters of a version make of one event, call by call
    ///
    /// For example: kinora upcasters trace ontime 2 17
    Trace {
        /// The projection
        projection: String,
        /// The version
        version: u32,
        /// Of the event
        position: u64,
    },
    /// Deploy a new version of every projection that works with an upcaster, with another in its place
    ///
    /// For example: kinora upcasters follow departures.wasm --replaces 3f9a --promote when-ready
    Follow {
        /// The new upcaster, as WebAssembly
        #[arg(value_name = "FILE")]
        upcaster: PathBuf,
        /// The digest of the upcaster that it replaces, or the beginning of it
        #[arg(long, value_name = "DIGEST", help_heading = REQUIRED)]
        replaces: String,
        /// Who decides that the new versions go live
        #[arg(long, value_enum, default_value_t = When::Manual)]
        promote: When,
    },
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::DryRun { upcasters, samples } => dry_run(client, output, &upcasters, samples).await,
        Command::Trace { projection, version, position } => {
            let found = client.upcasting(&projection, version, position).await?;
            if output.is_json() { output.json(found.text()) } else { trace(output, &found) }
        }
        Command::Follow { upcaster, replaces, promote } => {
            let replaces = find(client, &replaces).await?;
            let replaces = match replaces.parse() {
                Ok(digest) => digest,
                // The host says it best.
                Err(_) => client.module(&replaces).await?.digest,
            };
            let (upcaster, promote) = (upload(client, &upcaster).await?.digest, promote.promote());
            let answer = client.follow_upcaster(&Follow { upcaster, replaces, promote }).await?;
            if output.is_json() {
                return output.json(answer.text());
            }
            follow(output, answer.into_value())
        }
    }
}

async fn dry_run(client: &Client, output: &mut Output, files: &[PathBuf], samples: usize) -> anyhow::Result<()> {
    let mut upcasters = Vec::new();
    for file in files {
        upcasters.push(upload(client, file).await?.digest);
    }
    let found = client.dry_run_upcasters(&AskDryRun { upcasters, samples: Some(samples) }).await?;
    if output.is_json() {
        output.json(found.text())?;
    } else {
        print(output, &found)?;
    }
    output.flush()?;
    let failed: u64 = found.types.iter().map(|outcome| outcome.failed).sum();
    if failed > 0 { Err(crate::cli::outcome::NotUpcast { failed }.into()) } else { Ok(()) }
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
        for Upcast { position, before, after, .. } in &outcome.samples {
            output.line(format_args!(
                "{position:>8}  {}/{}  {}",
                clean(&outcome.kind),
                outcome.schema,
                clean(json(before.as_deref()))
            ))?;
            events(output, "      ->", after)?;
        }
    }
    Ok(())
}

fn events(output: &mut Output, sign: &str, all: &[After]) -> anyhow::Result<()> {
    for After { kind, schema, data } in all {
        output.line(format_args!("{sign}  {}/{schema}  {}", clean(kind), clean(json(data.as_deref()))))?;
    }
    Ok(())
}

fn trace(output: &mut Output, found: &Upcasting) -> anyhow::Result<()> {
    for call in &found.calls {
        output.line(clean(&call.name))?;
        events(output, "    ", &call.takes)?;
        events(output, "  ->", &call.makes)?;
    }
    let reason = found.reason.as_ref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
    let outcome = match found.outcome {
        Arrival::Handled if found.arrives.is_empty() => "the upcasters drop it",
        Arrival::Handled => "the projector gets",
        Arrival::PassedOver => "the projector passes over it",
        Arrival::Skipped => "this event is skipped",
        Arrival::NoRoute | Arrival::Failed => "the version stops there",
    };
    output.line(format_args!("{outcome}{reason}"))?;
    events(output, "    ", &found.arrives)
}

fn json(data: Option<&RawValue>) -> &str {
    data.map_or("null", RawValue::get)
}

fn follow(output: &mut Output, followed: FollowOutcomes) -> anyhow::Result<()> {
    let mut refused = None;
    for FollowOutcome { projection, version, problem } in followed.projections {
        if let Some(version) = version {
            output.line(format_args!("{projection} version {}: {}", version.version, version.state))?;
        }
        if let Some(problem) = problem {
            output.line(format_args!("{projection}: {}", tell(&problem, Some(&projection))))?;
            refused = Some(problem);
        }
    }
    output.flush()?;
    refused.map_or(Ok(()), |problem| Err(Error::Refused(Box::new(problem)).into()))
}
