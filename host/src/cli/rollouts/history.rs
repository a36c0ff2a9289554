//! `kinora history`: who did what with a projection, when and why.

use kinora_client::api::events::EventPage;
use kinora_client::api::projections::ReadHistory;
use kinora_client::{Answer, Client};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::output::{Output, cell, clean, table};

/// Entries of a page.
const PAGE: usize = 1_000;

/// Show who did what with a projection, when and why
///
/// For example: kinora history ontime
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    pub name: String,
}

/// What an entry says, whatever it is about.
#[derive(Deserialize)]
struct Data {
    at: Box<RawValue>,
    who: Option<String>,
    why: Option<String>,
    version: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let first = client.history(&arguments.name, &ReadHistory { from: None, limit: Some(PAGE) }).await?;
    print(client, output, first).await
}

/// Prints a history from this page on.
pub async fn print(client: &Client, output: &mut Output, first: Answer<EventPage>) -> anyhow::Result<()> {
    let mut found = table(&["position", "at", "what", "version", "who", "why"], &[0]).spare(&[5, 4]);
    let mut page = Some(first);
    while let Some(entries) = page {
        for event in &entries.events {
            if output.is_json() {
                output.json(&serde_json::to_string(event)?)?;
                continue;
            }
            let data: Data = serde_json::from_str(event.data.get())?;
            let number = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            let version = match data.to {
                Some(to) => format!("{} -> {to}", number(data.from)),
                None => data.version.map_or_else(String::new, |version| version.to_string()),
            };
            let what = event.kind.rsplit('.').next().unwrap_or(&event.kind);
            let [who, why] = [data.who, data.why].map(|text| clean(&text.unwrap_or_default()));
            found.add_row([event.position.to_string(), seconds(&cell(&data.at)), clean(what), version, who, why]);
        }
        page = client.next(&entries).await?;
    }
    if output.is_json() { Ok(()) } else { output.table(&found) }
}

/// A moment as people read it, without the parts of a second.
fn seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}
