//! A slot: the state of a scope; and a command's case: the slots that it is decided on, and what it comes with.

use super::scope::Scope;

/// The state of a scope.
pub struct Slot<S> {
    pub scope: Scope,
    pub state: S,
}

/// What a command comes with, besides its data.
pub struct Case<'a> {
    pub id: &'a str,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    pub seed: u64,
    /// That of its aggregate first, then those that it has asked for.
    pub slots: &'a [u32],
}
