//! Causes and effects of an event, as a tree: the command that it was decided from, the events that led to that, and
//! those that came of it.
//!
//! The host writes down which command an event was decided from. Which event led to it says whoever appends, in the
//! metadata: `causation_id` is the id of that event, `correlation_id` is common to all that belong together. Causes are
//! found by their ids, however far back; effects among the events that come next, or by the tag that is their
//! correlation.

use std::collections::{HashMap, HashSet};

use kinora_api::Problem;
use kinora_api::events::{Event, EventPage};
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use crate::ask::{part, with};
use crate::parts::{json, number};
use crate::visit::Visit;

/// Causes of causes, and effects of effects.
const DEPTH: usize = 10;

/// Events among which effects are looked for.
const WINDOW: usize = 200;

/// Events of a command that are listed.
const OF_A_COMMAND: u64 = 100;

/// What the metadata of an event says of its causes.
#[derive(Default)]
struct Links {
    /// The id of an event.
    cause: Option<Uuid>,
    correlation: Option<String>,
    /// The command, with the first of its events.
    command: Option<Value>,
    /// The id of the command, with the others.
    of: Option<Uuid>,
}

impl Links {
    fn of(event: &Event) -> Self {
        let metadata = event.metadata.as_ref().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let Some(metadata) = metadata else { return Self::default() };
        let named = |names: [&str; 3]| {
            let found = names.iter().find_map(|name| metadata.get(*name)).and_then(Value::as_str);
            found.map(str::to_owned)
        };
        let id = |text: &str| text.parse::<Uuid>().ok();
        Self {
            cause: named(["causation_id", "causationId", "$causationId"]).as_deref().and_then(id),
            correlation: named(["correlation_id", "correlationId", "$correlationId"]),
            command: metadata.pointer("/kinora/command").cloned(),
            of: metadata.pointer("/kinora/of").and_then(Value::as_str).and_then(id),
        }
    }
}

/// An event with those that name it as their cause.
struct Tree {
    shown: u64,
    /// By the id of their cause.
    effects: HashMap<Uuid, Vec<Event>>,
    /// How many events were looked at for effects.
    looked_at: usize,
}

pub async fn section(visit: &Visit<'_>, event: &Event) -> Markup {
    let first = first_of_decision(visit, event).await;
    let links = Links::of(first.as_ref().unwrap_or(event));
    let causes = causes(visit, links.cause).await;
    let tree = match effects(visit, event, links.correlation.as_deref()).await {
        Ok(tree) => tree,
        Err(problem) => return html! { p.quiet { "What came of it cannot be shown: " (problem.detail) } },
    };
    let is_alone = causes.is_empty() && links.command.is_none() && tree.effects.is_empty();
    html! {
        section #causes { h2 { "Causes and effects" }
            @if is_alone {
                p.quiet { "It names no cause, and none of the " (tree.looked_at)
                    " events that were looked at names it." }
            } @else {
                (chain(&tree, &causes, &decision(&tree, event, first.as_ref(), &links)))
            }
            @if links.cause.is_some() && causes.is_empty() {
                p.quiet { "It names a cause that is not in this log." }
            }
            @if let Some(correlation) = &links.correlation {
                p.quiet { "Correlation " code { (correlation) } }
            }
        }
    }
}

/// The event that has the command, where this one is a later event of it.
async fn first_of_decision(visit: &Visit<'_>, event: &Event) -> Option<Event> {
    let command = Links::of(event).of?;
    // As the host makes them: see `kinora_decision`.
    by_id(visit, Uuid::new_v5(&command, &0_u32.to_be_bytes())).await
}

async fn by_id(visit: &Visit<'_>, id: Uuid) -> Option<Event> {
    let path = with("/v1/events", &[("from_id", &id.to_string()), ("limit", "1")]);
    visit.get::<EventPage>(path).await.ok()?.events.into_iter().next()
}

