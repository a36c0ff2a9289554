//! Scopes: what of a host a key or a token reaches.

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;

/// How much of something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// It is not about this.
    Nothing,
    One(&'a str),
    All,
}

/// What is reached. One that names nothing is of everything; one that names anything is of what it names, and of
/// nothing else: with streams only, no read model is reached. Tables are those of the projections that are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Pattern>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub projections: Vec<Pattern>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Pattern>,
}

impl Scope {
    pub fn is_everything(&self) -> bool {
        self.streams.is_empty() && self.projections.is_empty() && self.tables.is_empty()
    }

    pub(crate) fn reaches_stream(&self, extent: Extent<'_>) -> bool {
        self.is_everything() || reaches(&self.streams, extent)
    }

    pub(crate) fn reaches_projection(&self, extent: Extent<'_>) -> bool {
        self.is_everything() || reaches(&self.projections, extent)
    }

    pub(crate) fn reaches_table(&self, extent: Extent<'_>) -> bool {
        self.tables.is_empty() || reaches(&self.tables, extent)
    }
}

fn reaches(patterns: &[Pattern], extent: Extent<'_>) -> bool {
    match extent {
        Extent::Nothing => true,
        Extent::One(name) => patterns.iter().any(|pattern| pattern.matches(name)),
        Extent::All => patterns.iter().any(Pattern::is_all),
    }
}
