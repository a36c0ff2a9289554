//! Manifests: what modules say about themselves, once it has been checked.

use kinora_types::{EventType, TableSpec};

/// Which world a module implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Projector,
    Upcaster,
    Decider,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Projector, Self::Upcaster, Self::Decider];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Projector => "projector",
            Self::Upcaster => "upcaster",
            Self::Decider => "decider",
        }
    }
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Manifest {
    Projector(ProjectorManifest),
    Upcaster(UpcasterManifest),
    Decider(DeciderManifest),
}

impl Kind {
    /// With its article.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Projector => "a projector",
            Self::Upcaster => "an upcaster",
            Self::Decider => "a decider",
        }
    }
}

impl Manifest {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Projector(_) => Kind::Projector,
            Self::Upcaster(_) => Kind::Upcaster,
            Self::Decider(_) => Kind::Decider,
        }
    }
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ProjectorManifest {
    pub name: String,
    pub handles: Vec<EventType>,
    pub ignores: Vec<String>,
    pub tables: Vec<TableSpec>,
    pub queries: Vec<NamedQuery>,
    pub needs: Needs,
    /// Manifests that were kept before this was thought of have none.
    #[serde(default)]
    pub partition: Option<Partition>,
}

/// What each row of a projector depends on, if it is less than all events.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// The events of one stream.
    Stream,
    /// The events whose first tag with this beginning is the same.
    Tag(String),
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct NamedQuery {
    pub name: String,
    pub description: String,
    /// A JSON Schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<serde_json::Value>,
    /// A JSON Schema of its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Needs {
    pub metadata: bool,
    pub tags: bool,
}

impl Needs {
    /// What either of two guests needs.
    pub fn union(self, other: Self) -> Self {
        Self { metadata: self.metadata || other.metadata, tags: self.tags || other.tags }
    }
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct UpcasterManifest {
    pub name: String,
    pub steps: Vec<Step>,
    pub needs: Needs,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Step {
    pub from: EventType,
    pub to: Vec<EventType>,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct DeciderManifest {
    pub name: String,
    pub scope: OwnScope,
    pub commands: Vec<CommandSpec>,
    pub folds: Vec<EventType>,
    pub ignores: Vec<String>,
    pub emits: Vec<EmittedSpec>,
    pub claims: Vec<ClaimSpec>,
    pub needs: Needs,
}

/// Which events the state of an aggregate is folded from, by its id.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnScope {
    /// Those of the stream `CATEGORY-ID`.
    Category(String),
    /// Those with the tag `PREFIX:ID`.
    Tag(String),
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct CommandSpec {
    pub name: String,
    pub description: String,
    /// A JSON Schema of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
}

/// An event that may be decided.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct EmittedSpec {
    #[serde(flatten)]
    pub kind: EventType,
    /// A JSON Schema of its data.
    #[serde(default, rename = "data", skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
}

/// A value that one aggregate at a time may hold, and what whoever comes second is told.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ClaimSpec {
    pub scope: String,
    pub code: String,
    pub message: String,
}
