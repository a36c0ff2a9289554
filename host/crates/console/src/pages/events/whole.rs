//! An event with everything that it has.

use kinora_api::events::Event;
use maud::{Markup, html};

use crate::ask::with;
use crate::parts::{json, number, since};

pub fn event(event: &Event) -> Markup {
    html! {
        dl.pairs {
            div { dt { "Type" } dd { (event.kind) ", schema " (event.schema) } }
            div { dt { "Stream" } dd { a href=(with("/console/events", &[("stream", &event.stream)])) { (event.stream) }
                ", revision " (number(event.revision)) } }
            div { dt { "Appended" } dd { (since(event.time)) " " span.quiet { (event.time) } } }
            div { dt { "Id" } dd { code { (event.id) } } }
            @if !event.tags.is_empty() {
                div { dt { "Tags" } dd { @for tag in &event.tags {
                    a.tag href=(with("/console/events", &[("tags", &format!("\"{tag}\""))])) { (tag) } " "
                } } }
            }
        }
        h3 { "Data" }
        (json::block(event.data.get()))
        @if let Some(metadata) = &event.metadata { h3 { "Metadata" } (json::block(metadata.get())) }
    }
}
