//! Finding: a page, a projection, a table, a decider, an event or a stream, by a few letters.

use kinora_api::Problem;
use kinora_api::deciders::Deciders;
use kinora_api::projections::Projections;
use maud::html;
use serde::Serialize;
use uuid::Uuid;

use crate::ask::{part, with};
use crate::shell::{Page, ROOMS};
use crate::visit::{Reply, Visit};

/// More than this nobody reads.
const MOST: usize = 30;

#[derive(Serialize)]
struct Found {
    name: String,
    kind: &'static str,
    address: String,
}

pub async fn page(visit: &Visit<'_>) -> Result<Page, Problem> {
    let found = find(visit).await?;
    let wanted = visit.parameter("q").unwrap_or_default();
    let body = html! {
        h1 { "Find" }
        form.inline method="get" action="/console/find" {
            input type="search" name="q" value=(wanted) aria-label="What to find" autofocus;
            " " button { "Find" }
        }
        @if found.is_empty() { p.quiet { "Nothing is called like that." } }
        ul.plain { @for one in &found { li { a href=(one.address) { (one.name) } " " span.quiet { (one.kind) } } } }
    };
    Ok(Page::new("", "Find", body))
}

pub async fn json(visit: &Visit<'_>) -> Reply {
    let found = find(visit).await.unwrap_or_default();
    Reply::Json(serde_json::to_string(&found).unwrap_or_else(|_| "[]".to_owned()))
}

async fn find(visit: &Visit<'_>) -> Result<Vec<Found>, Problem> {
    let wanted = visit.parameter("q").unwrap_or_default().to_lowercase();
    let mut found = Vec::new();
    let position = wanted.replace(',', "").parse::<u64>().map(|position| position.to_string());
    if let Ok(named) = position.or_else(|_| wanted.parse::<Uuid>().map(|id| id.to_string())) {
        found.push(Found {
            name: format!("event {named}"),
            kind: "event",
            address: format!("/console/events/{named}"),
        });
    }
    let mut add = |name: String, kind, address| {
        if found.len() < MOST && name.to_lowercase().contains(&wanted) {
            found.push(Found { name, kind, address });
        }
    };
    for (name, address, _) in ROOMS {
        add(name.to_owned(), "page", address.to_owned());
    }
    add("Deploy a version".to_owned(), "page", "/console/deploy".to_owned());
    for one in visit.get::<Projections>("/v1/projections").await?.projections {
        let home = format!("/console/projections/{}", part(&one.name));
        if let Some(version) = one.faulted() {
            add(format!("{} stopped", one.name), "fault", format!("{home}/versions/{}/fault", version.version));
        }
        add(format!("{} read model", one.name), "read model", format!("/console/read-models/{}", part(&one.name)));
        add(one.name, "projection", home);
    }
    for one in visit.get::<Deciders>("/v1/deciders").await?.deciders {
        let address = format!("/console/commands/{}", part(&one.name));
        add(one.name, "decider", address);
    }
    let typed = visit.parameter("q").unwrap_or_default();
    if !typed.is_empty() {
        found.push(Found {
            name: format!("stream {typed}"),
            kind: "stream",
            address: with("/console/events", &[("stream", typed)]),
        });
    }
    Ok(found)
}
