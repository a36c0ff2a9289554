//! `kinora tail`: the events of the log or of a stream, and those that come.

use std::time::Duration;

use eventsource_stream::Eventsource;
use futures::StreamExt;

use crate::cli::answers::{Event, Events};
use crate::cli::client::{Client, Error, next_page, with_parameters};
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
    let url = match &arguments.stream {
        Some(stream) => client.url(&["v1", "streams", stream, "events"])?,
        None => client.url(&["v1", "events"])?,
    };
    let after = arguments.after.map(|after| ("after", after.to_string()));
    if arguments.follow {
        return follow(client, output, with_parameters(url, after)).await;
    }
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut url = with_parameters(url, after.into_iter().chain([("limit", left.clamp(1, PAGE).to_string())]));
    while left > 0 {
        let page: Events = client.get(url.clone()).await?.parse()?;
        for event in page.events.iter().take(left) {
            print(output, event.get())?;
        }
        left = left.saturating_sub(page.events.len());
        match page.next {
            Some(next) => url = next_page(&url, &next),
            None => break,
        }
    }
    Ok(())
}

/// Follows until somebody stops it. A subscription that breaks is taken up behind the last event.
async fn follow(client: &Client, output: &mut Output, url: reqwest::Url) -> anyhow::Result<()> {
    let mut last: Option<String> = None;
    let mut connected = false;
    loop {
        let subscribed = client.subscribe(url.clone(), last.as_deref()).await;
        match subscribed {
            Ok(response) => {
                connected = true;
                let mut messages = response.bytes_stream().eventsource();
                while let Some(Ok(message)) = messages.next().await {
                    if message.event == "event" {
                        print(output, &message.data)?;
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

fn print(output: &mut Output, json: &str) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(json);
    }
    let event: Event = serde_json::from_str(json)?;
    let (position, revision, schema) = (event.position, event.revision, event.schema);
    let (stream, kind, data) = (clean(&event.stream), clean(&event.kind), event.data.get());
    output.line(format_args!("{position:>8}  {stream} {revision}  {kind}/{schema}  {data}"))
}
