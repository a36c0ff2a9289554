//! `kinora tail`: the events of the log or of a stream, and those that come.

use std::time::Duration;

use jiff::Timestamp;
use kinora_client::api::events::{Direction, Event, ReadLog};
use kinora_client::{Client, Error};

use crate::cli::output::{Output, clean, note};
use crate::cli::problems;

/// Events of a page.
const PAGE: usize = 1_000;

/// How long to wait before a lost subscription is taken up again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Show events, from the beginning or from behind a position
///
/// For example: kinora tail --types FlightDeparted,FlightArrived --tags aircraft:N14228 --follow
#[derive(clap::Args)]
pub struct Arguments {
    /// Only the events of this stream
    #[arg(long, conflicts_with = "Selection")]
    stream: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Only events behind this position (or behind this revision of the stream)
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Only events that were appended then or later
    #[arg(long, value_name = "TIME", conflicts_with = "after")]
    from_time: Option<Timestamp>,
    /// Only the event of this id, and those behind it
    #[arg(long, value_name = "ID", conflicts_with_all = ["after", "from_time", "stream"])]
    from_id: Option<uuid::Uuid>,
    /// So many events at most
    #[arg(long, conflicts_with = "follow")]
    limit: Option<usize>,
    /// From the newest event back
    #[arg(long, conflicts_with_all = ["after", "from_time", "from_id", "follow"])]
    backwards: bool,
    /// Go on with the events that come, until you stop it
    #[arg(short, long)]
    follow: bool,
}

/// Which events of the log.
#[derive(clap::Args)]
struct Selection {
    /// Only events of any of these types, separated by commas; a name with a comma stands in double quotes
    #[arg(long, value_name = "TYPES")]
    types: Option<String>,
    /// Only events that have all of these tags, separated by commas; a tag with a comma stands in double quotes
    #[arg(long, value_name = "TAGS")]
    tags: Option<String>,
    /// Only events of streams whose names begin so
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { stream, selection, after, from_time, from_id, limit, backwards, follow } = arguments;
    let stream = stream.as_deref();
    let Selection { types, tags, prefix } = selection;
    let direction = if backwards { Direction::Backwards } else { Direction::Forwards };
    let read =
        ReadLog { after, from_time, from_id, direction, types, tags, stream_prefix: prefix, ..ReadLog::default() };
    if follow {
        return self::follow(client, output, stream, &read).await;
    }
    let mut left = limit.unwrap_or(usize::MAX);
    let read = ReadLog { limit: Some(left.clamp(1, PAGE)), ..read };
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
async fn follow(client: &Client, output: &mut Output, stream: Option<&str>, read: &ReadLog) -> anyhow::Result<()> {
    let mut last: Option<String> = None;
    let mut connected = false;
    loop {
        let subscribed = match stream {
            Some(stream) => client.follow_stream(stream, read, last.as_deref()).await,
            None => client.follow_log(read, last.as_deref()).await,
        };
        match subscribed {
            Ok(mut messages) => {
                connected = true;
                while let Ok(Some(message)) = messages.next().await {
                    if message.kind == "event" {
                        print(output, &message.read()?)?;
                        output.flush()?;
                        last = Some(message.id);
                    } else if message.kind == "problem" {
                        note(problems::tell(&message.read()?, None));
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
