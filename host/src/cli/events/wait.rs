//! `kinora wait`: until a host is there, or a projection has applied what was appended.

use std::time::Duration;

use kinora_client::{Client, Error};
use tokio::time::Instant;

use crate::cli::outcome::Faulted;
use crate::cli::output::{Output, note};

/// How often it is looked.
const POLL: Duration = Duration::from_millis(100);

/// Wait until the host answers, or until a projection has applied what the log has
///
/// Ends with 4 if the time is up before. For example, after kinora serve &: kinora wait; after an append: kinora wait
/// ontime
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection whose live version is waited for
    pub name: Option<String>,
    /// Until it has applied the event at this position [default: the last one that there is]
    #[arg(long, value_name = "POSITION", requires = "name")]
    position: Option<u64>,
    /// Seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    timeout: f64,
}

/// The time is up.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TimeIsUp(String);

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { name, position, timeout } = arguments;
    let patience =
        Duration::try_from_secs_f64(timeout).map_err(|_| anyhow::anyhow!("--timeout is a number of seconds"))?;
    let ends = Instant::now() + patience;
    loop {
        match client.health().await {
            Ok(_) => break,
            Err(error @ (Error::Unreachable { .. } | Error::Lost { .. })) if Instant::now() >= ends => {
                return Err(error.into());
            }
            Err(Error::Unreachable { .. } | Error::Lost { .. }) => tokio::time::sleep(POLL).await,
            Err(error) => return Err(error.into()),
        }
    }
    let Some(name) = name else {
        note(format_args!("the host is there"));
        return Ok(());
    };
    // Positions begin at 0: so many events have to be applied.
    let wanted = match position {
        Some(position) => position.saturating_add(1),
        None => client.log().await?.events,
    };
    loop {
        let projection = client.projection(&name).await?;
        let live = projection.versions.iter().find(|version| Some(version.version) == projection.live);
        let applied = live.and_then(|live| live.checkpoint).map_or(0, |last| last.saturating_add(1));
        if let Some(fault) = live.and_then(|live| live.fault.clone()) {
            let version = live.map_or(0, |live| live.version);
            return Err(Faulted { projection: name, version, fault }.into());
        }
        if applied >= wanted && live.is_some() {
            return output.line(format_args!("{name}: {applied} events applied"));
        }
        if Instant::now() >= ends {
            let now = live.map_or_else(|| "has no live version".to_owned(), |_| format!("has applied {applied}"));
            return Err(TimeIsUp(format!("{name} {now}, of {wanted} events; kinora status {name} says more")).into());
        }
        tokio::time::sleep(POLL).await;
    }
}
