//! Documents inside the program: whoever runs a host has them at hand, and of the same version.

use kinora_docs::Documents;

/// Path and text of each, as the build has found them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/documents.rs"));

pub fn documents() -> Documents {
    Documents::of(FILES)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_document_has_an_address_and_a_title_of_its_own() {
        let documents = documents();
        let ids: BTreeSet<&str> = documents.all().iter().map(|document| document.id.as_str()).collect();
        assert_eq!(ids.len(), documents.all().len());
        for id in ["", "tour", "limits", "http", "glossary", "guides/operate", "decisions", "architecture", "clients"] {
            assert!(ids.contains(id), "{id:?} is not among {ids:?}");
        }
        let titles: BTreeSet<&str> = documents.all().iter().map(|document| document.title.as_str()).collect();
        assert_eq!(titles.len(), documents.all().len());
        assert_eq!(documents.get("limits").unwrap().title, "Limits");
    }

    #[test]
    fn links_between_documents_lead_to_documents_and_headings_that_there_are() {
        let (documents, base) = (documents(), "/d/");
        let ids = |page: &str| {
            page.split("id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for document in documents.all() {
            let page = documents.html(document, base);
            for link in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let to = match path.strip_prefix(base) {
                    Some(id) => documents.get(id).unwrap(),
                    None if path.is_empty() => document,
                    None => continue,
                };
                assert!(
                    anchor.is_empty() || ids(&documents.html(to, base)).iter().any(|id| id == anchor),
                    "{}: {link} leads to no heading",
                    document.path
                );
            }
        }
    }
}
