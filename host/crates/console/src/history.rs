//! History: who did what with a projection or a decider, when and why.

use kinora_api::Problem;
use kinora_api::events::{Event, EventPage};
use maud::{Markup, html};
use serde_json::Value;

use crate::ask::with;
use crate::parts::since;
use crate::visit::Visit;

/// Entries on a page: the newest.
const ENTRIES: u64 = 30;

/// The newest entries of the history at `home`: the head is known only once a page was read.
pub async fn newest(visit: &Visit<'_>, home: &str) -> Result<Vec<Event>, Problem> {
    let at = format!("{home}/history");
    let first: EventPage = visit.get(with(&at, &[("limit", "1")])).await?;
    let Some(head) = first.head else { return Ok(first.events) };
    let (from, limit) = ((head + 1).saturating_sub(ENTRIES).to_string(), ENTRIES.to_string());
    let page: EventPage = visit.get(with(&at, &[("from", &from), ("limit", &limit)])).await?;
    Ok(page.events)
}

/// The newest on top; `stream` has all of them.
pub fn section(history: &[Event], stream: &str) -> Markup {
    html! {
        section { h2 { "History" }
            @if history.is_empty() { p.quiet { "Nothing has been written down yet." } }
            ol.history {
                @for event in history.iter().rev() { (entry(event)) }
            }
            p { a href=(with("/console/events", &[("stream", stream)])) { "All of it, as events" } }
        }
    }
}

fn entry(event: &Event) -> Markup {
    let data: Value = serde_json::from_str(event.data.get()).unwrap_or_default();
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    let what = event.kind.trim_start_matches("$kinora.").trim_start_matches("Decider");
    let version = ["version", "to"].iter().find_map(|name| data.get(*name)).and_then(Value::as_u64);
    html! {
        li {
            span.when { (since(event.time)) }
            a href=(format!("/console/events/{}", event.position)) { (words(what)) }
            @if let Some(version) = version { " v" (version) }
            " by " strong { (text("who").unwrap_or_else(|| "the host".into())) }
            @if let Some(why) = text("why").or_else(|| text("reason")) { ": “" (why) "”" }
        }
    }
}

/// `VersionRolledBack` as words.
fn words(kind: &str) -> String {
    let mut words = String::with_capacity(kind.len() + 4);
    for letter in kind.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}
