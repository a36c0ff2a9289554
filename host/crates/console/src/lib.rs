//! The console: pages for people, made of what Kinora's own HTTP API answers to whoever looks at them.
//!
//! It knows neither the host nor a socket: a page asks by [`Api`], and becomes a [`Reply`]. So nobody sees or does by a
//! page what they could not see or do by the API, within the same limits.

// A page has at most one problem, which is what it becomes.
#![allow(clippy::result_large_err)]

mod act;
mod ask;
mod assets;
mod buttons;
mod docs;
mod forms;
mod history;
mod operation;
mod pages;
mod parts;
mod shell;
mod visit;

pub use act::{act, uploaded};
pub use ask::{Answer, Api, Ask, Asking, Method};
pub use assets::{Asset, asset};
pub use pages::{page, refused, sign_in};
pub use visit::{Reply, Visit, Visitor};

/// The field of every form that shows that it comes from a page of this console.
pub const TOKEN: &str = "token";

/// The header by which a script of this console shows the same.
pub const TOKEN_HEADER: &str = "kinora-console-token";
