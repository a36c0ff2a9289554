//! Page of a document: its Markdown as HTML. What is HTML in it already is shown as text, since no document needs it.

use std::collections::HashMap;

use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::document::{Document, Documents};

/// What a link leads to that is neither a document nor elsewhere.
const NOWHERE: &str = "";

impl Documents {
    /// A document as HTML. Links between documents lead to addresses that begin with `base`; those to other files of
    /// the repository lead nowhere.
    pub fn html(&self, document: &Document, base: &str) -> String {
        let mut events: Vec<Event<'_>> = events(document.text).collect();
        let mut anchors = Anchors::default();
        let mut heading = None;
        for at in 0..events.len() {
            match events.get_mut(at) {
                Some(Event::Start(Tag::Heading { .. })) => heading = Some((at, String::new())),
                Some(Event::End(TagEnd::Heading(_))) => {
                    let Some((begin, text)) = heading.take() else { continue };
                    if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(begin) {
                        *id = Some(anchors.of(&text).into());
                    }
                }
                Some(Event::Text(text) | Event::Code(text)) => {
                    if let Some((_, heading)) = &mut heading {
                        heading.push_str(text);
                    }
                }
                Some(Event::Start(Tag::Link { dest_url, .. })) => *dest_url = self.target(document, base, dest_url),
                // It would be a style within the page, which the policy of pages forbids.
                Some(Event::Start(Tag::Table(columns))) => columns.fill(Alignment::None),
                // There are no pictures inside the program.
                Some(Event::Start(Tag::Image { dest_url, .. })) => *dest_url = NOWHERE.into(),
                Some(Event::Html(text) | Event::InlineHtml(text)) => {
                    let text = std::mem::replace(text, NOWHERE.into());
                    if let Some(event) = events.get_mut(at) {
                        *event = Event::Text(text);
                    }
                }
                _ => {}
            }
        }
        let mut page = String::with_capacity(document.text.len() * 2);
        html::push_html(&mut page, without_dead_ends(events).into_iter());
        page
    }

    /// Where a link of a document leads.
    fn target(&self, document: &Document, base: &str, link: &str) -> CowStr<'static> {
        if link.starts_with('#') || link.starts_with("https://") {
            return link.to_owned().into();
        }
        let (path, anchor) = link.split_once('#').map_or((link, ""), |(path, anchor)| (path, anchor));
        let path = resolved(document.path, path);
        let Some(known) = self.all().iter().find(|known| known.path == path) else { return NOWHERE.into() };
        let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
        format!("{base}{}{anchor}", known.id).into()
    }
}

pub fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

/// Leaves the text of links that lead nowhere, and no picture.
fn without_dead_ends(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let mut open = Vec::new();
    let leads_somewhere = |event: &Event<'_>| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            open.push(!dest_url.is_empty());
            !dest_url.is_empty()
        }
        Event::End(TagEnd::Link | TagEnd::Image) => open.pop().unwrap_or(true),
        _ => true,
    };
    events.into_iter().filter(leads_somewhere).collect()
}

/// A path as it is written in a document, from the root of the repository on.
fn resolved(of: &str, path: &str) -> String {
    let mut parts: Vec<&str> = of.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Names of headings, as others make them of the same text: what is there twice gets a number.
#[derive(Default)]
pub struct Anchors(HashMap<String, usize>);

impl Anchors {
    pub fn of(&mut self, heading: &str) -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let name: String = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let times = self.0.entry(name.clone()).or_default();
        *times += 1;
        match *times {
            1 => name,
            times => format!("{name}-{}", times - 1),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(text: &'static str) -> String {
        let path = "host/docs/guides/one.md";
        let paths = [path, "host/docs/guides/operate.md", "host/docs/http.md", "host/LIMITS.md", "host/docs/README.md"];
        let documents = Documents::of(&paths.map(|path| (path, text)));
        documents.html(documents.get("guides/one").unwrap(), "/d/")
    }

    #[test]
    fn links_lead_to_documents_and_nowhere_else() {
        let cases = [
            ("[a](operate.md)", r#"<a href="/d/guides/operate">a</a>"#),
            ("[a](../http.md#errors)", r#"<a href="/d/http#errors">a</a>"#),
            ("[a](../../LIMITS.md)", r#"<a href="/d/limits">a</a>"#),
            ("[a](../README.md)", r#"<a href="/d/">a</a>"#),
            ("[a](#here)", r##"<a href="#here">a</a>"##),
            ("[a](https://example.org/)", r#"<a href="https://example.org/">a</a>"#),
            ("[a](../../crates/log/src/lib.rs)", "<p>a</p>"),
            ("[a](javascript:alert)", "<p>a</p>"),
            ("![a picture](../pictures/x.png)", "<p>a picture</p>"),
            ("a <script>b</script>", "&lt;script&gt;"),
            ("| a |\n|--:|\n| b |", "<th>a</th>"),
        ];
        for (text, expected) in cases {
            let found = shown(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
    }

    #[test]
    fn headings_have_names() {
        let found = shown("# What `kinora dev` does, and why\n\n## Twice\n\n## Twice\n");
        for name in ["what-kinora-dev-does-and-why", "twice", "twice-1"] {
            assert!(found.contains(&format!("id=\"{name}\"")), "{found}");
        }
    }
}
