//! Documents, as the build has found them in this repository.

use std::sync::LazyLock;

/// A document.
#[derive(Debug)]
pub struct Document {
    /// What it is called in an address: `guides/operate`, `limits`; empty for the front page.
    pub id: String,
    /// Where it is in the repository.
    pub path: &'static str,
    pub title: String,
    pub text: &'static str,
}

/// Path and text of each, as the build has found them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/documents.rs"));

static ALL: LazyLock<Vec<Document>> = LazyLock::new(|| {
    let document = |(path, text): &(&'static str, &'static str)| {
        let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(path);
        Document { id: id(path), path, title: title.to_owned(), text }
    };
    FILES.iter().map(document).collect()
});

/// All documents, by their paths.
pub fn all() -> &'static [Document] {
    &ALL
}

/// The document that an address names.
pub fn document(id: &str) -> Option<&'static Document> {
    ALL.iter().find(|document| document.id == id)
}

fn id(path: &str) -> String {
    match path {
        "README.md" => "tour".to_owned(),
        "host/docs/README.md" => String::new(),
        _ => {
            let within = path.strip_prefix("host/docs/").or_else(|| path.strip_prefix("host/")).unwrap_or(path);
            within.trim_end_matches(".md").trim_end_matches("/README").to_lowercase()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_document_has_an_address_and_a_title_of_its_own() {
        let ids: BTreeSet<&str> = all().iter().map(|document| document.id.as_str()).collect();
        assert_eq!(ids.len(), all().len());
        for id in ["", "tour", "limits", "http", "glossary", "guides/operate", "decisions", "architecture"] {
            assert!(ids.contains(id), "{id:?} is not among {ids:?}");
        }
        let titles: BTreeSet<&str> = all().iter().map(|document| document.title.as_str()).collect();
        assert_eq!(titles.len(), all().len());
        assert_eq!(document("limits").unwrap().title, "Limits");
    }
}
