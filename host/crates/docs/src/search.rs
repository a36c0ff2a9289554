//! Search: the parts of documents that have all words; those first that have them in a heading, guides before reasons.

use std::cmp::Reverse;

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::document::{Document, Documents};
use crate::page::{Anchors, events};

/// Parts that are shown.
const MOST: usize = 30;

/// Characters around the first word that is found.
const AROUND: usize = 90;

/// Bytes of what is searched for.
const WORDS_BYTES: usize = 200;

/// A part of a document: what stands under one heading.
#[derive(Debug)]
pub struct Found<'a> {
    pub document: &'a Document,
    pub heading: String,
    /// The name of the heading within the document.
    pub anchor: String,
    /// Some of its text, around a word.
    pub excerpt: String,
}

impl Documents {
    /// The parts of all documents that have each of these words, or the beginning of a longer one.
    pub fn find(&self, words: &str) -> Vec<Found<'_>> {
        let words = words.get(..words.floor_char_boundary(WORDS_BYTES)).unwrap_or_default().to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let Some(first) = words.first() else { return Vec::new() };
        let mut found = Vec::new();
        for document in self.all() {
            for Part { heading, anchor, text } in parts(document) {
                let (in_heading, in_text) = (heading.to_lowercase(), text.to_lowercase());
                if words.iter().all(|word| has(&in_heading, word) || has(&in_text, word)) {
                    let in_headings = words.iter().filter(|word| has(&in_heading, word)).count();
                    let excerpt = excerpt(&text, first);
                    found.push((in_headings, Found { document, heading, anchor, excerpt }));
                }
            }
        }
        // Among equals the order is that of the documents.
        found.sort_by_key(|(in_headings, found)| (Reverse(*in_headings), rank(found.document)));
        found.into_iter().take(MOST).map(|(_, found)| found).collect()
    }
}

/// Who searches wants to do something, mostly, or to look something up; then come how it is built, and why.
fn rank(document: &Document) -> u8 {
    match document.id.as_str() {
        id if id.starts_with("guides/") => 0,
        "http" | "limits" | "glossary" | "promises" | "benchmarks" | "tour" | "" => 1,
        id if id.starts_with("decisions/") => 3,
        _ => 2,
    }
}

/// Whether a word begins somewhere in a text.
fn has(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric())
    })
}

struct Part {
    heading: String,
    anchor: String,
    text: String,
}

fn parts(document: &Document) -> Vec<Part> {
    let mut anchors = Anchors::default();
    let mut all: Vec<Part> = Vec::new();
    let mut in_heading = false;
    for event in events(document.text) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                in_heading = true;
                all.push(Part { heading: String::new(), anchor: String::new(), text: String::new() });
            }
            Event::End(TagEnd::Heading(_)) => {
                in_heading = false;
                if let Some(part) = all.last_mut() {
                    part.anchor = anchors.of(&part.heading);
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(part) = all.last_mut() {
                    if in_heading { &mut part.heading } else { &mut part.text }.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Item) => {
                if let Some(part) = all.last_mut().filter(|_| !in_heading) {
                    part.text.push(' ');
                }
            }
            _ => {}
        }
    }
    all
}

/// The text around a word, or its beginning where it does not have it.
fn excerpt(text: &str, word: &str) -> String {
    let at = text.to_lowercase().find(word).unwrap_or(0);
    let characters = text.char_indices().filter(|(begin, _)| *begin < at).count();
    let skipped = characters.saturating_sub(AROUND);
    let shown: String = text.chars().skip(skipped).take(2 * AROUND).collect();
    let (before, after) = (if skipped > 0 { "… " } else { "" }, if shown.len() < text.len() { " …" } else { "" });
    [before, shown.trim(), after].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_all_of_their_words_headings_first_and_guides_before_reasons() {
        let documents = Documents::of(&[
            ("host/docs/decisions/001.md", "# A journal\n\nWhy one backs up.\n"),
            ("host/docs/guides/back-up.md", "# Copies\n\nOne backs up.\n\n## Back up a host\n\nOne command.\n"),
            ("host/LIMITS.md", "# Limits\n\n| `sandbox.event_fuel` | fuel |\n"),
        ]);
        let found = |words: &str| {
            documents
                .find(words)
                .into_iter()
                .map(|found| (found.document.id.as_str(), found.anchor))
                .collect::<Vec<_>>()
        };
        let at = |id: &'static str, anchor: &str| (id, anchor.to_owned());
        let copies = [at("guides/back-up", "back-up-a-host"), at("guides/back-up", "copies")];
        assert_eq!(found("back up"), [&copies[..], &[at("decisions/001", "a-journal")]].concat());
        assert_eq!(found("sandbox.event_fuel"), [at("limits", "limits")]);
        assert_eq!(found("zzzz back"), []);
        assert_eq!(found(" "), []);
        let long = format!("# Many\n{}", "\n## One more\n\nThe words.\n".repeat(2 * MOST));
        assert_eq!(Documents::of(&[("host/docs/many.md", long.leak())]).find("the").len(), MOST);
    }

    #[test]
    fn an_excerpt_is_around_its_word_whatever_the_letters_are() {
        let text = format!("{}İ needle {}", "ä".repeat(300), "ö".repeat(300));
        let found = excerpt(&text, "needle");
        assert!(found.contains("needle") && found.chars().count() < 200, "{found}");
        assert_eq!(excerpt("short", "nothing"), "short");
    }
}
