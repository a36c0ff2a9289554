//! Documents: Markdown files of a repository, each with an address and a title.

/// A document.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it is called in an address: `guides/operate`, `limits`; empty for the front page.
    pub id: String,
    /// Where it is in the repository.
    pub path: &'static str,
    pub title: String,
    pub text: &'static str,
}

/// All documents that there are.
#[derive(Clone, Debug, Default)]
pub struct Documents(Vec<Document>);

impl Documents {
    /// `files`: the path in the repository and the text of each.
    pub fn of(files: &[(&'static str, &'static str)]) -> Self {
        let document = |(path, text): &(&'static str, &'static str)| {
            let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(path);
            Document { id: id(path), path, title: title.to_owned(), text }
        };
        Self(files.iter().map(document).collect())
    }

    pub fn all(&self) -> &[Document] {
        &self.0
    }

    /// The document that an address names.
    pub fn get(&self, id: &str) -> Option<&Document> {
        self.0.iter().find(|document| document.id == id)
    }
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
    use super::*;

    #[test]
    fn addresses_follow_from_paths() {
        let cases = [
            ("README.md", "tour"),
            ("host/docs/README.md", ""),
            ("host/LIMITS.md", "limits"),
            ("host/docs/guides/operate.md", "guides/operate"),
            ("host/docs/decisions/README.md", "decisions"),
        ];
        for (path, expected) in cases {
            let documents = Documents::of(&[(path, "Text.\n\n# The title\n")]);
            assert_eq!(documents.get(expected).unwrap().title, "The title");
        }
    }
}