/// The cause, its cause, and so on.
async fn causes(visit: &Visit<'_>, cause: Option<Uuid>) -> Vec<Event> {
    let (mut found, mut next, mut known) = (Vec::<Event>::new(), cause, HashSet::new());
    while let Some(id) = next.filter(|id| found.len() < DEPTH && known.insert(*id)) {
        let Some(event) = by_id(visit, id).await else { break };
        next = Links::of(&event).cause;
        found.push(event);
    }
    found
}

async fn effects(visit: &Visit<'_>, event: &Event, correlation: Option<&str>) -> Result<Tree, Problem> {
    // Whoever tags by correlation has all of it found, wherever it is.
    let is_correlation =
        |tag: &&String| correlation.is_some_and(|id| tag.rsplit(':').next() == Some(id) || **tag == id);
    let tag = event.tags.iter().find(is_correlation).map(|tag| format!("\"{tag}\""));
    let (from, limit) = ((event.position + 1).to_string(), WINDOW.to_string());
    let mut asked = vec![("from", from.as_str()), ("limit", &limit)];
    asked.extend(tag.as_deref().map(|tag| ("tags", tag)));
    let page: EventPage = visit.get(with("/v1/events", &asked)).await?;
    let looked_at = page.events.len();
    let mut all: HashMap<Uuid, Vec<Event>> = HashMap::new();
    for one in page.events {
        if let Some(cause) = Links::of(&one).cause {
            all.entry(cause).or_default().push(one);
        }
    }
    // Only what this event has led to.
    let (mut kept, mut open) = (HashMap::new(), vec![event.id]);
    while let Some(id) = open.pop() {
        if let Some(effects) = all.remove(&id) {
            open.extend(effects.iter().map(|effect| effect.id));
            kept.insert(id, effects);
        }
    }
    Ok(Tree { shown: event.position, effects: kept, looked_at })
}

/// Causes around what is in the middle, the first of them outside.
fn chain(tree: &Tree, causes: &[Event], inner: &Markup) -> Markup {
    let wrapped = causes.iter().fold(html! { (inner) }, |inner, cause| {
        html! { li { (line(tree, cause)) ul { (inner) } } }
    });
    html! { ul.tree { (wrapped) } }
}

/// The command with its events, or the event alone.
fn decision(tree: &Tree, event: &Event, first: Option<&Event>, links: &Links) -> Markup {
    let Some(command) = &links.command else { return branch(tree, event, 0) };
    let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default();
    let begins = first.unwrap_or(event).position;
    let events = command.get("events").and_then(Value::as_u64).unwrap_or(1).min(OF_A_COMMAND);
    html! {
        li {
            "The command " strong { (text("name")) } " for "
            a href=(with(&format!("/console/commands/{}", part(text("decider"))), &[("id", text("aggregate"))])) {
                (text("aggregate")) }
            ", decided by " a href=(format!("/console/commands/{}", part(text("decider")))) { (text("decider")) }
            @if let Some(version) = command.get("version") { " version " (version) }
            (json::block(&command.get("data").unwrap_or(&Value::Null).to_string()))
            ul { @for position in begins..begins + events {
                @if position == event.position { (branch(tree, event, 0)) }
                @else { li { a href=(format!("/console/events/{position}")) { "event " (number(position)) } } }
            } }
        }
    }
}

/// An event with its effects.
fn branch(tree: &Tree, event: &Event, depth: usize) -> Markup {
    let effects = tree.effects.get(&event.id).filter(|_| depth < DEPTH);
    html! {
        li {
            (line(tree, event))
            @if let Some(effects) = effects { ul { @for effect in effects { (branch(tree, effect, depth + 1)) } } }
        }
    }
}

fn line(tree: &Tree, event: &Event) -> Markup {
    html! {
        a href=(format!("/console/events/{}", event.position)) aria-current=[(event.position ==
            tree.shown).then_some("true")] { "event " (number(event.position)) }
        " " strong { (event.kind) } " " span.quiet { (event.stream) }
        @if event.position == tree.shown { span.quiet { " (this one)" } }
    }
}
