//! Plain data: what the catalog remembers, and what status answers show. It knows nothing of what is done with it.

pub(crate) mod continuation;
pub(crate) mod fault;
pub(crate) mod gap;
pub(crate) mod gates;
pub(crate) mod history;
pub(crate) mod pace;
pub(crate) mod projection;
pub(crate) mod proof;
pub(crate) mod request;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod version;
