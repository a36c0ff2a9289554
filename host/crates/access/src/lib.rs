//! Access: who somebody is, and what they may do. Nothing here knows of HTTP: whoever speaks a protocol hands over what
//! a client has shown, and asks before anything is done.

mod access;
mod key;
mod key_file;
mod pattern;
mod principal;
mod role;
mod scope;
mod token;

pub use access::{Access, Error, Options, Unknown};
pub use key::{InvalidKey, Key};
pub use key_file::{Error as KeyError, KeyFile, NewKey, Record};
pub use pattern::{InvalidPattern, Pattern};
pub use principal::{Asked, Denied, Principal};
pub use role::{Action, InvalidRole, Role};
pub use scope::{Extent, Scope};
pub use token::{TokenError, Tokens};
