//! `kinora promote`, `rollback`, `review`, `pause`, `resume`, `retry`, `abort`, `retire`, `set`: moving traffic, and
//! ending versions.

use clap::ValueEnum;
use kinora_client::api::projections::{Projection, SettingsChange};
use kinora_client::api::rollouts::Promotion;
use kinora_client::api::versions::State;
use kinora_client::api::{projections, rollouts};
use kinora_client::{Answer, Client};

use crate::cli::output::{Output, REQUIRED, note};
use crate::cli::rollouts::gates::newest;
use crate::cli::rollouts::once::once;

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
    /// Only if this version is live now [default: the one that was when this command looked]
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
    /// The version [default: the newest one]
    version: Option<u32>,
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
    /// How a version answers that stopped at a fault, or is paused
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
    /// Only if this version is live now [default: the one that was when this command looked]
    #[arg(long, value_name = "VERSION")]
    expected_live: Option<u32>,
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
    let skip = rollouts::Skip { position, reason, expected_live: None };
    print(output, &once(client, async |client| client.skip(&name, version, &skip).await).await?)
}

pub async fn promote(client: &Client, output: &mut Output, arguments: Promote) -> anyhow::Result<()> {
    let Promote { name, version, expected_live, force } = arguments;
    let status = client.projection(&name).await?;
    let newest = || status.newest_that_is(&State::Ready).map(|version| version.version);
    let version = version.or_else(newest).ok_or_else(|| {
        anyhow::anyhow!("no version of {name} is ready: see `kinora status {name}`, or name a version on standby")
    })?;
    let expected_live = expected_live.or(status.live);
    if let Some(live) = expected_live.filter(|live| *live != version) {
        note(format_args!("version {version} in the place of version {live}"));
    }
    let promotion = Promotion { expected_live, force };
    print(output, &once(client, async |client| client.promote(&name, version, &promotion).await).await?)
}

pub async fn rollback(client: &Client, output: &mut Output, arguments: Rollback) -> anyhow::Result<()> {
    let Rollback { name, expected_live } = arguments;
    let status = client.projection(&name).await?;
    let expected_live = expected_live.or(status.live);
    if let (Some(live), Some(previous)) = (expected_live, status.previous) {
        note(format_args!("back from version {live} to version {previous}"));
    }
    let change = rollouts::Change { expected_live };
    print(output, &once(client, async |client| client.rollback(&name, &change).await).await?)
}

pub async fn review(client: &Client, output: &mut Output, arguments: Review) -> anyhow::Result<()> {
    let Review { name, version, against } = arguments;
    let version = match version {
        Some(version) => version,
        None => newest(client, &name).await?,
    };
    let review = rollouts::Review { against, expected_live: None };
    print(output, &once(client, async |client| client.review(&name, version, &review).await).await?)
}

pub async fn set(client: &Client, output: &mut Output, arguments: Set) -> anyhow::Result<()> {
    let change = SettingsChange {
        retain: arguments.retain.map(|Retain(versions)| versions),
        on_fault: arguments.on_fault.map(|on_fault| match on_fault {
            OnFault::Refuse => projections::OnFault::Refuse,
            OnFault::Stale => projections::OnFault::Stale,
        }),
        expected_live: None,
    };
    let status = once(client, async |client| client.set(&arguments.name, &change).await).await?;
    if output.is_json() {
        return output.json(status.text());
    }
    let retain = status.retain.map_or_else(|| "all".to_owned(), |versions| versions.to_string());
    output.line(format_args!("{}: retain {retain}, on fault {}", status.name, status.on_fault))
}

pub async fn change(client: &Client, output: &mut Output, of: OfVersion, change: Change) -> anyhow::Result<()> {
    let OfVersion { name, version } = of;
    let plain = rollouts::Change::default();
    let status = once(client, async |client| match change {
        Change::Pause => client.pause(&name, version, &plain).await,
        Change::Resume => client.resume(&name, version, &plain).await,
        Change::Retry => client.retry(&name, version, &plain).await,
        Change::Abort => client.abort(&name, version, &plain).await,
        Change::Retire => client.retire(&name, version, &plain).await,
    });
    print(output, &status.await?)
}

fn print(output: &mut Output, status: &Answer<Projection>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(status.text());
    }
    let states: Vec<_> =
        status.versions.iter().map(|version| format!("version {} {}", version.version, version.state)).collect();
    output.line(format_args!("{}: {}", status.name, states.join(", ")))
}
