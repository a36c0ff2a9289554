//! Console: its pages over HTTP, who may see and do what by them, and a walk through them in a real browser.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod deciders;
mod events;
mod pages;
mod stage;
mod uploads;
mod visitors;
mod walk;
