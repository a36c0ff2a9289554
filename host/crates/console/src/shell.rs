//! Shell of every page: where one is, where one can go, who one is, and where the page's figures come from.

use kinora_api::Problem;
use maud::{DOCTYPE, Markup, html};

use crate::assets::address;
use crate::visit::{Reply, Visit};

/// The rooms of the console: name, address, the key that leads there after `g`.
pub const ROOMS: [(&str, &str, &str); 7] = [
    ("Overview", "/console/", "o"),
    ("Events", "/console/events", "e"),
    ("Read models", "/console/read-models", "r"),
    ("Commands", "/console/commands", "c"),
    ("Modules", "/console/modules", "m"),
    ("System", "/console/system", "s"),
    ("Docs", "/console/docs/", "d"),
];

/// htmx runs no text as code, and writes no styles: the policy of the pages lets it do neither.
const HTMX: &str = r#"{"allowEval":false,"includeIndicatorStyles":false,"historyCacheSize":0,"selfRequestsOnly":true}"#;

/// A page, or what stands in its way.
pub struct Page {
    pub status: u16,
    pub title: String,
    /// Which of the rooms it is in.
    pub room: &'static str,
    /// Where the page's figures come from: addresses of the API.
    pub twins: Vec<String>,
    pub has_chart: bool,
    pub body: Markup,
}

impl Page {
    pub fn new(room: &'static str, title: impl Into<String>, body: Markup) -> Self {
        Self { status: 200, title: title.into(), room, twins: Vec::new(), has_chart: false, body }
    }

    pub fn twin(mut self, path: impl Into<String>) -> Self {
        self.twins.push(path.into());
        self
    }

    pub fn with_chart(self) -> Self {
        Self { has_chart: true, ..self }
    }

    /// What the API has refused, as a page.
    pub fn problem(room: &'static str, problem: &Problem) -> Self {
        let body = html! {
            h1 { (title(problem)) }
            (shown(problem))
            p { a href="/console/" { "To the overview" } }
        };
        Self {
            status: if problem.status < 400 { 500 } else { problem.status },
            ..Self::new(room, title(problem), body)
        }
    }

    pub fn reply(self, visit: &Visit<'_>) -> Reply {
        Reply::Page { status: self.status, markup: document(&self, Some(visit)) }
    }

    /// For somebody who is not known yet.
    pub fn reply_to_nobody(self) -> Reply {
        Reply::Page { status: self.status, markup: document(&self, None) }
    }
}

fn title(problem: &Problem) -> String {
    let mut words = problem.title.replace('-', " ");
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// A problem: what is wrong, and what to do.
pub fn shown(problem: &Problem) -> Markup {
    html! {
        div.notice.bad role="alert" {
            p { strong { (problem.detail) } }
            @if let Some(hint) = &problem.hint { p { (hint) } }
            p.quiet { "Status " (problem.status) ", problem " code { (problem.slug()) } }
        }
    }
}

fn document(page: &Page, visit: Option<&Visit<'_>>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                @if let Some(visit) = visit { meta name="token" content=(visit.token); }
                title { (page.title) " · Kinora" }
                link rel="icon" href=(address("mark.svg"));
                @if page.has_chart { link rel="stylesheet" href=(address("uplot.min.css")); }
                link rel="stylesheet" href=(address("console.css"));
                script src=(address("console.js")) {}
                script defer src=(address("htmx.min.js")) {}
                @if page.has_chart {
                    script defer src=(address("uplot.min.js")) {}
                    script defer src=(address("chart.js")) {}
                }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                @if let Some(visit) = visit { (top(page, visit)) }
                main #main tabindex="-1" { (page.body) }
                @if visit.is_some() {
                    (foot(page))
                    (palette())
                }
            }
        }
    }
}

fn top(page: &Page, visit: &Visit<'_>) -> Markup {
    html! {
        header.top {
            a.mark href="/console/" { img src=(address("mark.svg")) alt="" width="22" height="22"; "Kinora" }
            nav aria-label="Rooms" {
                @for (name, path, key) in ROOMS {
                    a href=(path) aria-current=[(name == page.room).then_some("page")] data-key=(key) { (name) }
                }
            }
            div.who {
                a.button.small #find href="/console/find" aria-keyshortcuts="Control+K" { "Find " kbd { "Ctrl K" } }
                button.small #theme type="button" hidden { "Theme" }
                @match &visit.visitor.name {
                    Some(name) => {
                        span.quiet title=(visit.visitor.roles.join(", ")) { (name) }
                        form method="post" action="/console/sign-out" {
                            input type="hidden" name="token" value=(visit.token);
                            button.small { "Sign out" }
                        }
                    }
                    None => span.quiet title="The host has no keys: whoever reaches it may do everything" {
                        "open to all"
                    }
                }
            }
        }
    }
}

fn foot(page: &Page) -> Markup {
    html! {
        footer {
            @if !page.twins.is_empty() {
                "The same as JSON: "
                @for (nth, twin) in page.twins.iter().enumerate() {
                    @if nth > 0 { " · " }
                    a href=(format!("/console/api{twin}")) { code { (twin) } }
                }
            }
        }
    }
}

/// The palette is filled in by the script: without it, finding is a page.
fn palette() -> Markup {
    html! {
        dialog #palette aria-label="Find" {
            form method="get" action="/console/find" {
                input #palette-text type="search" name="q" aria-label="Find a page, a projection, a table, an event"
                    placeholder="a page, a projection, a table, a position, a stream…" autocomplete="off";
            }
            ul #palette-found {}
            p.quiet { kbd { "↑" } " " kbd { "↓" } " choose · " kbd { "Enter" } " go · " kbd { "Esc" } " close" }
        }
    }
}
