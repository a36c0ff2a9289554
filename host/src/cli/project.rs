//! Projects: folders of somebody who writes a projector, an upcaster or a decider, anywhere.

pub mod build;
pub mod dev;
pub mod new;
pub mod test;

mod ecosystem;
mod sdk;
