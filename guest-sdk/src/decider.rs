//! The trait of deciders: commands in, events out, on a state that is folded from events.

pub(crate) mod codec;
mod context;
// Some of it only a host asks for.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod declared;
mod rejection;
mod rules;
mod scope;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod slots;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use context::Context;
pub use rejection::Rejection;
pub use rules::{ClaimEntry, Own, Rules};
pub use scope::Scope;

pub(crate) use declared::Declared;
#[cfg(target_arch = "wasm32")]
pub(crate) use declared::{Kind, no_data_read, no_data_written};
#[cfg(target_arch = "wasm32")]
pub(crate) use scope::Of;
pub(crate) use slots::{Case, Decisions, Outcome, Slots};

/// Decides commands on a state that is a fold of events.
///
/// Both functions are pure: they see what they are handed, and what is decided again comes out the same. The example of
/// this crate shows a whole one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a decider",
    label = "expected a decider",
    note = "a decider implements `Decider`; projectors and upcasters are exported with `export_projector!` and \
            `export_upcaster!`"
)]
pub trait Decider: Sized + 'static {
    /// What decisions rest on: the fold of the events of one scope. Its default is the state before the first event. It
    /// is kept as JSON, so what `#[serde(skip)]` leaves out is lost now and then.
    type State: Clone + Default + Serialize + DeserializeOwned;

    /// What can be asked for: an enum with `#[serde(tag = "type", content = "data")]`. The doc comments of its variants
    /// are shown to those who send commands. A host refuses what the [`JsonSchema`] of a variant does not allow.
    type Command: DeserializeOwned + JsonSchema;

    /// What can have happened: an enum with `#[serde(tag = "type", content = "data")]`.
    type Event: Clone + Serialize + DeserializeOwned + JsonSchema;

    /// What it is called, what its aggregates are, what it claims. Must always answer the same.
    fn describe() -> Rules;

    /// What becomes of a command: events, none if all is as the command wants it, or a rejection.
    ///
    /// # Errors
    /// The rules say no; or they need a state that is not there yet, and `?` passes that on.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        context: &Context<'_, Self>,
    ) -> Result<Vec<Self::Event>, Rejection>;

    /// The state after an event. It has happened: there is nothing to check any more.
    fn evolve(state: Self::State, event: Self::Event) -> Self::State;

    /// The stream that an event goes to; `None` is that of the aggregate with this id.
    fn stream(_event: &Self::Event, _id: &str) -> Option<String> {
        None
    }

    /// The tags of an event. The own tag of an aggregate is added to them.
    fn tags(_event: &Self::Event) -> Vec<String> {
        Vec::new()
    }

    /// What an event claims or gives up, for the stream that it goes to.
    fn claims(_event: &Self::Event) -> Vec<Claim> {
        Vec::new()
    }
}

/// A value that one stream at a time holds, such as an e-mail address. [`Rules::claim`] declares its scope.
///
/// ```
/// use kinora_sdk::Claim;
///
/// let taken = Claim::take("email", "ada@example.org");
/// let given_up = Claim::release("email", "ada@example.org");
/// # let _ = (taken, given_up);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub(crate) scope: &'static str,
    pub(crate) value: String,
    pub(crate) released: bool,
}

impl Claim {
    /// Takes a value. If another stream holds it, the command is rejected with the code that was declared.
    pub fn take(scope: &'static str, value: impl Into<String>) -> Self {
        Self { scope, value: value.into(), released: false }
    }

    /// Gives a value up.
    pub fn release(scope: &'static str, value: impl Into<String>) -> Self {
        Self { scope, value: value.into(), released: true }
    }
}

#[cfg(test)]
mod tests;
