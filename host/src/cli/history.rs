//! `kinora history`: who did what with a projection, when and why.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::client::{Client, next_page, with_parameters};
use crate::cli::output::{Output, cell, clean, table};

/// Show who did what with a projection, when and why
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    name: String,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

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
    let url = client.url(&["v1", "projections", &arguments.name, "history"])?;
    let mut url = with_parameters(url, [("limit", "1000".to_owned())]);
    let mut found = table(&["position", "at", "what", "version", "who", "why"], &[0]);
    loop {
        let page: Page = client.get(url.clone()).await?.parse()?;
        for event in &page.events {
            if output.is_json() {
                output.json(event.get())?;
                continue;
            }
            let Entry { position, kind, data } = serde_json::from_str(event.get())?;
            let number = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            let version = match data.to {
                Some(to) => format!("{} -> {to}", number(data.from)),
                None => data.version.map_or_else(String::new, |version| version.to_string()),
            };
            let what = kind.rsplit('.').next().unwrap_or(&kind);
            let [who, why] = [data.who, data.why].map(|text| clean(&text.unwrap_or_default()));
            found.add_row([position.to_string(), cell(&data.at), clean(what), version, who, why]);
        }
        match page.next {
            Some(next) => url = next_page(&url, &next),
            None => break,
        }
    }
    if output.is_json() { Ok(()) } else { output.table(&found) }
}
