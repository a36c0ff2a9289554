//! Claims: values that only one stream may hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::from_objects;

/// A claim to take or to release. Its owner is a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Claim {
    // In the order in which they stand in an event.
    pub owner: String,
    pub scope: String,
    pub value: String,
}

/// What an append takes and releases. Releases go first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, remote = "Self")]
pub struct Claims {
    pub release: Vec<Claim>,
    pub take: Vec<Claim>,
}

from_objects!(Claim, Claims);

impl Claims {
    pub fn is_empty(&self) -> bool {
        self.release.is_empty() && self.take.is_empty()
    }
}

/// A claim that a stream holds, and since which position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldClaim {
    pub owner: String,
    pub scope: String,
    pub since: u64,
    pub value: String,
}
