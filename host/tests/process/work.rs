//! Work with a host from outside of this repository: projects, plans, packages, settings, documents.

mod documents;
mod languages;
mod packages;
mod plans;
mod projects;
mod settings;
