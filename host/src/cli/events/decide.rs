//! `kinora decide`: a command for an aggregate, decided and appended, or only decided.

use std::path::PathBuf;

use anyhow::Context;
use kinora_client::Client;
use kinora_client::api::appends::ExpectedRevision;
use kinora_client::api::commands::{Decided, Outcome};
use serde_json::Value;

use crate::cli::events::append::expected;
use crate::cli::output::{Output, clean, note};

/// Have an aggregate decide a command
///
/// For example: kinora decide accounts 1 Deposit --data '{"cents":500}'. What its rules reject ends with 3, and with
/// the code of the rejection.
#[derive(clap::Args)]
pub struct Arguments {
    /// The decider
    decider: String,
    /// The id of the aggregate
    id: String,
    /// The name of the command
    command: String,
    /// Its data, JSON
    #[arg(long, value_name = "JSON", default_value = "{}")]
    data: String,
    /// A name for it: sent again with it, it is decided once, and answered as the first time
    #[arg(long, value_name = "TEXT")]
    id_key: Option<String>,
    /// What its stream has to be at: any, no-stream, exists, or a revision
    #[arg(long, default_value = "any", value_parser = expected)]
    expect: ExpectedRevision,
    /// Only decide, and append nothing
    #[arg(long, conflicts_with = "expect")]
    dry_run: bool,
    /// Only write everything to this file that the decision depends on, for `kinora repro`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["expect", "dry_run", "id_key"])]
    repro: Option<PathBuf>,
    /// The version that decides then, instead of the live one
    #[arg(long, value_name = "VERSION", requires = "repro")]
    version: Option<u32>,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { decider, id, command, data, id_key, expect, dry_run, repro, version } = arguments;
    serde_json::from_str::<Value>(&data).context("--data is not JSON")?;
    if let Some(file) = &repro {
        let bundle = client.command_reproduction(&decider, &id, &command, data, version).await?;
        tokio::fs::write(file, bundle.text()).await.with_context(|| format!("{} cannot be written", file.display()))?;
        note(format_args!("{command} of {id} is in {}: kinora repro {}", file.display(), file.display()));
        return Ok(());
    }
    let keyed = id_key.map(|key| client.keyed(key));
    let client = keyed.as_ref().unwrap_or(client);
    let answer = match dry_run {
        true => client.decide_dry(&decider, &id, &command, data).await?,
        false => client.decide(&decider, &id, &command, data, expect).await?,
    };
    if output.is_json() {
        return output.json(answer.text());
    }
    print(output, &answer, dry_run)
}

fn print(output: &mut Output, decided: &Decided, dry_run: bool) -> anyhow::Result<()> {
    let Decided { version, outcome, duplicate, events, .. } = decided;
    let what = match (outcome, dry_run, duplicate) {
        (Outcome::Unchanged, ..) => "unchanged: all is as it wants it",
        (Outcome::Accepted, true, _) => "would be accepted",
        (Outcome::Accepted, false, true) => "accepted before",
        (Outcome::Accepted, false, false) => "accepted",
    };
    output.line(format_args!("{what}, by version {version}"))?;
    for event in events {
        let at = event.position.map_or_else(|| "-".to_owned(), |position| position.to_string());
        let (stream, kind, data) = (clean(&event.stream), clean(&event.kind), clean(event.data.get()));
        output.line(format_args!("{at:>8}  {stream}  {kind}  {data}"))?;
    }
    Ok(())
}
