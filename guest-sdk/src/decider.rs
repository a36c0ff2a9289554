//! Deciders: commands in, events out, on a state that is folded from events.

pub(crate) mod codec;
mod deciding;
// Some of what follows only a host asks for.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod declared;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod kind;
mod rejection;
mod rules;
mod scope;
mod slot;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
mod slots;

pub use deciding::{Claim, Context, Decider};
pub use rejection::Rejection;
pub use rules::{ClaimEntry, Own, Rules};
pub use scope::Scope;

pub(crate) use declared::Declared;
#[cfg(target_arch = "wasm32")]
pub(crate) use kind::{Kind, no_data_read, no_data_written};
#[cfg(target_arch = "wasm32")]
pub(crate) use scope::Of;
pub(crate) use slot::Case;
pub(crate) use slots::{Decisions, Outcome, Slots};

#[cfg(test)]
mod tests;
