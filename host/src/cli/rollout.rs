//! `kinora promote`, `rollback`, `review`, `pause`, `resume`, `retry`, `abort`, `retire`, `set`: moving traffic, and ending
//! versions.

use clap::ValueEnum;
use serde_json::json;

use crate::cli::answers::{ProjectionStatus, State};
use crate::cli::client::{Answer, Client};
use crate::cli::output::Output;

/// Make a version live, in one step
#[derive(clap::Args)]
pub struct Promote {
    /// The projection
    name: String,
    /// The version [default: the newest one that is ready]
    version: Option<u64>,
    /// Only if this version is live now
    #[arg(long, value_name = "VERSION")]
    expected_live: Option<u64>,
    /// Whatever its gates say; the history notes it
    #[arg(long)]
    force: bool,
}

/// Say that what differs from the live version is right
#[derive(clap::Args)]
pub struct Review {
    /// The projection
    name: String,
    /// The version
    version: u64,
    /// The version that it was compared with [default: the live one]
    #[arg(long, value_name = "VERSION")]
    against: Option<u64>,
}

/// Change what holds for all versions of a projection
#[derive(clap::Args)]
pub struct Set {
    /// The projection
    name: String,
    /// Versions on standby to keep, or `all`
    #[arg(long, value_name = "VERSIONS", value_parser = retain)]
    retain: Option<Retain>,
    /// How a version answers that stopped at a fault
    #[arg(long, value_enum)]
    on_fault: Option<OnFault>,
}

#[derive(Clone, Copy)]
pub struct Retain(Option<u32>);

fn retain(text: &str) -> Result<Retain, String> {
    match text {
        "all" => Ok(Retain(None)),
        number => number.parse().map(|number| Retain(Some(number))).map_err(|_| "it is a number, or `all`".to_owned()),
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum OnFault {
    /// Not at all
    Refuse,
    /// With the rows that it has, and a warning
    Stale,
}

/// Go back to the version that was live before, in one step
#[derive(clap::Args)]
pub struct Rollback {
    /// The projection
    name: String,
}

/// pause: stop projecting, keep the rows; resume: go on, also after a fault; retry: begin anew; abort: end it before it was
/// ever live; retire: end it and remove its rows
#[derive(clap::Args)]
pub struct OfVersion {
    /// The projection
    name: String,
    /// The version
    version: u64,
}

/// Let a version that stopped at an event go on behind it; the reason is shown for ever after
#[derive(clap::Args)]
pub struct Skip {
    /// The projection
    name: String,
    /// The version
    version: u64,
    /// The position at which it stopped
    position: u64,
    /// Why it is right to pass over this event
    #[arg(long)]
    reason: String,
}

pub async fn skip(client: &Client, output: &mut Output, arguments: Skip) -> anyhow::Result<()> {
    let Skip { name, version, position, reason } = arguments;
    let url = client.url(&["v1", "projections", &name, "versions", &version.to_string(), "skip"])?;
    print(output, &client.post_json(url, &json!({"position": position, "reason": reason})).await?)
}

pub async fn promote(client: &Client, output: &mut Output, arguments: Promote) -> anyhow::Result<()> {
    let version = match arguments.version {
        Some(version) => version,
        None => {
            let url = client.url(&["v1", "projections", &arguments.name])?;
            let status: ProjectionStatus = client.get(url).await?.parse()?;
            let newest = status.newest_that_is(&State::Ready).map(|version| version.version);
            newest.ok_or_else(|| {
                anyhow::anyhow!(
                    "no version of {0} is ready: see `kinora status {0}`, or name a version on standby",
                    arguments.name
                )
            })?
        }
    };
    let url = client.url(&["v1", "projections", &arguments.name, "versions", &version.to_string(), "promote"])?;
    let body = json!({"force": arguments.force, "expected_live": arguments.expected_live});
    print(output, &client.post_json(url, &body).await?)
}

pub async fn rollback(client: &Client, output: &mut Output, arguments: Rollback) -> anyhow::Result<()> {
    let url = client.url(&["v1", "projections", &arguments.name, "rollback"])?;
    print(output, &client.post(url).await?)
}

pub async fn review(client: &Client, output: &mut Output, arguments: Review) -> anyhow::Result<()> {
    let version = arguments.version.to_string();
    let url = client.url(&["v1", "projections", &arguments.name, "versions", &version, "review"])?;
    print(output, &client.post_json(url, &json!({"against": arguments.against})).await?)
}

pub async fn set(client: &Client, output: &mut Output, arguments: Set) -> anyhow::Result<()> {
    let mut body = serde_json::Map::new();
    if let Some(Retain(retain)) = arguments.retain {
        body.insert("retain".into(), json!(retain));
    }
    if let Some(on_fault) = arguments.on_fault {
        body.insert("on_fault".into(), json!(if matches!(on_fault, OnFault::Stale) { "stale" } else { "refuse" }));
    }
    let url = client.url(&["v1", "projections", &arguments.name])?;
    let answer = client.patch_json(url, &body.into()).await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let status: ProjectionStatus = answer.parse()?;
    let retain = status.retain.map_or_else(|| "all".to_owned(), |versions| versions.to_string());
    let on_fault = status.on_fault.unwrap_or_else(|| "unknown".into());
    output.line(format_args!("{}: retain {retain}, on fault {on_fault}", status.name))
}

pub async fn change(client: &Client, output: &mut Output, arguments: OfVersion, what: &str) -> anyhow::Result<()> {
    let version = arguments.version.to_string();
    let url = client.url(&["v1", "projections", &arguments.name, "versions", &version, what])?;
    print(output, &client.post(url).await?)
}

fn print(output: &mut Output, answer: &Answer) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let status: ProjectionStatus = answer.parse()?;
    let states: Vec<_> =
        status.versions.iter().map(|version| format!("version {} {}", version.version, version.state)).collect();
    output.line(format_args!("{}: {}", status.name, states.join(", ")))
}
