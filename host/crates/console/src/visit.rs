//! Visit: somebody who looks at a page, what they ask for, and what they get.

use kinora_api::Problem;
use kinora_docs::Documents;
use maud::Markup;

use crate::ask::{self, Api, Ask};

/// Who looks.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// Who they are; `None` where the host knows nobody.
    pub name: Option<String>,
    pub roles: Vec<String>,
}

/// One request for a page.
pub struct Visit<'a> {
    pub api: &'a dyn Api,
    pub visitor: Visitor,
    /// What may be read about the program.
    pub documents: &'a Documents,
    /// Without the console's own beginning: `/events`.
    pub path: String,
    pub parameters: Vec<(String, String)>,
    /// What the forms of this visitor's pages show.
    pub token: String,
}

pub enum Reply {
    Page { status: u16, markup: Markup },
    SeeOther(String),
    Json(String),
}

impl Visit<'_> {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.map(str::trim).filter(|value| !value.is_empty())
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.parameter(name).and_then(|value| value.replace([',', '_', ' '], "").parse().ok())
    }

    pub async fn get<T: serde::de::DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, Problem> {
        ask::get(self.api, path).await
    }

    pub async fn ask(&self, ask: Ask) -> crate::Answer {
        self.api.ask(ask).await
    }

    /// The address of this page, with all of its parameters.
    pub fn here(&self) -> String {
        let parameters: Vec<(&str, &str)> =
            self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        ask::with(&format!("/console{}", self.path), &parameters)
    }

    /// The address of this page with some parameters in place of its own; an empty one is left out.
    pub fn here_with(&self, changed: &[(&str, &str)]) -> String {
        let kept = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| changed.iter().all(|(other, _)| other != name));
        let all = kept.chain(changed.iter().copied()).filter(|(_, value)| !value.is_empty());
        ask::with(&format!("/console{}", self.path), &all.collect::<Vec<_>>())
    }
}
