//! `kinora promote`, `rollback`, `pause`, `resume`, `retire`: moving traffic, and ending versions.

use serde_json::json;

use super::answers::{ProjectionStatus, State};
use super::client::{Answer, Client};
use super::output::Output;

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
}

/// Go back to the version that was live before, in one step
#[derive(clap::Args)]
pub struct Rollback {
    /// The projection
    name: String,
}

/// pause: stop projecting, keep the rows; resume: go on, also after a fault; retire: end it and remove its rows
#[derive(clap::Args)]
pub struct OfVersion {
    /// The projection
    name: String,
    /// The version
    version: u64,
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
    let body = match arguments.expected_live {
        Some(expected) => json!({"expected_live": expected}),
        None => json!({}),
    };
    print(output, &client.post_json(url, &body).await?)
}

pub async fn rollback(client: &Client, output: &mut Output, arguments: Rollback) -> anyhow::Result<()> {
    let url = client.url(&["v1", "projections", &arguments.name, "rollback"])?;
    print(output, &client.post(url).await?)
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
