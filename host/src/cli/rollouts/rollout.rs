//! `kinora promote`, `rollback`, `review`, `pause`, `resume`, `retry`, `abort`, `retire`, `set`: moving traffic, and
//! ending versions.

use clap::ValueEnum;
use kinora_client::api::projections::{Projection, SettingsChange};
use kinora_client::api::rollouts::Promotion;
use kinora_client::api::versions::State;
use kinora_client::api::{projections, rollouts};
use kinora_client::{Answer, Client};

use crate::cli::output::{Output, REQUIRED};

/// Make a version live, in one step; the one that was live keeps projecting on standby
///
/// It has to be ready, or on standby, and its gates have to be open. For example: kinora promote ontime;
/// or only if nobody was faster: kinora promote ontime 3 --expected-live 2
#[derive(clap::Args)]
pub struct Promote {
    /// The projection
    pub name: String,
    /// The version [default: the newest one that is ready]
    version: Option<u32>,
    /// Only if this version is live now
    #[arg(long, value_name = "VERSION")]
    expected_live: Option<u32>,
    /// Whatever its gates say; the history notes it
    #[arg(long)]
    force: bool,
}

/// Say that what differs from the live version is right, for a version that was deployed with --reviewed
///
/// For example, after a look at kinora diff ontime: kinora review ontime 3 --reason "delays are in UTC now"
#[derive(clap::Args)]
pub struct Review {
    /// The projection
    pub name: String,
    /// The version
    version: u32,
    /// The version that it was compared with [default: the live one]
    #[arg(long, value_name = "VERSION")]
    against: Option<u32>,
}

/// Change what holds for all versions of a projection
///
/// For example: kinora set ontime --retain 2 --on-fault stale
#[derive(clap::Args)]
pub struct Set {
    /// The projection
    pub name: String,
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
///
/// It has kept projecting, so its rows are not old. For example: kinora rollback ontime
#[derive(clap::Args)]
pub struct Rollback {
    /// The projection
    pub name: String,
}

// Each command that takes it says in `Command` what it does.
#[derive(clap::Args)]
pub struct OfVersion {
    /// The projection
    pub name: String,
    /// The version
    version: u32,
}

/// Let a version that stopped at an event go on behind it; the reason is shown for ever after
///
/// For example: kinora skip ontime 2 40121 --reason "a test flight that never was"
#[derive(clap::Args)]
pub struct Skip {
    /// The projection
    pub name: String,
    /// The version
    version: u32,
    /// The position at which it stopped
    position: u64,
    /// Why it is right to pass over this event
    #[arg(long, value_name = "TEXT", help_heading = REQUIRED)]
    reason: String,
}

/// What can be done with a version in a word.
#[derive(Clone, Copy)]
pub enum Change {
    Pause,
    Resume,
    Retry,
    Abort,
    Retire,
}

pub async fn skip(client: &Client, output: &mut Output, arguments: Skip) -> anyhow::Result<()> {
    let Skip { name, version, position, reason } = arguments;
    print(output, &client.skip(&name, version, &rollouts::Skip { position, reason }).await?)
}

pub async fn promote(client: &Client, output: &mut Output, arguments: Promote) -> anyhow::Result<()> {
    let Promote { name, version, expected_live, force } = arguments;
    let version = match version {
        Some(version) => version,
        None => {
            let status = client.projection(&name).await?;
            let newest = status.newest_that_is(&State::Ready).map(|version| version.version);
            newest.ok_or_else(|| {
                anyhow::anyhow!(
                    "no version of {name} is ready: see `kinora status {name}`, or name a version on standby"
                )
            })?
        }
    };
    print(output, &client.promote(&name, version, &Promotion { expected_live, force }).await?)
}

pub async fn rollback(client: &Client, output: &mut Output, arguments: Rollback) -> anyhow::Result<()> {
    print(output, &client.rollback(&arguments.name).await?)
}

pub async fn review(client: &Client, output: &mut Output, arguments: Review) -> anyhow::Result<()> {
    let Review { name, version, against } = arguments;
    print(output, &client.review(&name, version, &rollouts::Review { against }).await?)
}

pub async fn set(client: &Client, output: &mut Output, arguments: Set) -> anyhow::Result<()> {
    let change = SettingsChange {
        retain: arguments.retain.map(|Retain(versions)| versions),
        on_fault: arguments.on_fault.map(|on_fault| match on_fault {
            OnFault::Refuse => projections::OnFault::Refuse,
            OnFault::Stale => projections::OnFault::Stale,
        }),
    };
    let status = client.set(&arguments.name, &change).await?;
    if output.is_json() {
        return output.json(status.text());
    }
    let retain = status.retain.map_or_else(|| "all".to_owned(), |versions| versions.to_string());
    output.line(format_args!("{}: retain {retain}, on fault {}", status.name, status.on_fault))
}

pub async fn change(client: &Client, output: &mut Output, of: OfVersion, change: Change) -> anyhow::Result<()> {
    let OfVersion { name, version } = of;
    let status = match change {
        Change::Pause => client.pause(&name, version).await?,
        Change::Resume => client.resume(&name, version).await?,
        Change::Retry => client.retry(&name, version).await?,
        Change::Abort => client.abort(&name, version).await?,
        Change::Retire => client.retire(&name, version).await?,
    };
    print(output, &status)
}

fn print(output: &mut Output, status: &Answer<Projection>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(status.text());
    }
    let states: Vec<_> =
        status.versions.iter().map(|version| format!("version {} {}", version.version, version.state)).collect();
    output.line(format_args!("{}: {}", status.name, states.join(", ")))
}
