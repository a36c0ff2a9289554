//! Modules: uploads, checked, compiled and kept by digest.

pub(crate) mod child;
pub(crate) mod compile;
pub(crate) mod component;
pub(crate) mod confine;
pub(crate) mod describe;
pub(crate) mod emitted;
pub(crate) mod lines;
pub(crate) mod manifest;
pub(crate) mod modules;
pub(crate) mod schemas;
pub(crate) mod symbols;
pub(crate) mod typed;
