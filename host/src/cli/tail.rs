//! `kinora tail`: the events of the log or of a stream, and those that come.

use std::time::Duration;

use kinora_client::api::events::{Event, ReadLog};
use kinora_client::{Client, Error};

use crate::cli::output::{Output, clean, note};

/// Events of a page.
const PAGE: usize = 1_000;

/// How long to wait before a lost subscription is taken up again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Show events, from the beginning or from behind a position
#[derive(clap::Args)]
pub struct Arguments {
    /// Only the events of this stream
    #[arg(long)]
    stream: Option<String>,
    /// Only events behind this position (or behind this revision of the stream)
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// So many events at most
    #[arg(long, conflicts_with = "follow")]
    limit: Option<usize>,
    /// Go on with the events that come, until you stop it
    #[arg(short, long)]
    follow: bool,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { stream, after, limit, follow } = arguments;
    let stream = stream.as_deref();
    if follow {
        return self::follow(client, output, stream, after).await;
    }
    let mut left = limit.unwrap_or(usize::MAX);
    let read = ReadLog { after, limit: Some(left.clamp(1, PAGE)), ..ReadLog::default() };
    let mut page = None;
    while left > 0 {
        let next = match (&page, stream) {
            (Some(page), _) => client.next(page).await?,
            (None, Some(stream)) => Some(client.read_stream(stream, &read).await?),
            (None, None) => Some(client.read_log(&read).await?),
        };
        let Some(next) = next else { break };
        for event in next.events.iter().take(left) {
            print(output, event)?;
        }
        left = left.saturating_sub(next.events.len());
        page = Some(next);
    }
    Ok(())
}

/// Follows until somebody stops it. A subscription that breaks is taken up behind the last event.
async fn follow(client: &Client, output: &mut Output, stream: Option<&str>, after: Option<u64>) -> anyhow::Result<()> {
    let read = ReadLog { after, ..ReadLog::default() };
    let mut last: Option<String> = None;
    let mut connected = false;
    loop {
        let subscribed = match stream {
            Some(stream) => client.follow_stream(stream, &read, last.as_deref()).await,
            None => client.follow_log(&read, last.as_deref()).await,
        };
        match subscribed {
            Ok(mut messages) => {
                connected = true;
                while let Ok(Some(message)) = messages.next().await {
                    if message.kind == "event" {
                        print(output, &message.read()?)?;
                        output.flush()?;
                        last = Some(message.id);
                    }
                }
                note("the subscription broke off; trying again");
            }
            // A host that restarts comes back.
            Err(Error::Unreachable { .. } | Error::Lost { .. }) if connected => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

fn print(output: &mut Output, event: &Event) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(&serde_json::to_string(event)?);
    }
    let (position, revision, schema) = (event.position, event.revision, event.schema);
    let (stream, kind, data) = (clean(&event.stream), clean(&event.kind), event.data.get());
    output.line(format_args!("{position:>8}  {stream} {revision}  {kind}/{schema}  {data}"))
}
