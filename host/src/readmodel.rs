//! Read models: the tables that a projector declares.

/// A table of a read model, as the projector's manifest declares it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSpec {
    pub name: String,
    /// What the key stands for; for people.
    pub key: String,
    pub indexes: Vec<IndexSpec>,
}

/// A secondary index: rows ordered by the values at `paths` (nested fields with dots), then by key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexSpec {
    pub name: String,
    pub paths: Vec<String>,
}
