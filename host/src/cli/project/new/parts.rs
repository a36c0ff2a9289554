//! Parts of a project, whatever its language: what it is, what it is called, and the files that make it.

use std::path::Path;

use clap::ValueEnum;

#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Folds events into a read model
    Projector,
    /// Brings events of an old schema to a new one
    Upcaster,
    /// Decides commands
    Decider,
}

/// What is to be made. `sdk`: the one that is elsewhere.
pub struct Project<'a> {
    pub name: &'a str,
    pub kind: Kind,
    pub sdk: Option<&'a Path>,
}

/// The files of a project, by their paths, and the commands that test it.
pub struct Made {
    pub files: Vec<(String, String)>,
    pub source: String,
    pub test: Vec<&'static str>,
}

impl Kind {
    pub fn events(self) -> &'static str {
        match self {
            Self::Projector => include_str!("../templates/projector.ndjson"),
            Self::Upcaster => include_str!("../templates/upcaster.ndjson"),
            Self::Decider => include_str!("../templates/decider.ndjson"),
        }
    }

    /// What `kinora test` runs it over, by their names.
    pub fn fixtures(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Projector => &[("orders-add-up", include_str!("../templates/fixtures/projector.json"))],
            Self::Upcaster => &[],
            Self::Decider => &[
                ("cancelled-before-it-is-shipped", include_str!("../templates/fixtures/decider.json")),
                ("not-cancelled-once-shipped", include_str!("../templates/fixtures/decider-rejected.json")),
            ],
        }
    }

    /// What comes after the build, as commands.
    pub fn next(self, name: &str) -> Vec<String> {
        match self {
            Self::Projector => vec![
                "kinora append customer-1 < events.ndjson".to_owned(),
                format!("kinora deploy {name} --module {name}.wasm --wait --promote when-ready"),
                format!("kinora query {name} customers"),
            ],
            Self::Upcaster => vec![
                "kinora append customer-1 < events.ndjson".to_owned(),
                format!("kinora upcasters dry-run {name}.wasm"),
                format!("kinora deploy NAME --module PROJECTOR.wasm --upcaster {name}.wasm --wait"),
            ],
            Self::Decider => vec![
                format!("kinora deciders deploy {name} --module {name}.wasm --promote"),
                format!("kinora decide {name} 1 Place --data '{{\"cents\":1250}}'"),
                format!("kinora deciders state {name} 1"),
            ],
        }
    }
}

/// `order-totals` as the name of a type.
pub fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split(['-', '_']).map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_that_of_a_type() {
        assert_eq!(["orders", "order-totals", "a_b"].map(type_name), ["Orders", "OrderTotals", "AB"]);
    }
}
