//! Modules: what became of an upload, and what a module says of itself.

use std::fmt;

use kinora_types::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::deciders::DeciderState;
use crate::problems::Problem;
use crate::versions::State;

/// The bytes of a core module or of a component.
#[derive(Clone, Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct WasmBytes(pub Vec<u8>);

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Module {
    /// Its SHA-256.
    #[schema(value_type = String)]
    pub digest: Digest,
    pub state: ModuleState,
    pub kind: ModuleKind,
    /// Bytes that were uploaded.
    pub bytes: u64,
    #[schema(required)]
    pub compiling_for_ms: Option<u64>,
    #[schema(required)]
    pub compile_ms: Option<u64>,
    /// Why it was refused.
    #[schema(required)]
    pub error: Option<Problem>,
    #[schema(required)]
    pub manifest: Option<Manifest>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Modules {
    pub modules: Vec<Module>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModuleState {
    Compiling,
    Ready,
    Refused,
}

impl fmt::Display for ModuleState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Compiling => "compiling",
            Self::Ready => "ready",
            Self::Refused => "refused",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    Projector,
    Upcaster,
    Decider,
}

impl fmt::Display for ModuleKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Projector => "projector",
            Self::Upcaster => "upcaster",
            Self::Decider => "decider",
        })
    }
}

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Manifest {
    Projector(ProjectorManifest),
    Upcaster(UpcasterManifest),
    Decider(DeciderManifest),
}

impl Manifest {
    pub fn name(&self) -> &str {
        match self {
            Self::Projector(manifest) => &manifest.name,
            Self::Upcaster(manifest) => &manifest.name,
            Self::Decider(manifest) => &manifest.name,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProjectorManifest {
    pub name: String,
    pub handles: Vec<EventType>,
    /// Types that it passes over.
    pub ignores: Vec<String>,
    pub tables: Vec<Table>,
    pub queries: Vec<NamedQuery>,
    pub needs: Needs,
    /// What each row depends on, if it is less than all events.
    #[schema(required)]
    pub partition: Option<Partition>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpcasterManifest {
    pub name: String,
    pub steps: Vec<Step>,
    pub needs: Needs,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeciderManifest {
    pub name: String,
    pub scope: OwnScope,
    pub commands: Vec<CommandType>,
    /// What the states of aggregates are folded from.
    pub folds: Vec<EventType>,
    /// Types that it passes over.
    pub ignores: Vec<String>,
    pub emits: Vec<EmittedType>,
    pub claims: Vec<ClaimType>,
    pub needs: Needs,
}

/// Which events the state of an aggregate is folded from, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnScope {
    /// Those of the stream `CATEGORY-ID`.
    Category(String),
    /// Those with the tag `PREFIX:ID`.
    Tag(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandType {
    pub name: String,
    pub description: String,
    /// A JSON Schema of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
}

/// An event that may be decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmittedType {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    /// A JSON Schema of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// A value that one aggregate at a time may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimType {
    pub scope: String,
    /// What a command is rejected with if another holds the value.
    pub code: String,
    pub message: String,
}

/// A type and its schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventType {
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.schema)
    }
}

/// A table of a read model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Table {
    pub name: String,
    /// What the key stands for. The parts of a composite key are separated by slashes.
    pub key: String,
    /// What its rows are, as readers see them: a JSON Schema; none if that is not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    pub indexes: Vec<Index>,
    /// How many of the last events can be asked for as they were; none if there is no history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub history: Option<u64>,
}

/// A secondary index: rows ordered by the values at these paths, then by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Index {
    pub name: String,
    pub paths: Vec<String>,
    /// Whether no two rows may have the same values here.
    pub unique: bool,
}

/// A query that the projector answers itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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

/// What a guest wants to see of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Needs {
    pub metadata: bool,
    pub tags: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partition {
    /// The events of one stream.
    Stream,
    /// The events whose first tag with this beginning is the same.
    Tag(String),
}

/// What an upcaster makes of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    pub from: EventType,
    pub to: Vec<EventType>,
}

/// The versions that a module is part of.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Uses {
    pub uses: Vec<Use>,
    pub deciders: Vec<DeciderUse>,
}

/// A version of a decider that a module is part of. One that has decided keeps it, to be decided again in an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeciderUse {
    pub decider: String,
    pub version: u32,
    pub state: DeciderState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Use {
    pub projection: String,
    pub version: u32,
    pub state: State,
    pub live: bool,
    pub role: ModuleKind,
}
