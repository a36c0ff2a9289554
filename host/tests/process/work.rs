//! Work with a host from outside of this repository: projects, plans, packages.

mod languages;
mod packages;
mod plans;
mod projects;
