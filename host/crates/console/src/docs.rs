//! Documents of Kinora, of the version that runs here: read and searched.

use kinora_api::{Kind, Problem};
use kinora_docs::{Document, Documents, Found};
use maud::{Markup, PreEscaped, html};

use crate::shell::Page;
use crate::visit::Visit;

const ROOM: &str = "Docs";

/// Where documents are.
const HOME: &str = "/console/docs/";

/// One document, the front page of all, or what is found of a word.
pub fn page(visit: &Visit<'_>, id: &str) -> Result<Page, Problem> {
    if let Some(words) = visit.parameter("q").map(str::trim).filter(|words| !words.is_empty()) {
        return Ok(Page::new(ROOM, format!("{words} in the documents"), found(words, &visit.documents.find(words))));
    }
    let document = visit.documents.get(id).ok_or_else(|| {
        let problem = Problem::new(Kind::UnknownRoute, format!("there is no document {id:?}"));
        Problem { hint: Some("the documents are listed and searched at /console/docs/".into()), ..problem }
    })?;
    Ok(Page::new(ROOM, document.title.as_str(), shown(visit.documents, document)))
}

fn shown(documents: &Documents, document: &Document) -> Markup {
    html! {
        (search(""))
        // The documents are the program's own, and their HTML is made of Markdown without any of it.
        article.document { (PreEscaped(documents.html(document, HOME))) }
    }
}

fn search(words: &str) -> Markup {
    html! {
        form.search method="get" action=(HOME) role="search" {
            label { "Search the documents " input type="search" name="q" value=(words); }
            button { "Search" }
            a href=(HOME) { "All documents" }
        }
    }
}

fn found(words: &str, all: &[Found<'_>]) -> Markup {
    html! {
        (search(words))
        h1 { "Documents that have " q { (words) } }
        @if all.is_empty() {
            p { "None does. Fewer words, or the beginning of one, find more." }
        }
        ul.found {
            @for Found { document, heading, anchor, excerpt } in all {
                li {
                    a href=(format!("{HOME}{}#{anchor}", document.id)) { (heading) }
                    @if *heading != document.title { span.quiet { " in " (document.title) } }
                    p { (excerpt) }
                }
            }
        }
    }
}
