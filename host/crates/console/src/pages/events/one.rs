//! One event of the log: what it is, what led to it and came of it, and what upcasters make of it.

use kinora_api::events::{Event, EventPage};
use kinora_api::{Kind, Problem};
use maud::html;
use uuid::Uuid;

use crate::ask::with;
use crate::pages::events::whole::event;
use crate::pages::events::{causes, upcasting};
use crate::parts::number;
use crate::shell::Page;
use crate::visit::Visit;

/// The event at a position, or with an id.
pub async fn page(visit: &Visit<'_>, named: &str) -> Result<Page, Problem> {
    let position = named.replace(',', "").parse::<u64>();
    let path = match (&position, named.parse::<Uuid>()) {
        (Ok(at), _) => with("/v1/events", &[("from", &at.to_string()), ("limit", "1")]),
        (_, Ok(id)) => with("/v1/events", &[("from_id", &id.to_string()), ("limit", "1")]),
        _ => return Err(Problem::new(Kind::InvalidParameter, format!("{named:?} is neither a position nor an id"))),
    };
    let page: EventPage = visit.get(&path).await?;
    let wanted = |event: &&Event| position.as_ref().is_ok_and(|at| event.position == *at) || position.is_err();
    let Some(found) = page.events.first().filter(wanted) else {
        let problem = Problem::new(Kind::UnknownRoute, format!("there is no event {named}"));
        let head = page.head.map_or_else(|| "the log is empty".to_owned(), |head| format!("the head is {head}"));
        return Err(Problem { hint: Some(head), ..problem });
    };
    let at = found.position;
    let body = html! {
        p.crumbs { a href="/console/events" { "Events" } }
        div.head {
            h1 { "Event " (number(at)) }
            div.actions {
                @if let Some(before) = at.checked_sub(1) { a.button rel="prev"
                    href=(format!("/console/events/{before}")) { "Before" } }
                @if page.head > Some(at) { a.button rel="next" href=(format!("/console/events/{}", at + 1)) { "After"
                    } }
            }
        }
        (event(found))
        (upcasting::section(visit, found).await)
        (causes::section(visit, found).await)
    };
    Ok(Page::new("Events", format!("Event {at}"), body).twin(path))
}
