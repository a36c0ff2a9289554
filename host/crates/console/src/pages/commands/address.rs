//! Addresses of deciders and of their versions.

use crate::ask::part;

pub fn home(name: &str) -> String {
    format!("/console/commands/{}", part(name))
}

pub fn version(name: &str, version: u32) -> String {
    format!("{}/versions/{version}", home(name))
}
